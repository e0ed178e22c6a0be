package repository

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// Change is what a state record decides about a point.
type Change string

// Changes of a point's state.
const (
	Forget   Change = "forget"
	Undelete Change = "undelete"
	Hold     Change = "hold"
	Unhold   Change = "unhold"
	Sweeping Change = "sweeping"
	// Shred destroys the keys of the point, and cannot be taken back.
	Shred Change = "shred"
)

// stateRoles may decide about points. The one that is meant stands last.
var stateRoles = []seal.Role{seal.RoleOperator, seal.RolePruner}

// State is one decision about a point, in a numbered series. Of forget,
// undelete and sweeping the highest number counts, and of hold and unhold.
type State struct {
	Header
	Point  string     `json:"point"`
	Change Change     `json:"change"`
	By     string     `json:"by"`
	Reason string     `json:"reason"`
	Until  *time.Time `json:"until,omitempty"`
	Time   time.Time  `json:"time"`
	// Swept is, in a record of sweeping, the link that the chain loses.
	Swept *Swept `json:"swept,omitempty"`
	// Skipped are numbers before this one that a signature without its record had
	// taken, as a crash leaves it: no record of them is missing.
	Skipped []int `json:"skipped,omitempty"`
}

// loadStates reads the series of a point. A record that no trusted pruner or
// operator signed is as if it were not there.
func (r *Repository) loadStates(ctx context.Context, p *Point) error {
	numbers, err := series(ctx, r.store, stateDir+p.Point+"/")
	if err != nil {
		return fmt.Errorf("list states of point %s: %w", p.Point, err)
	}
	for _, n := range numbers {
		state, err := r.readState(ctx, p.Point, n)
		if err != nil {
			return err
		}
		if state != nil {
			p.apply(state, r.now())
		}
	}
	return nil
}

func (r *Repository) readState(ctx context.Context, point string, n int) (*State, error) {
	path := statePath(point, n)
	signed, err := readSigned(ctx, r.store, path, r.trust, stateTime, stateRoles...)
	if err != nil {
		return nil, fmt.Errorf("read state of point %s: %w", point, err)
	}
	// An untrusted decision is none, and neither is a trusted one that was
	// copied here from another place: whoever can write could otherwise hide
	// points, or take the hold from one.
	var s State
	here := Header{kindState, Format, r.record.Repository, path}
	if signed.untrusted != nil || json.Unmarshal(signed.data, &s) != nil || s.Header != here || s.Point != point {
		return nil, nil // "nothing was decided" is an answer
	}
	return &s, nil
}

// stateTime is the time that a state record gives itself.
func stateTime(data []byte) time.Time {
	var s State
	if json.Unmarshal(data, &s) != nil {
		return time.Time{}
	}
	return s.Time
}

// holdRollback holds a rollback point, which nobody has to do by hand in the
// midst of an incident.
func (p *Point) holdRollback(now time.Time) {
	if p.Stream != RollbackStream {
		return
	}
	until := p.Started.Add(RollbackTime)
	p.apply(&State{Point: p.Point, Change: Hold, By: "openim-dr", Reason: "a restore has overwritten what it holds", Until: &until, Time: p.Started}, now)
}

func (p *Point) apply(s *State, now time.Time) {
	switch s.Change {
	case Forget, Sweeping:
		if !p.Sweeping() {
			p.Forgotten = s
		}
	case Undelete:
		if !p.Sweeping() {
			p.Forgotten = nil
		}
	case Hold:
		p.Held = s
		if s.Until != nil && now.After(*s.Until) {
			p.Held = nil
		}
	case Unhold:
		p.Held = nil
	case Shred:
		p.Shredded = s
	}
}

// Sweeping reports whether the point's sweeping has begun, which nobody can take
// back: its files may be gone.
func (p *Point) Sweeping() bool { return p.Forgotten != nil && p.Forgotten.Change == Sweeping }

// MayDecide fails unless a decision about a point that the signer signs at some time
// would count.
func (r *Repository) MayDecide(signer seal.Signer, at time.Time) error {
	if err := r.wouldCount(signer, at, stateRoles...); err != nil {
		return fault.New(fault.Usage, "sign what becomes of points", "a decision by %s would not count: %w", signer, err).
			Hint("add the key to the configuration's trustedSigners with the role pruner, or give another: --signing-key FILE")
	}
	return nil
}

// AppendState records a decision about a point, as the next of its series.
// Racing records are serialised by the create: the loser gets
// storage.ErrExist and must look again. A record of sweeping is given the link
// that the chain will lose.
func AppendState(ctx context.Context, store storage.ReadWriter, repo *Repository, signer seal.Signer, s State) (*State, error) {
	next, skipped, err := nextState(ctx, store, s.Point)
	if err != nil {
		return nil, fmt.Errorf("list states of point %s: %w", s.Point, err)
	}
	if s.Change == Sweeping && s.Swept == nil {
		p, err := repo.Point(ctx, s.Point)
		if err != nil {
			return nil, fmt.Errorf("record the sweeping of point %s: %w", s.Point, err)
		}
		s.Swept = sweptOf(p)
	}
	s.Skipped = skipped
	s.Header = Header{kindState, Format, repo.record.Repository, statePath(s.Point, next)}
	return &s, putSigned(ctx, store, s.Path, &s, signer)
}

// nextState returns the number after the highest that is taken, and those before
// it of which there is a signature alone. A crash leaves such a one, and takes its
// number with it: another record could not be signed there.
func nextState(ctx context.Context, store storage.Reader, point string) (next int, skipped []int, err error) {
	dir, records := stateDir+point+"/", map[int]bool{}
	err = store.List(ctx, dir, func(i storage.Info) error {
		name, signature := strings.CutSuffix(strings.TrimPrefix(i.Name, dir), signatureSuffix)
		if n, ok := seriesNumber(name); ok {
			records[n] = records[n] || !signature
		}
		return nil
	})
	for n, record := range records {
		next = max(next, n)
		if !record {
			skipped = append(skipped, n)
		}
	}
	slices.Sort(skipped)
	return next + 1, skipped, err
}
