package main

import (
	"cmp"
	"context"
	"errors"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
)

type shredFlags struct {
	reason     string
	confirm    string
	signingKey string
	yes        bool
	plan       bool
}

func newShred(a *app) *cobra.Command {
	var flags shredFlags
	cmd := &cobra.Command{
		Use:   "shred POINT",
		Short: "Destroy the keys of a point, so that nobody can ever read it",
		Long: `Make a point unreadable on purpose, as a duty to erase may demand: delete every
wrap of its keys. It cannot be taken back. No private key is needed.

First it says what goes and what does not. What the point shares with others, the
packs of bucket objects, stays readable through these until they are shredded or
swept too. A retention of the storage's keeps the wraps until it ends: the plan gives
the date where the storage tells it. Copies of the repository, and backups of its bucket (versions, soft
delete, a retention policy), keep the wraps as long as they keep anything.

A held point is refused. One that is the newest complete or the newest proven
point of a source has to be named a second time, by --confirm and in full. Off a
terminal --yes is needed. It may be interrupted and repeated.

It is signed by an operator or pruner: with --signing-key, or with the configured
key if that holds the role.

` + exitCodes,
		Example: `  openim-dr shred 20261123T020000Z-k3vq --plan
  openim-dr shred 20261123T020000Z-k3vq --reason "erasure request 4711" --signing-key operator-signing.key`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.shred(cmd.Context(), args[0], flags) },
	}
	cmd.Flags().StringVar(&flags.reason, "reason", "", "why: a `TEXT` that is recorded, signed and readable for everybody (required)")
	cmd.Flags().StringVar(&flags.confirm, "confirm", "", "name the `POINT` a second time, where it is the newest of a source")
	cmd.Flags().StringVar(&flags.signingKey, "signing-key", "", "operator's or pruner's signing key `FILE`; default the configured signingKey")
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&flags.plan, "plan", false, "only say what would become unreadable")
	return cmd
}

func (a *app) shred(ctx context.Context, ref string, flags shredFlags) error {
	d, err := a.configured("shred")
	if err != nil {
		return err
	}
	if flags.reason == "" && !flags.plan {
		return usage("shred", "no reason is given").Hint("say why: --reason TEXT")
	}
	store, end, err := a.openStorage(ctx, d.url, mustExist)
	if err != nil {
		return err
	}
	defer end()
	repo, err := repository.Open(ctx, store, repository.Options{Trust: d.trust})
	if err != nil {
		return err
	}
	plan, err := planShred(ctx, repo, ref)
	if err != nil {
		return err
	}
	if flags.plan {
		a.out.print(plan, func(p *page) { writeShredPlan(p, plan) })
		return nil
	}
	signer, err := d.stateSigner(flags.signingKey)
	if err == nil {
		err = repo.MayDecide(signer, time.Now())
	}
	if err != nil {
		return err
	}
	if err := a.mayShred(ctx, plan, flags); err != nil {
		return err
	}
	done, err := repository.ShredPoint(ctx, store, store, repo, signer, plan, userName(), flags.reason, time.Now())
	if done != nil && done.State != nil && plan.Fresh() {
		p := d.pruner(store, repo, userName())
		p.Signer = signer
		err = errors.Join(err, p.Log(ctx, done.State))
	}
	if done != nil {
		a.out.print(done, func(p *page) {
			p.line("point %s is shredded: %s of %s deleted", done.Point, plural(done.Removed, "wrap"), plural(int64(len(done.Keys)), "key"))
			writeShredKept(p, plan)
		})
	}
	return err
}

func planShred(ctx context.Context, repo *repository.Repository, ref string) (*repository.ShredPlan, error) {
	listing, err := repo.List(ctx)
	if err != nil {
		return nil, err
	}
	point, err := listing.Find(ref)
	if err != nil {
		return nil, err
	}
	return repository.PlanShred(ctx, repo, listing, point)
}

// mayShred shows what will go, and asks; off a terminal nothing is asked.
func (a *app) mayShred(ctx context.Context, plan *repository.ShredPlan, flags shredFlags) error {
	refuse := func(format string, args ...any) *fault.Error {
		return fault.New(fault.Refused, "shred point "+plan.Point, format, args...)
	}
	if newest := append(append([]string{}, plan.Newest...), plan.Proven...); len(newest) > 0 && flags.confirm != plan.Point {
		return refuse("it is the newest complete or the newest proven point of %s", strings.Join(unrepeated(newest), ", ")).
			Hint("to go on, name it again: --confirm %s", plan.Point)
	}
	if flags.yes {
		return nil
	}
	if !isTerminal(a.stdin) || !a.console.terminal {
		return refuse("there is no terminal to ask on").Hint("look at what goes with --plan, and then give --yes")
	}
	var text page
	writeShredPlan(&text, plan)
	a.out.say("%s", text.String())
	return a.confirm(ctx, "destroy these keys for good?")
}

func unrepeated(names []string) []string {
	var all []string
	for _, n := range names {
		if len(all) == 0 || !containsFold(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// userName is who sits here, as far as the machine knows.
func userName() string {
	u, err := user.Current()
	if err != nil {
		return "unknown"
	}
	return cmp.Or(u.Username, "unknown")
}

func writeShredPlan(p *page, plan *repository.ShredPlan) {
	p.line("point      %s", plan.Point)
	p.line("destroyed  %s", plural(int64(len(plan.Keys)), "key"))
	p.line("           everything of the point's own: rows, documents, details")
	writeShredKept(p, plan)
}

func writeShredKept(p *page, plan *repository.ShredPlan) {
	if until := plan.RetainedUntil; until != nil {
		p.line("until      %s: so long the storage's retention keeps wraps of these keys, and whoever has a private key reads the point; run it again then", utc(*until))
	}
	p.line("besides    copies of the repository, and versions, soft delete and backups of its bucket keep the wraps for as long as these are kept")
	for _, k := range plan.Kept {
		p.line("stays      objects in packs of key %s, which others need: %s", k.Key[:12], strings.Join(append(append([]string{}, k.Points...), k.Runs...), ", "))
	}
}
