package bucket

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
)

func warned(from *repository.SourceReader, code string) int64 {
	source, _ := from.Point().SourceNamed(from.Name())
	for _, w := range source.Warnings {
		if w.Code == code {
			return w.Count
		}
	}
	return 0
}

// Bits that rot leave a listing as it was: only reading finds them.
func TestFullCheckSeesWhatTheListingHides(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	s.put(zoo()...)
	wire := s.throughWire(Options{})
	s.capture()
	s.source = s.openAt(s.wire, Options{FullCheck: true})
	for _, prefix := range []string{"packs/", "index/"} {
		if added := s.newFiles(prefix, func() { s.capture() }); len(added) != 0 {
			t.Errorf("all was read again, nothing was changed, and yet it wrote %v", added)
		}
	}
	for _, key := range []string{"/text.txt", "/large/noise"} {
		wire.answers(key, func(r *http.Response) { r.Body = &alteredBody{ReadCloser: r.Body} })
		if from := s.capture(); warned(from, warnAltered) != 1 {
			t.Errorf("%s: a flipped bit was not seen: %+v", key, from.Point().Sources)
		}
		wire.meddle.Store(nil)
		s.capture() // and now it is as it was, which is another change
	}
	s.source = s.openAt(s.wire, Options{})
	wire.answers("/text.txt", func(r *http.Response) { r.Body = &alteredBody{ReadCloser: r.Body} })
	if from := s.capture(); warned(from, warnAltered) != 0 {
		t.Error("an object was read again that is listed as it was")
	}
}

func TestRecheckReadsAShareEveryDay(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	for i := range 40 {
		s.put(object{key: fmt.Sprintf("k%d", i), content: []byte("x")})
	}
	s.capture()
	s.settings = func(settings *Settings) { settings.Recheck = 2 }
	wire := s.throughWire(Options{})
	from := s.capture()
	if got := wire.bytes.Load(); got < 5 || got > 35 {
		t.Errorf("read %d of 40 objects again, want about half", got)
	}
	if captured := from.Summary(); captured.Objects != 40 {
		t.Errorf("captured %d objects", captured.Objects)
	}
}

// broken is the answer of a server that has lost what it should deliver.
func broken(r *http.Response) {
	r.StatusCode, r.Status = http.StatusInternalServerError, "500 Internal Server Error"
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader("")), 0
	r.Header.Set("Content-Length", "0")
}

func TestObjectThatCannotBeRead(t *testing.T) {
	t.Run("fails the run", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, Options{})
		s.put(zoo()[:4]...)
		s.throughWire(Options{}).answers("/text.txt", broken)
		_, err := s.TryCapture(t.Context(), t, "media", Kind, s.source)
		if fault.KindOf(err) != fault.Failed || !strings.Contains(err.Error(), "text.txt") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("leaves the point incomplete, with the copy before it", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, Options{})
		s.put(zoo()[:4]...)
		want := s.content(s.bucket)
		s.capture()
		s.settings = func(settings *Settings) { settings.Unreadable = toleratesUnreadable }
		wire := s.throughWire(Options{})
		s.put(object{key: "text.txt", content: noise(9, 120_000)}, object{key: "new/text.txt", content: []byte("new")})
		wire.answers("text.txt", broken)
		from := s.capture()
		if m := from.Point(); m.Complete || len(m.Missing) != 1 || m.Missing[0].Count != 2 || m.Missing[0].Code != missingUnreadable {
			t.Errorf("complete %t, missing %v", m.Complete, m.Missing)
		}
		copied, _ := s.restore(from)
		if diff := cmp.Diff(want, s.content(copied)); diff != "" {
			t.Errorf("restored (-want +got):\n%s", diff)
		}
	})
}

// An object that was written again as it was, or moved on in time, is not stored
// again.
func TestSameContentIsNotStoredAgain(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	s.put(zoo()...)
	s.capture()
	described := slices.IndexFunc(zoo(), func(o object) bool { return o.key == "described" })
	again := zoo()[described]
	again.metadata.ContentType = "text/plain"
	s.racy = usualRacy // it may be within the same second
	s.source = s.open(Options{})
	s.put(again, zoo()[len(zoo())-3]) // a large one
	var from *repository.SourceReader
	if added := s.newFiles("packs/", func() { from = s.capture() }); len(added) != 0 {
		t.Errorf("what is stored already was stored again: %v", added)
	}
	copied, _ := s.restore(from)
	if diff := cmp.Diff(s.content(s.bucket), s.content(copied)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
}

// An object that is written again while it is captured may look as it did: with
// the same size, the same content and within the same second.
func TestObjectThatWasWrittenDuringACapture(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	s.racy = usualRacy
	s.source = s.open(Options{})
	s.put(object{key: "k", content: []byte("x"), metadata: repository.Metadata{ContentType: "text/plain"}})
	s.capture()
	s.put(object{key: "k", content: []byte("x"), metadata: repository.Metadata{ContentType: "text/html"}})
	copied, _ := s.restore(s.capture())
	if diff := cmp.Diff(s.content(s.bucket), s.content(copied)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
}

// What is left in a pack that is mostly dead is captured anew, so that the pack
// can be swept.
func TestMostlyDeadPackIsLeft(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{AcceptShrink: true})
	var keys []string
	for i := range 10 {
		keys = append(keys, fmt.Sprintf("k%d", i))
		s.put(object{key: keys[i], content: noise(uint64(i), 50_000)})
	}
	packs := s.newFiles("packs/", func() { s.capture() })
	s.remove(keys[:6]...)
	if added := s.newFiles("packs/", func() { s.capture() }); len(added) != 0 {
		t.Errorf("a pack of which four in ten is wanted was left: %v", added)
	}
	s.remove(keys[6:8]...)
	s.capture() // notes that little is wanted

	// What cannot be read any more stays where it is: it may be the last copy.
	s.throughWire(Options{AcceptShrink: true}).answers("/"+keys[8], broken)
	if from := s.capture(); warned(from, warnStayed) != 1 {
		t.Errorf("an object that could not be moved: %+v", from.Point().Sources)
	}
	s.source = s.open(Options{AcceptShrink: true})
	from := s.capture()
	files, err := s.Open(t).Files(t.Context(), s.point(from))
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(files, func(f repository.File) bool { return f.Path == packs[0] }) {
		t.Errorf("the point still needs %s", packs[0])
	}
	copied, _ := s.restore(from)
	if diff := cmp.Diff(s.content(s.bucket), s.content(copied)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
}

// point is the point of a reader.
func (s *stand) point(from *repository.SourceReader) *repository.Point {
	s.Helper()
	listing, err := s.Open(s).List(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	point, err := listing.Find(from.Point().Point)
	if err != nil {
		s.Fatal(err)
	}
	return point
}

// A large object whose body breaks off is not begun anew: only the range that
// was cut is asked for again.
func TestLargeObjectGoesOnAfterACut(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	content := noise(7, 5*memberLimit+12345)
	s.put(object{key: "large", content: content}, object{key: "zeros", content: bytes.Repeat([]byte{0}, 3*memberLimit)})
	wire := s.throughWire(Options{})
	var requests atomic.Int64
	wire.answers("/large", func(r *http.Response) {
		if requests.Add(1)%3 == 2 {
			r.Body = &cutBody{r.Body, 1 << 20}
		}
	})
	from := s.capture()
	if got, most := wire.bytes.Load(), int64(len(content)+3*memberLimit+(4<<20))+requests.Load()/3*(2<<20); got > most {
		t.Errorf("fetched %d bytes, want at most %d", got, most)
	}
	if got := requests.Load(); got < 8 {
		t.Errorf("%d requests: nothing was cut", got)
	}
	copied, plan := s.restore(from)
	if c := s.compare(from, plan); !c.Equal() {
		t.Errorf("restored into %s: %v", copied, c.Differences)
	}
}

// An object that is overwritten between two of its ranges is read anew: never
// half of one and half of the other.
func TestLargeObjectThatChanges(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	size := 6 * memberLimit
	s.put(object{key: "large", content: noise(1, size)})
	wire := s.throughWire(Options{})
	second := noise(2, size)
	requests := 0
	var mu sync.Mutex
	wire.answers("/large", func(r *http.Response) {
		mu.Lock()
		defer mu.Unlock()
		if requests++; requests == 3 {
			s.put(object{key: "large", content: second})
		}
	})
	from := s.capture()
	if requests < 8 {
		t.Errorf("%d requests: it was not read anew", requests)
	}
	s.requireLive(from, "an object that changes")
}
