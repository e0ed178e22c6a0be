package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/journal"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/restore"
)

// beside are the flags that go with --resume: everything else is as it was.
var beside = []string{"resume", "from", "identity", "target", "plan", "yes", "report", "keep-going", "no-rollback-point", "overwrite", "allow"}

// given lists the verb's own flags that were given.
func given(cmd *cobra.Command) map[string]bool {
	names := map[string]bool{}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		// A set of local flags, as cobra makes one, does not know which were given.
		if cmd.Root().PersistentFlags().Lookup(f.Name) == nil {
			names[f.Name] = true
		}
	})
	return names
}

// readResume refuses what cannot be changed any more.
func (o *restoreOrder) readResume(args []string) error {
	for name := range o.flags.given {
		if !slices.Contains(beside, name) {
			return usage("resume restore "+o.flags.resume, "it goes on as it began, and --%s cannot change that", name).
				Hint("leave the flag out, or begin a new restore")
		}
	}
	if len(args) > 0 {
		return usage("resume restore "+o.flags.resume, "its points are known: it takes no POINT")
	}
	return nil
}

// readJournal reads the order of an earlier process.
func (o *restoreOrder) readJournal(ctx context.Context) error {
	if err := o.findJournal(ctx, []*repository.Repository{o.repo}); err != nil {
		return err
	}
	return o.unseal(ctx, o.request.Resumed)
}

// findJournal finds the journal of an earlier process. It may have begun when other
// places could be read, and then it is another one's restore, in the journal's words.
func (o *restoreOrder) findJournal(ctx context.Context, repos []*repository.Repository) error {
	var kept *journal.Journal
	var history *journal.History
	var failed error = usage("resume restore "+o.flags.resume, "none of the places can be read")
	for _, repo := range repos {
		kept, history, failed = journal.Find(ctx, repo, o.flags.resume, "openim-dr "+version, o.app.log, o.places()...)
		if o.journalled = repo; failed == nil || fault.KindOf(failed) != fault.Corrupt {
			break
		}
	}
	if failed != nil {
		return failed
	}
	if history.Ended() {
		return usage("resume restore "+history.Restore, "it has come to its end at %s", utc(history.Records[len(history.Records)-1].Time)).
			Hint("begin a new one")
	}
	o.journal, o.request.Resumed, o.request.ID = kept, history, history.Restore
	o.request.Points = history.Points()
	return nil
}

// unseal reads what was ordered, and adds what the flags say now.
func (o *restoreOrder) unseal(ctx context.Context, history *journal.History) error {
	if err := o.unsealOrder(ctx, history); err != nil {
		return err
	}
	if o.flags.target != "" {
		o.remembered.Target = o.flags.target
	}
	o.remembered.KeepGoing = o.remembered.KeepGoing || o.flags.keepGoing
	o.remembered.NoRollback = o.remembered.NoRollback || o.flags.noRollback
	o.remembered.Overwrite = append(o.remembered.Overwrite, o.flags.overwrite...) // a name that is typed again
	for _, name := range o.flags.allow {
		o.remembered.Allow = append(o.remembered.Allow, restore.Allowance(name))
	}
	return nil
}

// unsealOrder opens what was ordered, with the key of whichever point it is sealed to.
func (o *restoreOrder) unsealOrder(ctx context.Context, history *journal.History) error {
	listing, err := o.repo.List(ctx)
	if err != nil {
		return err
	}
	var failed error
	for _, id := range history.Points() {
		point, err := listing.Find(id)
		if err != nil {
			return err
		}
		for _, reader := range o.repo.Unlock(point, o.request.Identities)[:1] {
			plain, err := reader.Unseal(ctx, history.Request())
			if err == nil {
				err = json.Unmarshal(plain, &o.remembered)
			}
			if err == nil {
				return nil
			}
			failed = err
		}
	}
	return fmt.Errorf("resume restore %s: %w", history.Restore, failed)
}
