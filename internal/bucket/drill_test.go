package bucket

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/source"
)

// witness keeps what it has seen.
type witness struct {
	mu   sync.Mutex
	seen map[string][]byte
}

type seenObject struct {
	bytes.Buffer
	witness *witness
	key     string
}

func (w *witness) Observe(_, key string, _ int64) source.Observer {
	if key == "ignored" {
		return nil
	}
	return &seenObject{witness: w, key: key}
}

func (o *seenObject) Done() {
	o.witness.mu.Lock()
	defer o.witness.mu.Unlock()
	o.witness.seen[o.key] = o.Bytes()
}

// A drill sees every object that is compared, can name what the point holds, and
// finds what it has changed itself (invariant 11).
func TestWhatDrillsAskFor(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	s.put(object{key: "a", content: []byte("one")}, object{key: "b/c", content: noise(1, 70000)}, object{key: "empty"}, object{key: "ignored", content: []byte("x")})
	from := s.capture()

	named := map[string]int64{}
	if err := s.source.Enumerate(t.Context(), from, func(bucket, key string, size int64) error {
		named[bucket+"/"+key] = size
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{s.bucket + "/a": 3, s.bucket + "/b/c": 70000, s.bucket + "/empty": 0, s.bucket + "/ignored": 1}, named); diff != "" {
		t.Errorf("enumerated (-want +got):\n%s", diff)
	}

	w := &witness{seen: map[string][]byte{}}
	copied := s.bucket + "-seen"
	want := source.Selection{Rename: map[string]string{s.bucket: copied}, Witness: w}
	plan, compared := s.restoreInto(from, want)
	if !compared.Equal() {
		t.Fatalf("differences: %+v", compared.Differences)
	}
	if keys := slices.Sorted(maps.Keys(w.seen)); !slices.Equal(keys, []string{"a", "b/c", "empty"}) || !bytes.Equal(w.seen["b/c"], noise(1, 70000)) {
		t.Errorf("the witness has seen %v", keys)
	}

	disturbed, err := s.source.Disturb(t.Context(), from, plan)
	if err != nil || disturbed == nil {
		t.Fatalf("disturbed %v, %v", disturbed, err)
	}
	disturbed.Select.Rename = want.Rename
	part, err := s.source.Plan(t.Context(), from, disturbed.Select)
	if err != nil {
		t.Fatal(err)
	}
	found, err := s.source.Compare(t.Context(), from, part, progress.Discard)
	if err != nil || !slices.ContainsFunc(found.Differences, func(d source.Difference) bool { return d.What == disturbed.Finds }) {
		t.Errorf("found %+v, %v; want %s", found, err, disturbed.Finds)
	}
}

// A sample is restored and compared without what was not drawn, and that is not
// missed.
func TestSample(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	for i := range 200 {
		s.put(object{key: fmt.Sprintf("k/%03d", i), content: noise(uint64(i), 100)})
	}
	from := s.capture()
	sample := source.NewSample(0.5)
	_, compared := s.restoreInto(from, source.Selection{Rename: map[string]string{s.bucket: s.bucket + "-part"}, Sample: sample})
	if !compared.Equal() {
		t.Errorf("differences: %+v", compared.Differences)
	}
	drawn := 0
	for i := range 200 {
		if sample.Draws(s.bucket, fmt.Sprintf("k/%03d", i)) {
			drawn++
		}
	}
	if got := compared.Items[0].Objects; got != int64(drawn) || drawn < 50 || drawn > 150 {
		t.Errorf("compared %d objects of %d that were drawn of 200", got, drawn)
	}
	if held := len(s.content(s.bucket + "-part")); held != drawn {
		t.Errorf("restored %d objects, want %d", held, drawn)
	}
}
