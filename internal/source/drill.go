package source

import (
	"context"
	"hash/maphash"
	"io"
	"math"
	"sync"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// Querier is an optional ability of a source: it reads from a target by a
// statement that somebody else has written. Nothing can be changed by it.
type Querier interface {
	// Query calls fn for each row of the answer, with a nil for each NULL. What fn
	// is given is its own until it returns.
	Query(ctx context.Context, statement string, fn func(row []*string) error) error
}

// Enumerator is an optional ability of a source of files: it names the objects
// that a point holds, without a target.
type Enumerator interface {
	Enumerate(ctx context.Context, from *repository.SourceReader, fn func(bucket, key string, size int64) error) error
}

// Disturber is an optional ability of a source: it changes one small thing in a
// target that was just restored, so that a comparison can be seen to find it.
// Only what is thrown away afterwards may be disturbed.
type Disturber interface {
	// Disturb returns the selection of what it has changed, and nil where there is
	// nothing that it could change.
	Disturb(ctx context.Context, from *repository.SourceReader, plan *Plan) (*Disturbance, error)
}

// Disturbance is one thing that was changed in a scratch target.
type Disturbance struct {
	What   string    // "one value of one row of openIM_v3.users"
	Select Selection // just that
	Finds  string    // what a comparison must call the difference: Difference.What
}

// Sample is a random part of all objects: each is drawn with the same chance,
// and the same ones are drawn whenever it is asked.
type Sample struct {
	Share float64 // of the objects, above 0 and below 1
	seed  maphash.Seed
}

// NewSample draws a share of all objects.
func NewSample(share float64) *Sample { return &Sample{share, maphash.MakeSeed()} }

// Draws reports whether an object is of the sample. The nil Sample is all objects.
func (s *Sample) Draws(bucket, key string) bool {
	if s == nil {
		return true
	}
	var h maphash.Hash
	h.SetSeed(s.seed)
	_, _ = h.WriteString(bucket)
	_ = h.WriteByte('/')
	_, _ = h.WriteString(key)
	return float64(h.Sum64())/math.MaxUint64 < s.Share
}

// Witness sees the content of objects while a comparison reads them. It is safe
// for concurrent use.
type Witness interface {
	// Observe returns what takes an object's content, or nil where it does not
	// matter.
	Observe(bucket, key string, size int64) Observer
}

// Observer takes the content of one object. Done is called once all of it was
// written, and never if it was not.
type Observer interface {
	io.Writer
	Done()
}

// Stopwatch sums up how long parts of a restore were busy. Parts that several
// workers do at once count once for each. The nil Stopwatch does nothing. It is
// safe for concurrent use.
type Stopwatch struct {
	mu    sync.Mutex
	parts map[string]time.Duration
}

// PartIndex is building indexes.
const PartIndex = "index"

// Begin starts the clock of a part, until end is called.
func (s *Stopwatch) Begin(part string) (end func()) {
	if s == nil {
		return func() {}
	}
	began := time.Now()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.parts == nil {
			s.parts = map[string]time.Duration{}
		}
		s.parts[part] += time.Since(began)
	}
}

// Busy returns how long a part took so far.
func (s *Stopwatch) Busy(part string) time.Duration {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts[part]
}
