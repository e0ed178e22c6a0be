package source

import (
	"fmt"
	"slices"
	"sync"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// Damage collects what a restore that keeps going cannot bring back, because
// stored bytes are missing or not what they must be. The nil Damage tolerates
// nothing. It is safe for concurrent use.
type Damage struct {
	mu    sync.Mutex
	lost  []Lost
	known map[string]bool
	more  int64 // that are not listed, some of them twice perhaps
}

// mostLost bounds how many parts are listed; more are only counted.
const mostLost = 1000

// Lost is a part of a point that cannot be read any more.
type Lost struct {
	Object string `json:"object"` // schema.table, bucket/key, namespace
	What   string `json:"what"`   // of it: "chunk 000003.tsv", "object", "all"
	Why    string `json:"why"`
	// Include is the pattern below the source that chooses the object from
	// another point; empty where what is lost is not known by name.
	Include string `json:"include,omitempty"`
	// Names lead to it below the source, as captured: schema and table, bucket and
	// key, namespace.
	Names []string `json:"-"`
	// Offer says which other point holds it whole, and how it is had.
	Offer string `json:"offer,omitempty"`
}

// Tolerates reports whether an error is damage that a restore goes on without.
func (d *Damage) Tolerates(err error) bool {
	return d != nil && err != nil && fault.KindOf(err) == fault.Corrupt
}

// Add notes a part as lost, once.
func (d *Damage) Add(l Lost) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil {
		d.known = map[string]bool{}
	}
	name := l.Object + "\x00" + l.What
	switch {
	case d.known[name]:
	case len(d.lost) < mostLost:
		d.known[name] = true
		d.lost = append(d.lost, l)
	default:
		d.more++
	}
}

// Lost lists what was noted.
func (d *Damage) Lost() []Lost {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	lost := slices.Clone(d.lost)
	if d.more > 0 {
		lost = append(lost, Lost{Object: "others", What: fmt.Sprintf("%d more that are not listed", d.more), Why: "the list is full"})
	}
	return lost
}
