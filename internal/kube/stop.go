package kube

import (
	"context"
	"fmt"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// Note is told, in words, of each step before it is taken: of what is needed to
// undo it by hand, too. Its error keeps the step from being taken.
type Note func(step string) error

// Stop scales the workloads to zero, stage by stage, and goes on to the next
// stage when the pods of the one before are gone. How many replicas a workload
// had is recorded in the very change that takes them away, and a record is never
// overwritten: Stop may be repeated, by the same restore or another one, after a
// crash at any moment. A workload that has no replicas is left alone.
//
// After an error the stages so far stay stopped, until Release.
func (q *Quiescer) Stop(ctx context.Context, restore string, note Note) error {
	if restore == "" {
		return fault.New(fault.Usage, "stop workloads", "the restore has no id")
	}
	s, err := q.cluster.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	namespaces, _, err := s.chosen(ctx, q.cluster.settings)
	if err != nil {
		return err
	}
	var stopped []*workload
	for i := range q.stages {
		// Anew for each stage: it takes a while until its turn.
		chosen, err := q.choose(ctx, s, namespaces)
		if err != nil {
			return err
		}
		for _, w := range chosen[i] {
			if err := s.change(ctx, w, stopAs(restore, i, noteOnce(note))); err != nil {
				return fmt.Errorf("stop %s: %w", w.described(), err)
			}
		}
		// Those of the stages before, too: somebody may have brought them back.
		stopped = append(stopped, chosen[i]...)
		if err := q.awaitGone(ctx, s, q.stages[i].Name, stopped); err != nil {
			return err
		}
	}
	return nil
}

// stopAs decides what is to be done to a workload that a restore stops.
func stopAs(restore string, stage int, note Note) func(*workload) (*change, error) {
	return func(w *workload) (*change, error) {
		now := replicasOf(w.object)
		if w.hold == nil && now == 0 || w.hold != nil && w.hold.restore == restore && now == 0 {
			return nil, nil
		}
		d := w.described()
		step := fmt.Sprintf("scale %s from %d to 0; it will come back with %s", d, now, counted(d.Replicas))
		if now == 0 {
			step = fmt.Sprintf("take %s over from restore %s; it will come back with %s", d, d.StoppedBy, counted(d.Replicas))
		}
		if err := note(step); err != nil {
			return nil, err
		}
		h := &hold{replicas: d.Replicas, restore: restore, stage: stage}
		return &change{replicas: 0, annotations: h.annotations()}, nil
	}
}

// noteOnce leaves out what has just been said: a step that is tried again.
func noteOnce(note Note) Note {
	last := ""
	return func(step string) error {
		if step == last {
			return nil
		}
		last = step
		return note(step)
	}
}
