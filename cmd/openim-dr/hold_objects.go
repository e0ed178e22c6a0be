package main

import (
	"context"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// decision is the result of a verb that decides about a point.
type decision struct {
	*repository.State
	// ObjectHolds are the files that are held in the storage, or let go of.
	ObjectHolds *repository.ObjectHolds `json:"objectHolds,omitempty"`
}

// movesHolds reports whether files in the storage follow a decision.
func movesHolds(p *repository.Pruner, change repository.Change) bool {
	return p.ObjectHolds && (change == repository.Hold || change == repository.Unhold)
}

// planHolds says what a decision would do to files in the storage, and does nothing.
func (a *app) planHolds(ctx context.Context, p *repository.Pruner, s repository.State) error {
	if !movesHolds(p, s.Change) {
		return usage("plan", "nothing but a record is written").Hint("files are held in the storage where the configuration says repository.objectHolds: true")
	}
	plan, err := p.PlanObjectHolds(ctx, s.Point, s.Change == repository.Hold)
	if err != nil {
		return err
	}
	a.out.print(decision{ObjectHolds: plan}, func(page *page) {
		verb := "held"
		if s.Change == repository.Unhold {
			verb = "let go of"
		}
		page.line("%s (%s) would be %s in %s", plural(plan.Files, "file"), size(plan.Bytes), verb, p.Store.URL())
		if plan.Needed > 0 {
			page.line("%s would stay held for other points", plural(plan.Needed, "file"))
		}
		page.line("that takes up to %s beside a listing, half of which change something, and the right storage.objects.update", plural(plan.Requests, "request"))
	})
	return nil
}

// setHolds has the files in the storage follow a decision that was recorded.
func (a *app) setHolds(ctx context.Context, p *repository.Pruner, s repository.State) (*repository.ObjectHolds, error) {
	show, shown := a.progress()
	defer shown()
	return p.SetObjectHolds(ctx, s.Point, s.Change == repository.Hold, show)
}

func writeHolds(p *page, change repository.Change, h *repository.ObjectHolds) {
	if change == repository.Hold {
		p.line("%s (%s) are held in the storage, %s of them from now on", plural(h.Files, "file"), size(h.Bytes), count(h.Changed))
		return
	}
	p.line("%s let go of in the storage; %s stay held for other points", plural(h.Changed, "file"), count(h.Needed))
}
