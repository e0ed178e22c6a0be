package bucket

import (
	"cmp"
	"fmt"
	"strings"
)

// order is how a server sorts the keys of a listing.
type order string

const (
	// byBytes is the order of S3 itself: bytes as unsigned numbers.
	byBytes order = "bytes"
	// byPath is the order of a walk through directories, as SeaweedFS lists:
	// '/' sorts before every other byte, so a/b comes before a-c.
	byPath order = "path"
)

// other returns the other order.
func (o order) other() order {
	if o == byPath {
		return byBytes
	}
	return byPath
}

// compare returns a negative number if a comes before b.
func (o order) compare(a, b string) int {
	if o == byPath {
		return comparePaths(a, b)
	}
	return strings.Compare(a, b)
}

func comparePaths(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return cmp.Compare(pathRank(a[i]), pathRank(b[i]))
		}
	}
	return cmp.Compare(len(a), len(b))
}

// pathRank ranks '/' below every other byte.
func pathRank(b byte) int {
	if b == '/' {
		return -1
	}
	return int(b)
}

// orderError says that keys did not ascend as they must. A listing that is in
// the other order is started again under that one.
type orderError struct {
	assumed    order
	last, key  string
	otherHolds bool // all keys so far, these two included, ascend in the other order
}

func (e *orderError) Error() string {
	switch {
	case e.last == e.key:
		return fmt.Sprintf("key %q is listed twice", e.key)
	case e.otherHolds:
		return fmt.Sprintf("key %q is listed after %q, which is not in %s order", e.key, e.last, e.assumed)
	default:
		return fmt.Sprintf("key %q is listed after %q: the listing is neither in %s nor in %s order", e.key, e.last, byBytes, byPath)
	}
}

// orderWatch verifies that keys ascend strictly, so that none is lost or taken
// twice in a merge.
type orderWatch struct {
	assumed order
	last    string
	seen    bool
	broken  bool // the other order has been violated
}

// next accepts the key that follows.
func (w *orderWatch) next(key string) error {
	if !w.seen {
		w.last, w.seen = key, true
		return nil
	}
	if !w.broken && w.assumed.other().compare(w.last, key) >= 0 {
		w.broken = true
	}
	if w.assumed.compare(w.last, key) >= 0 {
		return &orderError{assumed: w.assumed, last: w.last, key: key, otherHolds: !w.broken}
	}
	w.last = key
	return nil
}

// flip goes on under the other order, in which all keys up to key ascend. The
// order assumed so far is broken by key.
func (w *orderWatch) flip(key string) {
	w.assumed, w.broken, w.last = w.assumed.other(), true, key
}
