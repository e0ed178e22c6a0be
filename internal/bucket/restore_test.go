package bucket

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A restore holds a few entries of the index at once (invariant 7), wherever
// these end: within a segment, and within a pack.
func TestRestoreInSmallBatches(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	s.put(zoo()...)
	for i := range 60 {
		s.put(object{key: fmt.Sprintf("small/%02d", i), content: noise(uint64(i), 10*i)})
	}
	s.source.batch = 7
	from := s.capture()
	copied, plan := s.restore(from)
	if diff := cmp.Diff(s.content(s.bucket), s.content(copied)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
	if c := s.compare(from, plan); !c.Equal() {
		t.Errorf("differences: %+v", c.Differences)
	}
}
