package kube

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// parallelWrites bounds the objects that are written, and in memory, at once.
const parallelWrites = 8

// restore carries a plan out.
type restore struct {
	*point
	attempt source.Attempt
	session *session
	catalog *catalog
	shown   progress.Task
	objects atomic.Int64
	bytes   atomic.Int64
}

// Restore creates namespaces that are missing and writes every wanted object.
// Objects of the target that the point does not hold are left alone.
func (c *Cluster) Restore(ctx context.Context, from *repository.SourceReader, plan *source.Plan, show progress.Reporter) (repository.Summary, error) {
	private, err := planOf(plan)
	if err != nil {
		return repository.Summary{}, err
	}
	p, err := c.openPoint(ctx, from, private.selection)
	if err != nil {
		return repository.Summary{}, err
	}
	s, err := c.open(ctx)
	if err != nil {
		return repository.Summary{}, err
	}
	defer s.close()
	run := &restore{point: p, attempt: private.attempt, session: s, catalog: newCatalog(s), shown: show.Task(c.name, progress.Objects, private.total())}
	defer run.shown.Done()
	for _, planned := range private.namespaces {
		if err := run.namespace(ctx, planned); err != nil {
			return run.summary(), fmt.Errorf("restore namespace %q: %w", planned.target, err)
		}
	}
	return run.summary(), nil
}

func planOf(plan *source.Plan) (*restorePlan, error) {
	private, ok := plan.Private.(*restorePlan)
	if !ok {
		return nil, fmt.Errorf("restore kubernetes source: the plan was made by another source")
	}
	return private, nil
}

func (p *restorePlan) total() int64 {
	var total int64
	for _, planned := range p.namespaces {
		total += planned.objects
	}
	return total
}

func (r *restore) summary() repository.Summary {
	return repository.Summary{Documents: r.objects.Load(), Bytes: r.bytes.Load()}
}

func (r *restore) namespace(ctx context.Context, planned plannedNamespace) error {
	if err := r.attempt.Begin(ctx, r.session.target(planned.target)); err != nil {
		return err
	}
	if !planned.exists {
		if err := r.createNamespace(ctx, planned); err != nil {
			return err
		}
	}
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(parallelWrites)
	err := r.documents(working, planned.captured.Name, func(d document) error {
		if isNamespace(d.object) || !r.selection.wants(planned.captured.Name, keyOf(d.object)) || r.excluded(d.object) {
			return working.Err()
		}
		k, err := r.catalog.captured(working, d.object.GroupVersionKind())
		if err != nil {
			return err
		}
		group.Go(func() error { return r.object(working, planned, k, d) })
		return working.Err()
	})
	// A writer's own error says more than the reading that it cancelled.
	if failed := group.Wait(); failed != nil {
		return failed
	}
	return err
}

// createNamespace makes the namespace as it was, under its name at the target.
func (r *restore) createNamespace(ctx context.Context, planned plannedNamespace) error {
	u := planned.object.DeepCopy()
	u.SetName(planned.target)
	started := time.Now()
	_, err := r.session.objects.Resource(namespaceResource).Create(ctx, u, metav1.CreateOptions{FieldManager: fieldManager})
	if err == nil {
		return nil
	}
	err = r.session.fail(call{verb: "create", resource: "namespaces", name: planned.target}, started, err)
	if answered(err, metav1.StatusReasonAlreadyExists) {
		return nil // made since the plan; whether it is in the way, its objects show
	}
	return err
}

func (r *restore) object(ctx context.Context, planned plannedNamespace, k kind, d document) error {
	d.object.SetNamespace(planned.target)
	w := &writer{session: r.session, kind: k, namespace: planned.target, object: d.object}
	err := w.create(ctx)
	if answered(err, metav1.StatusReasonAlreadyExists) {
		if !planned.occupied {
			return r.refuse(ctx, w)
		}
		err = w.replace(ctx)
	}
	if err != nil {
		return err
	}
	r.objects.Add(1)
	r.bytes.Add(d.size)
	r.shown.Add(1)
	return nil
}

// refuse is for an object that was not there when the plan was made: nobody
// has agreed to its loss (invariant 5). One that is equal loses nothing.
func (r *restore) refuse(ctx context.Context, w *writer) error {
	if live, err := w.live(ctx); err != nil || live != nil && w.equal(live) {
		return err
	}
	return fault.New(fault.Refused, "restore "+keyOf(w.object).String()+" into", "it appeared after the plan was made").
		On(r.session.target(w.namespace)).Hint("make a new plan: run the same restore again")
}
