package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// Release brings back what a restore has stopped, or with an empty id what any
// has: in the opposite order, each workload with the replicas that it had, the
// record of them removed in the same change. Whatever somebody has scaled up
// meanwhile keeps the replicas that it has. It goes by what the workloads
// themselves say, in the namespaces of the configuration: neither the stages nor
// the process that stopped them are needed. It waits for no pod.
//
// One that cannot be brought back does not keep the others from it. Release may
// be repeated.
func (q *Quiescer) Release(ctx context.Context, restore string, note Note) error {
	s, err := q.cluster.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	namespaces, _, err := s.chosen(ctx, q.cluster.settings)
	if err != nil {
		return err
	}
	all, err := s.workloads(ctx, namespaces)
	if err != nil {
		return err
	}
	held := slices.DeleteFunc(all, func(w *workload) bool { return w.broken == nil && (w.hold == nil || !w.hold.of(restore)) })
	slices.SortStableFunc(held, func(a, b *workload) int { return cmp.Compare(b.stage(), a.stage()) })
	var failed []error
	for _, w := range held {
		if err := s.change(ctx, w, releaseOf(restore, noteOnce(note))); err != nil {
			failed = append(failed, fmt.Errorf("bring %s back: %w", w.described(), err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failed...)
}

func (w *workload) stage() int {
	if w.hold == nil {
		return 0
	}
	return w.hold.stage
}

// of reports whether the hold is that of a restore; any is where none is named.
func (h *hold) of(restore string) bool { return restore == "" || h.restore == restore }

// releaseOf decides what is to be done to a workload that is brought back.
func releaseOf(restore string, note Note) func(*workload) (*change, error) {
	forget := map[string]any{}
	for _, name := range holdAnnotations {
		forget[name] = nil
	}
	return func(w *workload) (*change, error) {
		if w.hold == nil || !w.hold.of(restore) {
			return nil, nil // somebody else has brought it back, or has taken it over
		}
		d, replicas := w.described(), w.hold.replicas
		step := fmt.Sprintf("scale %s to %d", d, replicas)
		if now := replicasOf(w.object); now != 0 {
			step, replicas = fmt.Sprintf("leave %s at %s, as somebody has scaled it; it had %d", d, counted(now), replicas), now
		}
		if err := note(step); err != nil {
			return nil, err
		}
		return &change{replicas: replicas, annotations: forget}, nil
	}
}
