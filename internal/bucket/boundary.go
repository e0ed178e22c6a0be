package bucket

import "github.com/cespare/xxhash/v2"

const (
	// meanSegment is the number of keys that a segment of the index holds on
	// average, maxSegment the most. Both, and the hash, are part of how an
	// incremental mirror finds its segments again; readers need neither.
	meanSegment = 64 << 10
	maxSegment  = 2 * meanSegment
)

// cutter decides where segments end. Whether a segment ends after a key
// depends on that key and the keys before it in the same segment only, so that
// a change is forgotten at the next boundary.
type cutter struct {
	mean, limit uint64
}

var defaultCutter = cutter{mean: meanSegment, limit: maxSegment}

// endsAfter reports whether the segment that key is the n-th of ends with it.
func (c cutter) endsAfter(key string, n int64) bool {
	return uint64(n) >= c.limit || xxhash.Sum64String(key)%c.mean == 0
}
