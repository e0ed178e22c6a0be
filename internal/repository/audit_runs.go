package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// AuditRuns looks at what runs, leases and restores have left: plain files that
// mean something until the run has become a point. It finds out which runs may
// be alive, so that what they are writing is not taken for useless.
func (a *Audit) AuditRuns(ctx context.Context) error {
	if a.only != "" {
		return nil // none of it belongs to a point that is there
	}
	leases, err := a.leases(ctx)
	if err != nil {
		return err
	}
	if err := a.starts(ctx, leases); err != nil {
		return err
	}
	if err := a.checkpoints(ctx); err != nil {
		return err
	}
	if err := a.journals(ctx); err != nil {
		return err
	}
	return a.holes(ctx)
}

// plain reads a plain file without a signature beside it, and reports one that
// cannot be what its name says: judge looks at what was read and says what is
// wrong with it. What is not right is read once more, since it may have changed
// on its way.
func (a *Audit) plain(ctx context.Context, path, what string, into any, judge func() Damage) (bool, error) {
	var found Finding
	for range 2 {
		data, err := storage.Get(ctx, a.store, path, maxPlain)
		found = Finding{Kind: Altered, File: path, Expected: what, Got: bytesText(int64(len(data))) + " that do not say so"}
		switch {
		case errors.Is(err, storage.ErrNotExist):
			return false, nil // swept meanwhile
		case errors.Is(err, storage.ErrChecksum):
			found.Got = "bytes that do not fit their checksum"
		case err != nil:
			return false, err
		case json.Unmarshal(data, into) != nil:
			found.Kind = jsonDamage(data, Altered)
		default:
			if found.Kind = judge(); found.Kind == Intact {
				return true, nil
			}
		}
	}
	a.found.add(found, "")
	return false, nil
}

// unless is the judgement of what fits or does not.
func unless(fits bool, otherwise Damage) Damage {
	if fits {
		return Intact
	}
	return otherwise
}

// reads reports whether a file that decides nothing is to be read all the same.
func (a *Audit) reads(path string) bool { return a.options.Read != nil && a.options.Read(path) }

// leases returns the newest term of each lease, nil where it cannot be read. An
// older term decides nothing, and is read only if everything is.
func (a *Audit) leases(ctx context.Context) (map[string]*leaseTerm, error) {
	newest := map[string]int64{}
	_ = a.entries(func(_ int, _ string, at located) error { // fn fails never
		if at.place == placeLease {
			newest[at.owner] = max(newest[at.owner], at.number)
		}
		return nil
	})
	var mu sync.Mutex
	terms := map[string]*leaseTerm{}
	err := a.eachOf(ctx, placeLease, func(ctx context.Context, path string, at located) error {
		if at.number != newest[at.owner] && !a.reads(path) && !a.empty(path) {
			return nil
		}
		t := new(leaseTerm)
		ok, err := a.plain(ctx, path, "a term of a lease", t, func() Damage {
			return unless(t.Kind == kindLease && t.Term == at.number && t.Seconds > 0, Altered)
		})
		mu.Lock()
		defer mu.Unlock()
		if ok && at.number == newest[at.owner] {
			terms[at.owner] = t
		}
		return err
	})
	return terms, err
}

// empty reports whether a file has no bytes, which none may have.
func (a *Audit) empty(path string) bool {
	i, ok := a.inv.find(path)
	return ok && a.inv.sizes[i] == 0
}

// starts looks at the beginnings of runs. One that is neither a point nor was
// given up may be alive, unless the lease of its stream has been given back.
func (a *Audit) starts(ctx context.Context, leases map[string]*leaseTerm) error {
	return a.eachOf(ctx, placeStart, func(ctx context.Context, path string, at located) error {
		a.mu.Lock()
		_, isPoint := a.points[at.owner]
		ended := isPoint || a.fenced[at.owner]
		a.mu.Unlock()
		if ended && !a.reads(path) && !a.empty(path) {
			return nil
		}
		s := new(Start)
		ok, err := a.plain(ctx, path, "the start of run "+at.owner, s, func() Damage {
			return unless(s.Kind == kindStart && s.Point == at.owner, Altered)
		})
		if err != nil || ended {
			return err
		}
		if lease := leases[StreamLease(s.Instance, s.Stream)]; !ok || lease == nil || !lease.Released {
			a.alive(path)
		}
		return nil
	})
}

// alive notes that a run may be alive since the storage has seen its start.
func (a *Audit) alive(start string) {
	i, ok := a.inv.find(start)
	if !ok {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if since := max(a.inv.created[i], 1); a.liveSince == 0 || since < a.liveSince {
		a.liveSince = since
	}
}

// checkpoints looks at the last checkpoint of every run, and at the others if
// everything is read. The last one of a run that is no point may be what the next
// run goes on from: what it names is needed.
func (a *Audit) checkpoints(ctx context.Context) error {
	last := map[string]int64{}
	_ = a.entries(func(_ int, _ string, at located) error { // fn fails never
		if at.place == placeCheckpoint {
			last[at.owner] = max(last[at.owner], at.number)
		}
		return nil
	})
	return a.eachOf(ctx, placeCheckpoint, func(ctx context.Context, path string, at located) error {
		isLast := at.number == last[at.owner]
		if !isLast && !a.reads(path) && !a.empty(path) {
			return nil
		}
		progress, err := a.checkpoint(ctx, path, at)
		if _, isPoint := a.points[at.owner]; err != nil || progress == nil || !isLast || isPoint {
			return err
		}
		for _, b := range progress.Buckets {
			for _, layer := range b.Layers {
				if err := a.markSegments(ctx, layer); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// checkpoint returns what a checkpoint says, or nil where it does not count.
func (a *Audit) checkpoint(ctx context.Context, path string, at located) (*Progress, error) {
	var data json.RawMessage
	var progress *Progress
	_, err := a.plain(ctx, path, "a checkpoint of run "+at.owner+", signed by a trusted writer", &data, func() Damage {
		progress = a.repo.parseProgress(at.owner, path, data)
		return unless(progress != nil, Forged)
	})
	return progress, err
}

// journals looks at the records of restores: the first and the last of each,
// and all of them if everything is read.
func (a *Audit) journals(ctx context.Context) error {
	last := map[string]int64{}
	_ = a.entries(func(_ int, _ string, at located) error { // fn fails never
		if at.place == placeRestore {
			last[at.owner] = max(last[at.owner], at.number)
		}
		return nil
	})
	return a.eachOf(ctx, placeRestore, func(ctx context.Context, path string, at located) error {
		if at.number > 1 && at.number != last[at.owner] && !a.reads(path) && !a.empty(path) {
			return nil
		}
		r := new(RestoreRecord)
		_, err := a.plain(ctx, path, fmt.Sprintf("record %d of restore %s", at.number, at.owner), r,
			func() Damage { return unless(a.repo.IsRestoreRecord(r, at.owner, at.number), Altered) })
		return err
	})
}
