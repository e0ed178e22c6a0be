package bucket

import (
	"bytes"
	"testing"

	"github.com/openim-dr/openim-dr/internal/fault"
)

func TestExtract(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	s.put(zoo()...)
	from := s.capture()
	for _, o := range zoo() {
		var got bytes.Buffer
		if err := s.source.Extract(t.Context(), from, s.bucket+"/"+o.key, &got); err != nil || !bytes.Equal(got.Bytes(), o.content) {
			t.Errorf("%s: %d bytes, %v; want %d bytes", o.key, got.Len(), err, len(o.content))
		}
	}
	for _, nothing := range []string{s.bucket + "/nothing", s.bucket + "/a", "another/one", ""} {
		if err := s.source.Extract(t.Context(), from, nothing, &bytes.Buffer{}); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: %v, want a usage fault", nothing, err)
		}
	}
}
