package bucket

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// putInto puts objects into another bucket than the stand's.
func (s *stand) putInto(bucket string, objects ...object) {
	s.Helper()
	other := *s
	other.bucket = bucket
	other.put(objects...)
}

// Invariant 5: of a restore that was killed just those buckets are its own to which
// it had come. One that somebody has filled by then is refused.
func TestBucketThatIsFilledMeanwhile(t *testing.T) {
	onEachServer(t, Options{}, func(s *stand) {
		second := testbed.NewBucketAt(t, s.client)
		s.settings = func(o *Settings) { o.Buckets = []string{s.bucket, second} }
		s.source = s.open(Options{})
		s.put(zoo()[:4]...)
		s.putInto(second, object{key: "a", content: []byte("b")})
		from := s.capture()
		one, two := testbed.NewBucketAt(t, s.client), testbed.NewBucketAt(t, s.client)
		rename := map[string]string{s.bucket: one, second: two}
		killed := errors.New("killed")
		var begun []string
		attempt := source.Attempt{ID: "r", Note: func(_ context.Context, target string) error {
			if len(begun) > 0 {
				return killed
			}
			begun = append(begun, target)
			return nil
		}}
		plan, err := s.source.Plan(s.Context(), from, source.Selection{Rename: rename, Attempt: attempt})
		if err != nil {
			s.Fatal(err)
		}
		if _, err := s.source.Restore(s.Context(), from, plan, progress.Discard); !errors.Is(err, killed) {
			s.Fatalf("got %v", err)
		}
		if got := s.content(two); len(got) != 0 {
			s.Errorf("%d objects were written before that was noted", len(got))
		}
		s.putInto(two, object{key: "precious", content: []byte("of somebody")})
		attempt = source.Attempt{ID: "r", Resumed: true, Begun: begun}
		plan, err = s.source.Plan(s.Context(), from, source.Selection{Rename: rename, Attempt: attempt})
		if err != nil {
			s.Fatal(err)
		}
		var occupied []string
		for _, o := range plan.Occupied {
			occupied = append(occupied, o.Target)
		}
		if diff := cmp.Diff([]string{s.source.target(two)}, occupied); diff != "" || !slices.Equal(begun, []string{s.source.target(one)}) {
			s.Errorf("begun %v, occupied (-want +got):\n%s", begun, diff)
		}
	})
}

// What is found filled when its turn comes is refused, and never taken for the
// restore's own.
func TestBucketThatIsFilledAfterThePlan(t *testing.T) {
	onEachServer(t, Options{}, func(s *stand) {
		s.put(zoo()[:4]...)
		from := s.capture()
		for name, there := range map[string]bool{"empty when it was planned": true, "missing then": false} {
			s.Run(name, func(t *testing.T) {
				target := testbed.NewBucketAt(t, s.client)
				if !there {
					if _, err := s.client.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: &target}); err != nil {
						t.Fatal(err)
					}
				}
				noted := 0
				attempt := source.Attempt{ID: "r", Note: func(context.Context, string) error { noted++; return nil }}
				plan, err := s.source.Plan(t.Context(), from, source.Selection{Rename: map[string]string{s.bucket: target}, Attempt: attempt})
				if err != nil {
					t.Fatal(err)
				}
				if !there {
					if _, err := s.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &target}); err != nil {
						t.Fatal(err)
					}
				}
				s.putInto(target, object{key: "precious", content: []byte("of somebody")})
				_, err = s.source.Restore(t.Context(), from, plan, progress.Discard)
				if fault.KindOf(err) != fault.Refused || noted != 0 {
					t.Errorf("got %v, noted %d times", err, noted)
				}
			})
		}
	})
}

// A restore that is gone on with sends nothing that is there: also where the server
// keeps no content type, and guesses one from what it is asked for.
func TestResumeSendsNothingTwice(t *testing.T) {
	s := newStand(t, Options{})
	w := s.throughWire(Options{})
	s.put(zoo()...)
	s.put(object{key: "guessed", content: append([]byte("text"), noise(1, 4096)...)})
	from := s.capture()
	target, _ := s.restore(from)
	var puts atomic.Int64
	count := func(r *http.Response) {
		if r.Request.Method == http.MethodPut {
			puts.Add(1)
			s.Logf("sent again: %s", r.Request.URL.Path)
		}
	}
	w.meddle.Store(&count)
	attempt := source.Attempt{ID: "r", Resumed: true, Begun: []string{s.source.target(target)}}
	plan, err := s.source.Plan(s.Context(), from, source.Selection{Rename: map[string]string{s.bucket: target}, Attempt: attempt})
	if err != nil {
		s.Fatal(err)
	}
	if _, err := s.source.Restore(s.Context(), from, plan, progress.Discard); err != nil {
		s.Fatal(err)
	}
	if n := puts.Load(); n > 0 {
		s.Errorf("%d objects were sent again that are there", n)
	}
	if diff := cmp.Diff(s.content(s.bucket), s.content(target)); diff != "" {
		s.Errorf("what came back differs: %s", diff)
	}
}
