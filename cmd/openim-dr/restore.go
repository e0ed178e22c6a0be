package main

import (
	"context"
	"errors"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/restore"
)

type restoreFlags struct {
	sources    []string
	identities []string
	target     string
	include    []string
	objects    string
	exclude    []string
	rename     []string
	plan       bool
	overwrite  []string
	missing    bool
	surplus    bool
	versions   bool
	allow      []string
	yes        bool
	report     string
	asked      bool // by questions, not by flags
}

func newRestore(a *app) *cobra.Command {
	var flags restoreFlags
	cmd := &cobra.Command{
		Use:   "restore [POINT]",
		Short: "Bring a recovery point back, and compare",
		Long: `Bring a recovery point back, and compare every table, object and document with
what was captured. POINT is an id, the beginning of one that fits no other, or
latest, which is the default.

Without --target the configured sources themselves are restored. A target that
holds data is refused (exit code 4) until its name, as the plan prints it, is
given with --overwrite. --plan shows what would happen and changes nothing.

--include and --exclude take SOURCE/SCHEMA.TABLE, SOURCE/BUCKET/PREFIX or
SOURCE/NAMESPACE/KIND/NAME; exclusion wins, and with an --include sources that
none of them names are left out. --objects FILE restores single objects: each
line is SOURCE/BUCKET/KEY as it is, and where FILE holds a NUL, NULs stand between
them instead of line breaks. --rename takes OLD=NEW or SOURCE/OLD=NEW, of
schemas, buckets and namespaces. --output - writes the one object that --include
names to standard output, and restores nothing. --versions brings the older versions
of objects back, too, where they were captured.

On a terminal, without POINT and without any flag but --config, --repository,
--trust, --log-level and --no-progress, it asks what it must know, and prints the
command line that says the same.

--report FILE.html writes a page for the post-mortem, FILE.json the same for
programs: also when the restore is refused, fails or is stopped. It holds names of
tables, objects and accounts. The configured hooks are called before anything is
touched, and after success or failure.

` + exitCodes,
		Example: `  openim-dr restore --plan --identity operator.key
  openim-dr restore 20261123T020000Z-k3vq --source main --identity operator.key --overwrite mysql/openim-mysql:3306/openIM_v3
  openim-dr restore latest --repository gs://openim-backups/prod --trust RWQ... --identity operator.key --target target.yaml
  openim-dr restore --include main/openIM_v3.users --rename openIM_v3=rescue --identity operator.key
  openim-dr restore --include media/openim/openim/data/hash/0cc175b9c0f1b6a831c399e269772661 --output - --identity operator.key > picture.jpg
  openim-dr restore --objects lost.txt --missing-only --identity operator.key
  openim-dr restore --source media --missing-only --identity operator.key`,
		Args: arguments(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.asks(cmd, args) {
				return a.restoreAsked(cmd.Context(), flags)
			}
			return a.restore(cmd.Context(), append(args, "latest")[0], flags)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&flags.sources, "source", nil, "only the source `NAME`; may be repeated")
	f.StringArrayVar(&flags.identities, "identity", nil, "`FILE` with an operator's private key; may be repeated")
	f.StringVar(&flags.target, "target", "", "`NAME` of a configured target, or a file with a list in the form of sources")
	f.StringArrayVar(&flags.include, "include", nil, "only what matches `PATTERN`; may be repeated")
	f.StringVar(&flags.objects, "objects", "", "the objects that `FILE` lists, or standard input (-)")
	f.StringArrayVar(&flags.exclude, "exclude", nil, "not what matches `PATTERN`; may be repeated")
	f.StringArrayVar(&flags.rename, "rename", nil, "restore `OLD=NEW` under another name; may be repeated")
	f.BoolVar(&flags.plan, "plan", false, "show what would happen, and change nothing")
	f.StringArrayVar(&flags.overwrite, "overwrite", nil, "destroy what `TARGET` holds, spelled as the plan prints it; may be repeated")
	f.BoolVar(&flags.missing, "missing-only", false, "add to buckets what they lack, and leave alone what is there; takes no --overwrite")
	f.BoolVar(&flags.surplus, "delete-surplus", false, "delete from overwritten buckets what the point does not hold")
	f.BoolVar(&flags.versions, "versions", false, "bring older versions of objects back, too, into a bucket that is empty or new")
	f.StringSliceVar(&flags.allow, "allow", nil, "overrule refusals: `LIST` of "+allowances())
	f.BoolVar(&flags.yes, "yes", false, "do not ask; off a terminal nothing is asked anyway")
	f.StringVar(&flags.report, "report", "", "also write what happened to `FILE`: as a page (.html) or as JSON (.json), however it ends")
	return cmd
}

func (a *app) restore(ctx context.Context, point string, flags restoreFlags) (err error) {
	d, err := a.deployment()
	if err != nil {
		return err
	}
	account, err := a.openRestoreAccount(d, flags)
	if err != nil {
		return err
	}
	defer func() { err = account.close(ctx, err) }()
	request, err := a.restoreRequest(ctx, d, point, flags)
	if err != nil {
		return err
	}
	repo, end, err := d.open(ctx, a)
	if err != nil {
		return err
	}
	defer end()
	if a.common.output == rawOutput {
		return restore.Extract(ctx, repo, request, a.out.stdout)
	}
	show, stop := a.progress()
	defer func() { stop() }()
	request.Show = show
	plan, err := restore.MakePlan(ctx, repo, request)
	if err != nil {
		return err
	}
	a.out.print(plan, func(p *page) { writePlan(p, plan) })
	if flags.asked {
		if plan, err = a.askOverwrite(ctx, repo, request, plan, &flags); err != nil {
			return account.declined(err)
		}
	}
	account.planned(plan)
	if refused := plan.Refused(); refused != nil || flags.plan {
		return refused
	}
	if !flags.yes {
		if err := a.confirm(ctx, "restore as planned?"); err != nil {
			return account.declined(err)
		}
	}
	if err := account.begin(ctx); err != nil {
		return err
	}
	result, err := plan.Carry(ctx)
	stop()
	stop = func() {}
	if result != nil {
		account.carried(result)
		a.out.print(result, func(p *page) { writeRestored(p, result) })
	}
	return err
}

// restoreRequest turns flags into what the stage wants to know.
func (a *app) restoreRequest(ctx context.Context, d *deployment, point string, flags restoreFlags) (restore.Request, error) {
	r := restore.Request{Point: point, Instance: d.instance(), Overwrite: flags.overwrite, Log: a.log}
	for _, name := range flags.allow {
		allowance := restore.Allowance(name)
		if !slices.Contains(restore.Allowances, allowance) {
			return r, usage("read flags", "--allow knows no %q", name).Hint("--allow takes %s", allowances())
		}
		r.Allow = append(r.Allow, allowance)
	}
	if flags.versions && (flags.missing || flags.surplus) {
		return r, usage("read flags", "--versions goes with neither --missing-only nor --delete-surplus").
			Hint("older versions are restored into a bucket that is empty or new: --rename BUCKET=NEW")
	}
	targets, err := d.restoreTargets(flags.target)
	if err != nil {
		return r, err
	}
	if targets, err = chooseSources(targets, flags.sources); err != nil {
		return r, err
	}
	if r.Select, err = selections(targets, flags); err != nil {
		return r, err
	}
	if err := addObjects(r.Select, targets, flags.objects, a.stdin); err != nil {
		return r, err
	}
	if len(flags.include) > 0 || flags.objects != "" {
		targets = slices.DeleteFunc(slices.Clone(targets), func(s config.Source) bool {
			return len(r.Select[s.Name].Include)+len(r.Select[s.Name].Objects) == 0
		})
	}
	if r.Identities, err = a.readIdentities(ctx, flags.identities); err != nil {
		return r, err
	}
	for _, s := range targets {
		o, err := openSource(s, sourceOptions{limits: d.limits()})
		if err != nil {
			return r, err
		}
		r.Sources = append(r.Sources, restore.Source{Name: o.name, Kind: o.kind.name, Phase: o.kind.phase, Restorer: o.Source})
	}
	return r, nil
}

// restoreTargets returns where to restore to: a configured target, a file of
// that form, or the sources themselves.
func (d *deployment) restoreTargets(target string) ([]config.Source, error) {
	if d.config != nil {
		if target == "" {
			return d.config.Sources, nil
		}
		if list, ok := d.config.Targets[target]; ok {
			return list, nil
		}
	}
	if target == "" {
		return nil, usage("choose a target", "neither a configuration nor --target is given").
			Hint("--target FILE with a list in the form of the configuration's sources")
	}
	if _, err := os.Stat(target); errors.Is(err, os.ErrNotExist) {
		return nil, usage("choose a target", "there is neither a configured target nor a file %q", target).
			Hint("the configuration names targets under targets")
	}
	return config.LoadSources(target, settingsOfKinds())
}

func allowances() string {
	text := ""
	for i, a := range restore.Allowances {
		if i > 0 {
			text += ","
		}
		text += string(a)
	}
	return text
}
