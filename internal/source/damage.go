package source

import (
	"slices"
	"sync"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// Damage collects what a restore that keeps going cannot bring back, because
// stored bytes are missing or not what they must be. The nil Damage tolerates
// nothing. It is safe for concurrent use.
type Damage struct {
	mu   sync.Mutex
	lost []Lost
}

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
	same := func(other Lost) bool { return other.Object == l.Object && other.What == l.What }
	if !slices.ContainsFunc(d.lost, same) {
		d.lost = append(d.lost, l)
	}
}

// Lost lists what was noted.
func (d *Damage) Lost() []Lost {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lost)
}
