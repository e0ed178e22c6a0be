package kube

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/kube/document"
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
	begun   map[string]bool // parts of the target
	defined []kind          // by definitions that were brought back
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
	run := &restore{point: p, attempt: private.attempt, session: s, catalog: newCatalog(s), begun: map[string]bool{}, shown: show.Task(c.name, progress.Objects, private.total())}
	defer run.shown.Done()
	if err := run.volumes(ctx, private.volumes, private.namespaces); err != nil {
		return run.summary(), err
	}
	return run.summary(), run.all(ctx, private.namespaces)
}

// all brings rank after rank back, each of them everywhere.
func (r *restore) all(ctx context.Context, planned []plannedNamespace) error {
	for _, now := range ranks {
		for _, p := range planned {
			if !p.ranks[now] {
				continue
			}
			if err := r.part(ctx, p, now); err != nil {
				return fmt.Errorf("restore %s: %w", describePart(p.target), err)
			}
		}
		if err := r.session.awaitDefined(ctx, r.defined); err != nil {
			return err
		}
		r.defined = nil
	}
	for _, p := range planned { // those that hold nothing are there, too
		if err := r.begin(ctx, p); err != nil {
			return fmt.Errorf("restore %s: %w", describePart(p.target), err)
		}
	}
	return nil
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

// begin notes that a part of the target is about to be written, and makes the
// namespace where it is missing; once.
func (r *restore) begin(ctx context.Context, planned plannedNamespace) error {
	if r.begun[planned.target] {
		return nil
	}
	r.begun[planned.target] = true
	if err := r.attempt.Begin(ctx, r.session.target(planned.target)); err != nil || planned.exists {
		return err
	}
	return r.createNamespace(ctx, planned)
}

// part brings back what one part has of a rank.
func (r *restore) part(ctx context.Context, planned plannedNamespace, now rank) error {
	if err := r.begin(ctx, planned); err != nil {
		return err
	}
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(parallelWrites)
	ofRank := func(gk schema.GroupKind) bool { return rankOf(gk) == now && gk != namespaceKind.GroupKind() }
	err := r.documentsOf(working, planned.captured.Name, ofRank, func(d document.Document) error {
		if !r.selection.wants(planned.captured.Name, keyOf(d.Object)) || r.excluded(d.Object) {
			return working.Err()
		}
		if r.current(planned.captured.Name, d.Object); planned.left[keyOf(d.Object)] {
			return working.Err()
		}
		if isDefinition(d.Object) {
			kinds := kindsDefinedBy(d.Object)
			r.catalog.define(kinds)
			r.defined = append(r.defined, kinds...)
		}
		k, err := r.catalog.captured(working, d.Object.GroupVersionKind())
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

func (r *restore) object(ctx context.Context, planned plannedNamespace, k kind, d document.Document) error {
	namespace := namespaceOf(planned.target)
	d.Object.SetNamespace(namespace)
	w := &writer{session: r.session, kind: k, namespace: namespace, object: d.Object}
	if err := r.write(ctx, planned, w); err != nil {
		return err
	}
	r.objects.Add(1)
	r.bytes.Add(d.Size)
	r.shown.Add(1)
	return nil
}

// write looks first where something is there: what is equal needs no write, which
// a webhook that is down may refuse.
func (r *restore) write(ctx context.Context, planned plannedNamespace, w *writer) error {
	if planned.occupied {
		return w.replace(ctx)
	}
	err := w.create(ctx)
	if answered(err, metav1.StatusReasonAlreadyExists) {
		return r.refuse(ctx, w)
	}
	return err
}

// refuse is for an object that was not there when the plan was made: nobody
// has agreed to its loss (invariant 5). One that is equal loses nothing.
func (r *restore) refuse(ctx context.Context, w *writer) error {
	live, err := w.live(ctx)
	if err != nil || live != nil && w.equal(live) {
		return err
	}
	if live != nil && bareDefaultAccount(live) {
		return w.replace(ctx) // made with the namespace, by a controller
	}
	return fault.New(fault.Refused, "restore "+keyOf(w.object).String()+" into", "it appeared after the plan was made").
		On(r.session.target(partOf(w.namespace))).Hint("make a new plan: run the same restore again")
}
