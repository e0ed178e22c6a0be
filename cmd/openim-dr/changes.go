package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/openim-dr/openim-dr/internal/kube"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
)

type changesFlags struct {
	from, to   string
	source     string
	identities []string
	format     string
	reading    kube.Reading
}

func newChanges(a *app) *cobra.Command {
	var flags changesFlags
	cmd := &cobra.Command{
		Use:   "changes",
		Short: "Say what has changed in the cluster between two points",
		Long: `Say which objects of a Kubernetes cluster were added, removed or changed between
two recovery points, by whom and when, and whether by hand. Without --from and --to
they are the newest complete point that holds a source of kind kubernetes, and the
one before it in the same stream.

Without a key it says what kind of object in which namespace has changed, and tells
objects apart by keyed digests of their names. With --identity it names them, and
every field that has changed. Values of Secrets are never printed: a keyed digest
stands for each, so that equal digests are equal values and nobody finds one out by
guessing. The same holds for values of ConfigMaps and of environments, arguments and
commands of containers, into which people put passwords too, unless --show-values.

--to live compares a point with the cluster as it is, by the configuration and its
catalog identity, or an operator's: without a key to the content of the point it names
what was added and changed; of what is gone the point tells kind and namespace. There, by
hand is what a hand has written last.

An object has been changed by hand if it is not as the manifest of its Helm release
has it, or if it belongs to none and was written last by a person's program rather
than by a controller. --drift also lists objects that have not changed between the
two points, but are not as their releases have them.

` + exitCodes,
		Example: `  openim-dr changes
  openim-dr changes --identity operator.key
  openim-dr changes --from 20261101T020000Z-k3vq --to latest --identity operator.key --format md > changes-november.md
  openim-dr changes --drift --identity operator.key
  openim-dr changes --to live
  openim-dr changes --source cluster -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.changes(cmd.Context(), flags) },
	}
	f := cmd.Flags()
	f.StringVar(&flags.from, "from", "", "the earlier `POINT`; default the one before --to in its stream")
	f.StringVar(&flags.to, "to", "", "the later `POINT`, or live for the cluster as it is; default the newest complete one")
	f.StringVar(&flags.source, "source", "", "`NAME` of the source, where the points hold several of kind kubernetes")
	f.StringArrayVar(&flags.identities, "identity", nil, "`FILE` with an operator's private key; may be repeated")
	f.StringVar(&flags.format, "format", "text", "`text|md`: a page for a terminal, or Markdown for a change log")
	f.BoolVar(&flags.reading.Values, "show-values", false, "print values of ConfigMaps, environments, arguments and commands; with --identity")
	f.BoolVar(&flags.reading.Drift, "drift", false, "also list what is not as its Helm release has it, though it has not changed; with --identity")
	return cmd
}

// live stands for the cluster as it is, in the place of a point.
const live = "live"

// changeLog is what has changed between two points, or since one.
type changeLog struct {
	source   string
	from, to moment
	changes  []kube.Change
	releases []string // what has become of Helm releases, in words
	hint     string   // how more is learnt; empty where there is no more
}

// moment is a point, or now.
type moment struct {
	name string // id of the point, or live
	at   time.Time
}

func momentOf(s *repository.SourceReader) moment {
	return moment{s.Point().Point, s.Point().Started}
}

func (a *app) changes(ctx context.Context, flags changesFlags) error {
	if flags.format != "text" && flags.format != "md" {
		return usage("read flags", "--format takes text or md")
	}
	if flags.to == live && (flags.reading.Values || flags.reading.Drift) {
		return usage("read flags", "--show-values and --drift are of two points, and --to live has one").Hint("take a point first: openim-dr backup")
	}
	if (flags.reading.Values || flags.reading.Drift) && len(flags.identities) == 0 {
		return usage("read flags", "--show-values and --drift need the content of the points").Hint("give an operator's private key: --identity FILE")
	}
	d, err := a.deployment()
	if err != nil {
		return err
	}
	identities, err := a.readIdentities(ctx, flags.identities)
	if err != nil {
		return err
	}
	repo, end, err := d.open(ctx, a)
	if err != nil {
		return err
	}
	defer end()
	listing, err := repo.List(ctx)
	if err != nil {
		return err
	}
	var log *changeLog
	if flags.to == live {
		log, err = a.changesSince(ctx, d, repo, listing, flags, identities)
	} else {
		log, err = a.changesBetween(ctx, d, repo, listing, flags, identities)
	}
	if err != nil {
		return err
	}
	if flags.format == "md" && !a.out.json {
		a.out.raw(log.markdown())
		return nil
	}
	a.out.print(log.changes, log.page)
	return nil
}

// changesBetween compares two points: by their lists of objects, or with an operator's key
// by the objects themselves.
func (a *app) changesBetween(ctx context.Context, d *deployment, repo *repository.Repository, listing *repository.Listing, flags changesFlags, identities []seal.Identity) (*changeLog, error) {
	pair, err := choosePair(listing, flags, d.instance())
	if err != nil {
		return nil, err
	}
	a.warnUntrusted(pair.from, pair.to)
	from, _ := repository.SourceOf(repo.Unlock(pair.from, identities), pair.source)
	to, _ := repository.SourceOf(repo.Unlock(pair.to, identities), pair.source)
	log := &changeLog{source: pair.source, from: momentOf(from), to: momentOf(to)}
	if len(identities) > 0 {
		log.changes, err = kube.ReadChanges(ctx, from, to, flags.reading)
	} else {
		log.hint = "with an operator's key, --identity FILE, objects and fields have names"
		log.changes, err = kube.ListChanges(ctx, from, to)
	}
	if err != nil {
		return nil, err
	}
	log.releases, err = releaseChanges(from, to)
	return log, err
}

// pointPair are two points and the source that is compared.
type pointPair struct {
	from, to *repository.Point
	source   string
}

// choosePair finds the points that the flags mean.
func choosePair(listing *repository.Listing, flags changesFlags, instance string) (pair pointPair, err error) {
	holds := func(p *repository.Point) bool { return p.Eligible() && len(clustersIn(p, flags.source)) > 0 }
	if flags.to != "" {
		pair.to, err = listing.Find(flags.to)
	} else {
		pair.to, err = newestOf(listing, "the later point", func(p *repository.Point) bool {
			return holds(p) && (instance == "" || p.Instance == instance)
		})
	}
	if err != nil {
		return pair, err
	}
	if pair.source, err = clusterOf(pair.to, flags.source); err != nil {
		return pair, err
	}
	if flags.from != "" {
		pair.from, err = listing.Find(flags.from)
	} else {
		pair.from, err = newestOf(listing, "the point before "+pair.to.Point, func(p *repository.Point) bool {
			return holds(p) && p.Instance == pair.to.Instance && p.Stream == pair.to.Stream && p.Started.Before(pair.to.Started) && len(clustersIn(p, pair.source)) > 0
		})
	}
	if err != nil {
		return pair, err
	}
	if _, err = clusterOf(pair.from, pair.source); err != nil {
		return pair, err
	}
	if pair.from.Started.After(pair.to.Started) {
		return pair, usage("choose points", "%s is later than %s", pair.from.Point, pair.to.Point).Hint("--from takes the earlier one")
	}
	return pair, nil
}

// warnUntrusted says which points anybody may have written.
func (a *app) warnUntrusted(points ...*repository.Point) {
	for _, p := range points {
		if p.Untrusted != nil {
			a.log.Warn("nobody who is trusted has signed the point", "point", p.Point, "why", p.Untrusted.Error())
		}
	}
}

func newestOf(listing *repository.Listing, what string, wanted func(*repository.Point) bool) (*repository.Point, error) {
	for _, p := range slices.Backward(listing.Points) {
		if wanted(p) {
			return p, nil
		}
	}
	return nil, usage("choose "+what, "there is no complete point that holds a source of kind kubernetes").
		Hint("openim-dr list shows the points; name two of them with --from and --to")
}

// clustersIn returns the sources of kind kubernetes of a point, or that of a name.
func clustersIn(p *repository.Point, name string) []string {
	var names []string
	for _, s := range p.Sources {
		if s.Kind == kube.Kind && (name == "" || s.Name == name) {
			names = append(names, s.Name)
		}
	}
	return names
}

func clusterOf(p *repository.Point, name string) (string, error) {
	names := clustersIn(p, name)
	switch {
	case len(names) == 1:
		return names[0], nil
	case len(names) > 1:
		return "", usage("choose the source", "point %s holds several of kind kubernetes", p.Point).Hint("--source takes one of %s", strings.Join(names, ", "))
	case name != "":
		return "", usage("choose the source", "point %s holds no source %q of kind kubernetes", p.Point, name).Hint("openim-dr show %s lists its sources", p.Point)
	default:
		return "", usage("choose the source", "point %s holds no source of kind kubernetes", p.Point).Hint("openim-dr show %s lists its sources", p.Point)
	}
}

// bareName is how a change calls its object within its namespace.
func bareName(c kube.Change) string {
	if c.Name == "" {
		return c.Kind + " " + c.ID
	}
	return c.Kind + "/" + c.Name
}

func objectName(c kube.Change) string {
	if c.Namespace == "" {
		return printable(bareName(c))
	}
	return printable(c.Namespace + "/" + bareName(c))
}

func changedAt(at *time.Time) string {
	if at == nil {
		return ""
	}
	return utc(*at)
}

// page is the change log for a terminal.
func (l *changeLog) page(p *page) {
	p.line("from  %s, %s", l.from.name, utc(l.from.at))
	p.line("to    %s, %s", l.to.name, utc(l.to.at))
	for _, release := range l.releases {
		p.line("Helm  %s", release)
	}
	p.line("")
	if len(l.changes) == 0 {
		p.line("nothing has changed")
		return
	}
	rows := make([][]any, 0, len(l.changes))
	for _, c := range l.changes {
		rows = append(rows, []any{string(c.Change), objectName(c), yes(c.Manual), printable(c.By), changedAt(c.At)})
	}
	p.table([]column{left("change"), left("object"), left("by hand"), left("by"), left("at")}, rows)
	for _, c := range l.changes {
		if len(c.Fields)+len(c.Drift) == 0 {
			continue
		}
		p.line("\n%s", objectName(c))
		for _, f := range c.Fields {
			p.line("  %s: %s -> %s", printable(f.Path), shownValue(f.Before, f.BeforeDigest), shownValue(f.After, f.AfterDigest))
		}
		for _, f := range c.Drift {
			p.line("  not as in release %s: %s: %s -> %s", printable(c.Release), printable(f.Path), shownValue(f.Before, f.BeforeDigest), shownValue(f.After, f.AfterDigest))
		}
	}
	if l.hint != "" {
		p.line("\n%s", l.hint)
	}
}

// shownValue is a value on one line; nothing where there is none.
func shownValue(v any, digest string) string {
	switch {
	case digest != "":
		return "digest " + digest
	case v == nil:
		return "nothing"
	default:
		return shorten(strings.Map(graphic, strings.TrimSpace(string(compact(v)))))
	}
}

// graphic replaces what a terminal would act on.
func graphic(r rune) rune {
	if !unicode.IsPrint(r) {
		return '?'
	}
	return r
}

// shorten cuts what is longer than a line. JSON has all of it.
func shorten(text string) string {
	const longest = 160
	if runes := []rune(text); len(runes) > longest {
		return string(runes[:longest]) + fmt.Sprintf("… (%d more)", len(runes)-longest)
	}
	return text
}
