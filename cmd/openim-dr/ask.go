package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"charm.land/huh/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/restore"
)

// asks reports whether a restore asks what it must know: on a terminal, and
// only where nothing was said about it. Common flags that say where to look and
// how to show it do not count; -o does, since a program reads what comes out.
func (a *app) asks(cmd *cobra.Command, args []string) bool {
	if len(args) > 0 || !isTerminal(a.stdin) || !a.console.terminal {
		return false
	}
	asks := true
	cmd.Flags().Visit(func(f *pflag.Flag) {
		common := cmd.Root().PersistentFlags().Lookup(f.Name) != nil
		asks = asks && common && f.Name != "output"
	})
	return asks
}

// restoreAsked restores what the answers say.
func (a *app) restoreAsked(ctx context.Context, flags restoreFlags) error {
	choices, err := a.restoreChoices(ctx)
	if err != nil {
		return err
	}
	point, err := a.askRestore(ctx, choices, &flags)
	if err != nil {
		return err
	}
	return a.restore(ctx, []string{point}, flags)
}

// askRestore asks which point, what of it, where to, and with whose key, and
// puts the answers into flags as if they had been typed. It changes nothing, and
// prints the command line that asks nothing.
func (a *app) askRestore(ctx context.Context, choices restoreChoices, flags *restoreFlags) (point string, err error) {
	flags.asked = true
	point, held, err := a.askPoint(ctx, choices)
	if err != nil {
		return "", err
	}
	if held = choices.takeable(held); len(held) == 0 {
		return "", usage("choose sources", "no configured target takes what the point holds").
			Hint("--target FILE with a list in the form of the configuration's sources")
	}
	if flags.sources, err = a.askSources(ctx, held); err != nil {
		return "", err
	}
	if flags.target, err = a.askTarget(ctx, choices.targets, flags.sources); err != nil {
		return "", err
	}
	if len(flags.identities) == 0 {
		file, err := a.askIdentity(ctx)
		if err != nil {
			return "", err
		}
		flags.identities = []string{file}
	}
	a.sayCommand(point, *flags)
	return point, nil
}

// askPoint returns the point and the sources that it holds.
func (a *app) askPoint(ctx context.Context, choices restoreChoices) (point string, held []string, err error) {
	for _, s := range choices.latest {
		held = append(held, s.source)
	}
	options := []huh.Option[string]{huh.NewOption(latestLine(choices.latest), repository.Latest)}
	bySources := map[string][]string{repository.Latest: held}
	for _, p := range choices.offered() {
		options = append(options, huh.NewOption(p.line(), p.id))
		bySources[p.id] = p.sources
	}
	chosen := repository.Latest // a question that is left behind may still write to it
	ask := huh.NewSelect[string]().Title(titled("Which recovery point?", "Enter takes 1")).Options(options...).
		Height(min(len(options)+3, 14)).Value(&chosen)
	if n := len(choices.points) - len(choices.offered()) + choices.left; n > 0 {
		ask.Description(plural(int64(n), "point") + " more: openim-dr list --all; openim-dr restore POINT takes any")
	}
	if err := a.question(ctx, ask); err != nil {
		return "", nil, err
	}
	a.out.say("point     %s\n", chosen)
	return chosen, bySources[chosen], nil
}

// maxLines is how many points are offered where no list can be scrolled.
const maxLines = 20

func (c restoreChoices) offered() []pointChoice {
	if inLines() {
		return c.points[:min(len(c.points), maxLines)]
	}
	return c.points
}

// latestLine says how old the newest state of each source is: once where all
// are of one age.
func latestLine(latest []sourceAge) string {
	var parts []string
	same := true
	for _, s := range latest {
		same = same && s.age == latest[0].age
		parts = append(parts, s.source+" "+quantity.Age(s.age.Seconds())+" old")
	}
	if same && len(latest) > 1 {
		return "latest: " + quantity.Age(latest[0].age.Seconds()) + " old"
	}
	return "latest: " + strings.Join(parts, ", ")
}

func (p pointChoice) line() string {
	return fmt.Sprintf("%s  %s old  %s  (%s)", p.id, quantity.Age(p.age.Seconds()), strings.Join(p.sources, ", "), p.stream)
}

// askSources returns what of the point is wanted; everything is the default.
func (a *app) askSources(ctx context.Context, held []string) ([]string, error) {
	chosen := slices.Clone(held)
	for len(held) > 1 {
		options := huh.NewOptions(held...)
		ask := huh.NewMultiSelect[string]().Title(titled("What of it?", "a number takes one away, or back; 0 goes on")).
			Options(options...).Height(min(len(options)+3, 14)).Value(&chosen)
		if !inLines() { // there the form would go on for ever where the input has ended
			ask.Validate(func(s []string) error {
				if len(s) == 0 {
					return errors.New("choose at least one, with the space bar")
				}
				return nil
			})
		}
		if err := a.question(ctx, ask); err != nil {
			return nil, err
		}
		if len(chosen) > 0 {
			break
		}
		a.out.say("choose at least one\n")
	}
	a.out.say("sources   %s\n", strings.Join(chosen, ", "))
	return chosen, nil
}

// askTarget returns the name of a target that can take all chosen sources, or
// nothing for the sources themselves, which is the default.
func (a *app) askTarget(ctx context.Context, targets []targetChoice, chosen []string) (string, error) {
	if len(targets) == 0 {
		return a.askFile(ctx, "Where to? A file with a list in the form of the configuration's sources", "", isFile)
	}
	var options []huh.Option[string]
	for _, t := range targets {
		if lacks := without(chosen, t.sources); len(lacks) == 0 {
			options = append(options, huh.NewOption(t.line(), t.name))
		}
	}
	if len(options) == 0 {
		return "", usage("choose a target", "no configured target takes all of %s", strings.Join(chosen, ", ")).
			Hint("--target FILE with a list in the form of the configuration's sources")
	}
	target := options[0].Value
	if len(options) > 1 {
		ask := huh.NewSelect[string]().Title(titled("Where to?", "Enter takes 1")).Options(options...).
			Height(min(len(options)+3, 14)).Value(&target)
		if err := a.question(ctx, ask); err != nil {
			return "", err
		}
	}
	a.out.say("target    %s\n", targetChoice{name: target}.line())
	return target, nil
}

// takeable returns those sources that some target takes.
func (c restoreChoices) takeable(held []string) []string {
	if len(c.targets) == 0 {
		return held
	}
	return slices.DeleteFunc(slices.Clone(held), func(source string) bool {
		return !slices.ContainsFunc(c.targets, func(t targetChoice) bool { return slices.Contains(t.sources, source) })
	})
}

func (t targetChoice) line() string { return cmp.Or(t.name, "the sources themselves") }

func without(all, these []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(these, s) })
}

// askIdentity returns a file with an operator's private key.
func (a *app) askIdentity(ctx context.Context) (string, error) {
	usual := "operator.key"
	if isIdentity(usual) != nil {
		usual = ""
	}
	return a.askFile(ctx, "Which file holds an operator's private key?", usual, isIdentity)
}

// askFile returns the path of a file that check accepts.
func (a *app) askFile(ctx context.Context, title, usual string, check func(path string) error) (string, error) {
	path := usual
	read := func(typed string) string { return fromHome(cmp.Or(strings.TrimSpace(typed), usual)) }
	if inLines() && usual != "" {
		title += " (Enter takes " + usual + ")"
	}
	if inLines() {
		title += ":"
	}
	ask := huh.NewInput().Title(title).Value(&path).Validate(func(typed string) error { return check(read(typed)) })
	if err := a.question(ctx, ask); err != nil {
		return "", err
	}
	path = read(path)
	a.out.say("file      %s\n", path)
	return path, nil
}

func isFile(path string) error {
	info, err := os.Stat(path)
	switch {
	case path == "":
		return errors.New("name a file")
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return errors.New(path + " is no file")
	default:
		return nil
	}
}

// isIdentity accepts what readIdentities reads. What is protected by a
// passphrase is opened later.
func isIdentity(path string) error {
	if err := isFile(path); err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err = errors.Join(err, file.Close()); err != nil || isProtected(data) {
		return err
	}
	_, err = seal.ParseIdentities(data)
	return err
}

// fromHome does what a shell does to a path that begins with ~/.
func fromHome(path string) string {
	home, err := os.UserHomeDir()
	if rest, below := strings.CutPrefix(path, "~/"); below && err == nil {
		return filepath.Join(home, rest)
	}
	return path
}

// titled adds to a title what the keys of a form show by themselves.
func titled(title, help string) string {
	if inLines() {
		return title + " (" + help + ")"
	}
	return title
}

// askOverwrite asks for the name of every target that holds data, and plans
// again as if the names had been given with --overwrite. Where something else
// stands in the way too it asks nothing.
func (a *app) askOverwrite(ctx context.Context, o *restoreOrder, plan *restore.Plan, flags *restoreFlags) (*restore.Plan, error) {
	other := func(r restore.Refusal) bool { return r.Code != "occupied" }
	if len(plan.Refusals) == 0 || slices.ContainsFunc(plan.Refusals, other) {
		return plan, nil
	}
	for _, r := range plan.Refusals {
		if err := a.askName(ctx, r.Target, r.Why); err != nil {
			return nil, err
		}
		flags.overwrite = append(flags.overwrite, r.Target)
	}
	if err := o.overwrite(ctx, flags.overwrite); err != nil {
		return nil, err
	}
	plan, err := restore.MakePlan(ctx, o.repo, o.request)
	if err != nil {
		return nil, err
	}
	a.out.print(plan, func(p *page) { writePlan(p, plan, a.debugs()) })
	a.sayCommand(o.request.Point, *flags)
	return plan, nil
}

// askName returns when the name of a target has been typed (invariant 5).
func (a *app) askName(ctx context.Context, target, why string) error {
	typed := ""
	same := func(s string) error {
		if strings.TrimSpace(s) != target {
			return errors.New("that is not its name; Ctrl-C leaves it alone")
		}
		return nil
	}
	loss, title := target+": "+why, "To go on, type its name again:"
	ask := huh.NewInput().Title(title).Description(loss).Value(&typed).Validate(same)
	if inLines() {
		ask.Title(loss + ". " + title)
	}
	if err := a.question(ctx, ask); err != nil {
		return err
	}
	if same(typed) != nil {
		return errDeclined
	}
	return nil
}

// sayCommand prints the command line that answers all questions.
func (a *app) sayCommand(point string, flags restoreFlags) {
	a.out.say("the same without questions:\n  %s\n", strings.Join(commandLine(a.common, point, flags), " "))
}

// commandLine returns the words of a command line, quoted for a shell.
func commandLine(common commonFlags, point string, flags restoreFlags) []string {
	words := []string{"openim-dr", "restore", point}
	add := func(flag string, values ...string) {
		for _, v := range values {
			if v != "" {
				words = append(words, flag, quoted(v))
			}
		}
	}
	add("--config", common.config)
	add("--repository", common.repository)
	add("--trust", common.trust...)
	add("--source", flags.sources...)
	add("--target", flags.target)
	add("--identity", flags.identities...)
	add("--overwrite", flags.overwrite...)
	return words
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_-]+$`)

// quoted writes a word as a shell reads it.
func quoted(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
