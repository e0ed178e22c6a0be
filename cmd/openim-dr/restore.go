package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/fault"
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
	volumes    bool
	allow      []string
	at         string
	maxAge     string
	resume     string
	noRollback bool
	keepGoing  bool
	quiesce    bool
	release    bool
	early      bool
	purge      bool
	messages   bool
	yes        bool
	report     string
	from       []string
	asked      bool // by questions, not by flags

	given map[string]bool // flags that were given
}

const restoreHelp = `Bring a recovery point back, and compare every table, object and document with
what was captured. POINT is an id, the beginning of one that fits no other, or
latest, which is the default: of each source the newest complete point that holds
it. latest-proven takes the newest that a drill has shown to come back; the plan
names it beside the default, and never goes back to it by itself. --at TIME takes
of each source the newest state that was finished by then, and --max-age refuses a
set that is older.

Without --target the configured sources themselves are restored. A target that
holds data is refused (exit code 4) until its name, as the plan prints it, is
given with --overwrite. Before it is overwritten a rollback point of it is taken
into the repository, in the stream rollback, where it is held for 14 days.
--plan shows what would happen and changes nothing; of the checks that are ok it
gives the names, and with --log-level debug what each has seen.

With --quiesce nothing writes to the targets meanwhile: workloads are scaled to
zero, stage by stage, their replicas kept in annotations, and brought back in the
opposite order once everything was shown to be equal. If it was not, or the restore
failed, they stay at zero: --resume goes on, --release brings them back.

A restore that was killed, stopped or cut off is gone on with by --resume ID, with
the same --config and --identity: what is there already is not sent again.

--include and --exclude take SOURCE/SCHEMA.TABLE, SOURCE/BUCKET/PREFIX or
SOURCE/NAMESPACE/KIND/NAME, where NAMESPACE is _cluster for what belongs to none;
exclusion wins, and with an --include sources that none of them names are left out. --objects FILE restores single objects: each
line is SOURCE/BUCKET/KEY as it is, and where FILE holds a NUL, NULs stand between
them instead of line breaks. --rename takes OLD=NEW or SOURCE/OLD=NEW, of
schemas, buckets and namespaces, and SOURCE/SCHEMA.TABLE=NEW or
SOURCE/SCHEMA.TABLE=SCHEMA2.NEW of tables that --include names: they are restored
beside those in use. SOURCE/NAMESPACE/KIND/NAME=NEW gives an object of a cluster
another name in its namespace. A name with a dot in it stands in backquotes. --output -
writes the one object that --include names to standard output, and restores
nothing. --versions brings the older versions of objects back, too, where they
were captured. --volumes makes PersistentVolumeClaims of the snapshots of volumes that
the point refers to, before anything that might use them; claims that exist are left
alone.

On a terminal, without POINT and without any flag but --config, --repository,
--trust, --log-level and --no-progress, it asks what it must know, and prints the
command line that says the same.

` + fromHelp + ` Where several are named, a file that is missing or
damaged in the place that is read, or a place that stops to answer, is made up for
from the others: whatever is taken is held against the signed manifest. The journal is
then kept on this machine, and so it is where home cannot be read; a rollback point
goes into home, and without home --no-rollback-point is needed. Exit code 0 with a
warning: all of it came back, and home is damaged.

--report FILE.html writes a page for the post-mortem, FILE.json the same for
programs: also when the restore is refused, fails or is stopped. It holds names of
tables, objects and accounts. The configured hooks are called before anything is
touched, and after success or failure.

` + exitCodes

func newRestore(a *app) *cobra.Command {
	var flags restoreFlags
	cmd := &cobra.Command{
		Use:   "restore [POINT]",
		Short: "Bring a recovery point back, and compare",
		Long:  restoreHelp,
		Example: `  openim-dr restore --plan --identity operator.key
  openim-dr restore 20261123T020000Z-k3vq --source main --identity operator.key --overwrite mysql/openim-mysql:3306/openIM_v3
  openim-dr restore latest --repository gs://openim-backups/prod --trust RWQ... --identity operator.key --target target.yaml
  openim-dr restore --include main/openIM_v3.users --rename openIM_v3=rescue --identity operator.key
  openim-dr restore --include main/openIM_v3.chat_logs --rename main/openIM_v3.chat_logs=chat_logs_restored --identity operator.key
  openim-dr restore --include cluster/openim/Secret/openim-mysql --rename cluster/openim/Secret/openim-mysql=openim-mysql-old --identity operator.key
  openim-dr restore --include media/openim/openim/data/hash/0cc175b9c0f1b6a831c399e269772661 --output - --identity operator.key > picture.jpg
  openim-dr restore --objects lost.txt --missing-only --identity operator.key
  openim-dr restore --source media --missing-only --identity operator.key
  openim-dr restore --include cluster/_cluster --include cluster/openim/Secret --plan --identity operator.key
  openim-dr restore --at 2026-11-23T01:30+08:00 --source main --plan --identity operator.key
  openim-dr restore --source main --quiesce --purge-caches --overwrite mysql/openim-mysql:3306/openIM_v3 --identity operator.key
  openim-dr restore --resume 20261123T031500Z-m4pa --identity operator.key
  openim-dr restore --from eu --plan --identity operator.key
  openim-dr restore --from any --identity operator.key
  openim-dr restore --from any --identity operator.key --overwrite mysql/openim-mysql:3306/openIM_v3 --no-rollback-point
  openim-dr restore --source cluster --volumes --plan --identity operator.key
  openim-dr restore --release`,
		Args: arguments(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.given = given(cmd)
			if a.asks(cmd, args) {
				return a.restoreAsked(cmd.Context(), flags)
			}
			return a.restore(cmd.Context(), args, flags)
		},
	}
	flags.add(cmd.Flags())
	return cmd
}

// add registers the flags.
func (flags *restoreFlags) add(f *pflag.FlagSet) {
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
	f.BoolVar(&flags.volumes, "volumes", false, "make PersistentVolumeClaims of the snapshots of volumes that the point refers to")
	f.StringSliceVar(&flags.allow, "allow", nil, "overrule refusals: `LIST` of "+allowances())
	f.StringVar(&flags.at, "at", "", "the newest state at or before `TIME`, such as 2026-11-23T01:30+08:00")
	f.StringVar(&flags.maxAge, "max-age", "", "refuse a state that is older than `DURATION`, such as 2h")
	f.StringVar(&flags.resume, "resume", "", "go on with the restore `ID` that did not end")
	f.BoolVar(&flags.noRollback, "no-rollback-point", false, "do not keep what is overwritten: it is lost for good")
	f.BoolVar(&flags.keepGoing, "keep-going", false, "where the point is damaged bring back all the rest, and end with exit code 3 and the list")
	f.BoolVar(&flags.quiesce, "quiesce", false, "scale OpenIM's workloads that write to zero first, and bring them back after the comparison")
	f.BoolVar(&flags.early, "release-before-compare", false, "bring them back before the comparison")
	f.BoolVar(&flags.release, "release", false, "only bring back what restores have stopped, or with --resume ID what that one has")
	f.BoolVar(&flags.purge, "purge-caches", false, "delete from the configured caches what derives from MySQL, and nothing else")
	f.BoolVar(&flags.messages, "purge-message-caches", false, "delete the caches of messages too: where MongoDB was rolled back")
	f.BoolVar(&flags.yes, "yes", false, "do not ask; off a terminal nothing is asked anyway")
	f.StringArrayVar(&flags.from, "from", nil, "read from the copy `NAME`, a URL, home or any; may be repeated")
	f.StringVar(&flags.report, "report", "", "also write what happened to `FILE`: as a page (.html) or as JSON (.json), however it ends")
}

func (a *app) restore(ctx context.Context, args []string, flags restoreFlags) (err error) {
	d, err := a.deployment()
	if err != nil {
		return err
	}
	if flags.release {
		return a.release(ctx, d, flags)
	}
	account, err := a.openRestoreAccount(d, flags)
	if err != nil {
		return err
	}
	defer func() { err = account.close(ctx, err) }()
	o := &restoreOrder{app: a, deployment: d, flags: flags}
	if err := o.read(ctx, args); err != nil {
		return err
	}
	end, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer end()
	account.report.Repository = d.url
	if a.common.output == rawOutput {
		return restore.Extract(ctx, o.repo, o.request, a.out.stdout)
	}
	show, stop := a.progress()
	defer func() { stop() }()
	if err := o.prepare(ctx, show); err != nil {
		return err
	}
	plan, err := restore.MakePlan(ctx, o.repo, o.request)
	if err != nil {
		return o.offerCopies(err)
	}
	a.out.print(plan, func(p *page) { writePlan(p, plan, a.debugs()) })
	if flags.asked {
		if plan, err = a.askOverwrite(ctx, o, plan, &flags); err != nil {
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
	a.goOn = o.goOn()
	account.facts.Restore, account.report.Restore = plan.Restore, plan.Restore
	if err := account.begin(ctx); err != nil {
		return err
	}
	a.out.say("restore %s begins; whatever ends it, go on with: %s\n", plan.Restore, a.goOn)
	result, err := plan.Carry(ctx)
	stop()
	stop = func() {}
	if result == nil {
		return err
	}
	account.carried(result)
	a.out.print(result, func(p *page) {
		writeRestored(p, result)
		if result.RollbackPoint != nil {
			p.line("to go back to it: %s", o.goBack(*result.RollbackPoint, plan))
		}
	})
	switch {
	case err != nil && result.Resumable && fault.KindOf(err) == fault.Corrupt:
		err = o.offerCopies(hinted(err, a.goOn+" --keep-going brings back all the rest"))
	case err != nil && result.Resumable:
		err = hinted(err, a.goOn)
	}
	return err
}

// hinted adds to an error's hint what there is to do then.
func hinted(err error, then string) error {
	e := fault.New(fault.KindOf(err), "restore", "%w", err)
	inner, ok := fault.Outermost(err)
	if !ok || inner.Try == "" {
		return e.Hint("%s", then)
	}
	return e.Hint("%s; then %s", inner.Try, then)
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
