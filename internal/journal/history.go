package journal

import (
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// History is what a restore has done so far, as its journal tells.
type History struct {
	Restore string
	Records []repository.RestoreRecord // at least the first
}

// Began is when the first process began.
func (h *History) Began() time.Time { return h.Records[0].Time }

// Points are those that are restored, by source.
func (h *History) Points() map[string]string { return h.Records[0].Points }

// Servers are what identified the servers of the targets, by source; of those
// that told it.
func (h *History) Servers() map[string]string { return h.Records[0].Servers }

// Targets are all that the restore writes to.
func (h *History) Targets() []string { return h.Records[0].Targets }

// Request is what was asked for, sealed.
func (h *History) Request() []byte { return h.Records[0].Request }

// Begun are the targets that may have been written to.
func (h *History) Begun() []string {
	var targets []string
	for _, r := range h.Records {
		if r.Step == repository.StepLoad {
			targets = append(targets, r.Targets...)
		}
	}
	slices.Sort(targets)
	return slices.Compact(targets)
}

// Kept is what the load of a source has kept last, sealed; nil where it has not.
func (h *History) Kept(source string) []byte {
	for _, r := range slices.Backward(h.Records) {
		if r.Step == repository.StepLoad && r.Source == source && r.Kept != nil {
			return r.Kept
		}
	}
	return nil
}

// Lost is what the load of a source could not bring back, sealed; nil where it has
// brought back all, or has not ended.
func (h *History) Lost(source string) []byte {
	r, _ := h.last(repository.StepLoad, source, repository.StateDone)
	return r.Lost
}

// Done reports whether a step of a source, or of none, was brought to its end.
func (h *History) Done(step repository.RestoreStep, source string) bool {
	_, ok := h.last(step, source, repository.StateDone)
	return ok
}

// HasBegun reports whether a step was begun.
func (h *History) HasBegun(step repository.RestoreStep) bool {
	_, ok := h.last(step, "", repository.StateBegun)
	return ok
}

// RollbackPoint is the point that was taken of what is overwritten, or empty.
func (h *History) RollbackPoint() string {
	r, _ := h.last(repository.StepRollback, "", repository.StateDone)
	return r.Point
}

// Ended reports whether nothing is left to be done.
func (h *History) Ended() bool { return h.Done(repository.StepEnd, "") }

func (h *History) last(step repository.RestoreStep, source string, state repository.RestoreState) (r repository.RestoreRecord, ok bool) {
	for _, r := range slices.Backward(h.Records) {
		if r.Step == step && r.Source == source && r.State == state {
			return r, true
		}
	}
	return r, false
}
