package bucket

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

func (s *stand) clear(plan *source.Plan) {
	s.Helper()
	for _, when := range []string{"once", "again"} {
		if err := s.source.Clear(s.Context(), nil, plan); err != nil {
			s.Errorf("clear %s: %v", when, err)
		}
	}
}

// exists reports whether there is a bucket, by means of the plain client.
func (s *stand) exists(bucket string) bool {
	_, err := s.client.HeadBucket(s.Context(), &s3.HeadBucketInput{Bucket: &bucket})
	return err == nil
}

// holds says what is in a bucket, as far as Inhabitants is asked about a server
// that other tests use, too.
func (s *stand) holds(bucket string) string {
	s.Helper()
	found, err := s.source.Inhabitants(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	i := slices.IndexFunc(found, func(o source.Occupied) bool { return o.Target == s.source.target(bucket) })
	if i < 0 {
		return ""
	}
	return found[i].Holds
}

func TestClearTakesARestoreBack(t *testing.T) {
	t.Parallel()
	onEachServer(t, Options{}, func(s *stand) {
		s.put(zoo()...)
		from := s.capture()
		if got := s.holds(s.bucket); !strings.Contains(got, "objects") {
			s.Errorf("a bucket with objects holds %q", got)
		}
		there, plan := s.restore(from)
		s.clear(plan)
		if !s.exists(there) || len(s.content(there)) > 0 || s.holds(there) != "" {
			s.Errorf("a bucket that was there is there: %v, and holds %q", s.exists(there), s.holds(there))
		}
		created := there + "-new"
		plan, _ = s.restoreInto(from, source.Selection{Rename: map[string]string{s.bucket: created}})
		s.clear(plan)
		if s.exists(created) {
			s.Error("a bucket that the restore has created is still there")
		}
		if len(s.content(s.bucket)) == 0 {
			s.Error("the source itself was cleared")
		}
	})
}

func TestClearTakesVersionsBack(t *testing.T) {
	t.Parallel()
	s := newVersionedStand(t)
	s.putHistory()
	copied, plan := s.restoreVersions(s.capture())
	s.clear(plan)
	if got := s.history(copied); len(got) > 0 {
		t.Errorf("versions are left of %d keys", len(got))
	}
}

func TestDeletedObjectsWithVersionsAreInhabitants(t *testing.T) {
	t.Parallel()
	s := newVersionedStand(t)
	if got := s.holds(s.bucket); got != "" {
		t.Errorf("an empty bucket holds %q", got)
	}
	s.put(object{key: "a", content: []byte("a")})
	s.remove("a")
	if got := s.holds(s.bucket); got != "older versions" {
		t.Errorf("got %q", got)
	}
}

func TestClearRefusesWhatWasThere(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	s.put(object{key: "a", content: []byte("a")})
	from := s.capture()
	plan, err := s.source.Plan(t.Context(), from, source.Selection{}) // into itself
	if err != nil {
		t.Fatal(err)
	}
	if err := s.source.Clear(t.Context(), from, plan); fault.KindOf(err) != fault.Refused {
		t.Errorf("got %v, want a refusal", err)
	}
	if len(s.content(s.bucket)) != 1 {
		t.Error("the object is gone")
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	marks, err := s.source.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"address ", "bucket " + s.bucket + " of "} {
		if !slices.ContainsFunc(marks, func(m string) bool { return strings.HasPrefix(m, want) }) {
			t.Errorf("no mark begins with %q: %q", want, marks)
		}
	}
	other, err := s.openAt(testbed.Need(t).VersitygwEndpoint, Options{}).Identity(t.Context())
	if err != nil || slices.ContainsFunc(other, func(m string) bool { return slices.Contains(marks, m) }) {
		t.Errorf("another server shares a mark: %q and %q, %v", marks, other, err)
	}
}
