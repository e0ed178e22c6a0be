package bucket

import (
	"errors"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// slot is one key of the new index, in listing order. It is filled by whoever
// fetches the object; done is closed then, and nil where nothing has to be
// fetched.
type slot struct {
	listed listed
	order  order      // in which all keys up to this one were listed
	old    *baseEntry // what is known of the key from before, or nil
	why    reason
	done   chan struct{}

	entry  repository.IndexEntry
	origin origin
}

// reason is why an object is fetched.
type reason int

const (
	toCapture reason = iota // it is new, or listed as another one
	toVerify                // it should be as it was
	toMove                  // its pack is mostly dead
	toSettle                // it may have been written again while it was captured
)

// origin is where a slot's entry comes from.
type origin int

const (
	fromServer  origin = iota
	fromBase           // it is the old entry, to the last field
	fromOld            // its content is the old entry's, and the rest is not
	fromNowhere        // there is no entry: the object is gone or cannot be read
)

// base returns the old entry where that is taken over as it is.
func (s *slot) base() *baseEntry {
	if s.origin == fromBase {
		return s.old
	}
	return nil
}

// keep takes the old entry over.
func (s *slot) keep() { s.entry, s.origin = s.old.IndexEntry, fromBase }

// changes counts what a merge has found.
type changes struct {
	Objects   int64 // listed
	Bytes     int64
	New       int64
	Changed   int64
	Unchanged int64
	Deleted   int64
}

// merger walks a listing and the base beside each other, both in one order.
type merger struct {
	keys    orderWatch
	based   bool
	base    func() (*baseEntry, error) // the next entry of the base; nil at its end
	baseKey orderWatch
	ahead   *baseEntry
	again   func(*baseEntry) reason // why an object that is listed as it was is fetched; toCapture: it is not
	changes changes
}

func newMerger(assumed order, base func() (*baseEntry, error), again func(*baseEntry) reason) *merger {
	m := &merger{again: again, keys: orderWatch{assumed: assumed}, baseKey: orderWatch{assumed: assumed}, based: base != nil, base: base}
	if base == nil {
		m.base = func() (*baseEntry, error) { return nil, nil }
	}
	return m
}

// start reads the first entry of the base.
func (m *merger) start() error { return m.advance() }

// next decides what becomes of a listed object.
func (m *merger) next(l listed) (*slot, error) {
	if err := m.watch(l.Key); err != nil {
		return nil, err
	}
	m.changes.Objects++
	m.changes.Bytes += l.Size
	if err := m.skipTo(l.Key); err != nil {
		return nil, err
	}
	old := m.ahead
	if old == nil || old.Key != l.Key {
		m.changes.New++
		return m.toFetch(l, nil, toCapture), nil
	}
	if err := m.advance(); err != nil {
		return nil, err
	}
	if !unchanged(old.IndexEntry, l) {
		m.changes.Changed++
		return m.toFetch(l, old, toCapture), nil
	}
	m.changes.Unchanged++
	if why := m.again(old); why != toCapture {
		return m.toFetch(l, old, why), nil
	}
	s := &slot{listed: l, old: old}
	s.keep()
	return s, nil
}

// toFetch is a slot whose object has to be fetched.
func (m *merger) toFetch(l listed, old *baseEntry, why reason) *slot {
	return &slot{listed: l, order: m.keys.assumed, old: old, why: why, done: make(chan struct{})}
}

// end counts what is left of the base.
func (m *merger) end() error {
	for m.ahead != nil {
		m.changes.Deleted++
		if err := m.advance(); err != nil {
			return err
		}
	}
	return nil
}

// watch verifies the order of the listing. Without a base nothing has relied
// on the order yet, so the other one may be assumed as long as it holds.
func (m *merger) watch(key string) error {
	err := m.keys.next(key)
	var wrong *orderError
	if errors.As(err, &wrong) && wrong.otherHolds && !m.based {
		m.keys.flip(key)
		return nil
	}
	return err
}

func (m *merger) skipTo(key string) error {
	for m.ahead != nil && m.keys.assumed.compare(m.ahead.Key, key) < 0 {
		m.changes.Deleted++
		if err := m.advance(); err != nil {
			return err
		}
	}
	return nil
}

// advance reads the next entry of the base and verifies its order, lest a base
// in the other order make a merge lose objects.
func (m *merger) advance() error {
	var err error
	if m.ahead, err = m.base(); err != nil || m.ahead == nil {
		return err
	}
	if err := m.baseKey.next(m.ahead.Key); err != nil {
		return &baseError{err}
	}
	return nil
}

// unchanged reports whether a listed object is the one that was captured.
func unchanged(e repository.IndexEntry, l listed) bool {
	return e.Size == l.Size && e.ETag == l.ETag && e.Modified.Equal(l.Modified)
}
