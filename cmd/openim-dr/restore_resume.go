package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/openim-dr/openim-dr/internal/journal"
	"github.com/openim-dr/openim-dr/restore"
)

// beside are the flags that go with --resume: everything else is as it was.
var beside = []string{"resume", "identity", "target", "plan", "yes", "report", "keep-going", "no-rollback-point", "overwrite", "allow"}

// given lists the verb's own flags that were given.
func given(cmd *cobra.Command) map[string]bool {
	names := map[string]bool{}
	cmd.LocalNonPersistentFlags().Visit(func(f *pflag.Flag) { names[f.Name] = true })
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
	kept, history, err := journal.Find(ctx, o.repo, o.flags.resume, "openim-dr "+version, o.app.log, o.places()...)
	if err != nil {
		return err
	}
	if history.Ended() {
		return usage("resume restore "+history.Restore, "it has come to its end at %s", utc(history.Records[len(history.Records)-1].Time)).
			Hint("begin a new one")
	}
	o.journal, o.request.Resumed, o.request.ID = kept, history, history.Restore
	o.request.Points = history.Points()
	if err := o.unseal(ctx, history); err != nil {
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

// unseal opens what was ordered, with the key of whichever point it is sealed to.
func (o *restoreOrder) unseal(ctx context.Context, history *journal.History) error {
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
