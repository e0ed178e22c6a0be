package bucket

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// newVersionedStand is a bucket on a server that keeps versions.
func newVersionedStand(t *testing.T) *stand {
	t.Helper()
	env := testbed.Need(t)
	s := newStandAt(t, env, env.VersitygwEndpoint, Options{})
	s.setVersioning(types.BucketVersioningStatusEnabled)
	s.settings = func(settings *Settings) { settings.Versions = allVersions }
	s.source = s.openAt(s.endpoint, Options{})
	return s
}

func (s *stand) setVersioning(status types.BucketVersioningStatus) {
	s.Helper()
	_, err := s.client.PutBucketVersioning(s.Context(), &s3.PutBucketVersioningInput{
		Bucket: &s.bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: status},
	})
	if err != nil {
		s.Fatal(err)
	}
}

// history describes every version in a bucket, by key and from the oldest, by
// means of the plain client. The server's ids sort by time.
func (s *stand) history(bucket string) map[string][]string {
	s.Helper()
	type event struct{ key, id, what string }
	var events []event
	pages := s3.NewListObjectVersionsPaginator(s.client, &s3.ListObjectVersionsInput{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		for _, v := range page.Versions {
			got, err := s.client.GetObject(s.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: v.Key, VersionId: v.VersionId})
			if err != nil {
				s.Fatal(err)
			}
			events = append(events, event{*v.Key, *v.VersionId, s.describeOutput(got) + fmt.Sprint(s.tagsOf(bucket, *v.Key, v.VersionId))})
		}
		for _, d := range page.DeleteMarkers {
			events = append(events, event{*d.Key, *d.VersionId, "deleted"})
		}
	}
	slices.SortFunc(events, func(a, b event) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.id, b.id)) })
	all := map[string][]string{}
	for _, e := range events {
		all[e.key] = append(all[e.key], e.what)
	}
	return all
}

// putHistory makes a bucket in which objects were written, written again, deleted
// and written again.
func (s *stand) putHistory() {
	s.Helper()
	s.put(zoo()...)
	for i := range 3 {
		s.put(object{key: "text.txt", content: noise(uint64(i), 3000*i), metadata: repository.Metadata{ContentType: fmt.Sprint("text/", i), User: map[string]string{"n": fmt.Sprint(i)}, Tags: map[string]string{"t": fmt.Sprint(i)}}})
	}
	s.put(object{key: "large/noise", content: noise(77, memberLimit+12345)}, object{key: "text.txt.2", content: []byte("begins like another")})
	s.remove("text.txt", "empty")
	s.put(object{key: "empty", content: []byte("no longer")})
	s.remove("large/text")
}

func (s *stand) tryVersions(from *repository.SourceReader, want source.Selection) (*source.Plan, error) {
	s.Helper()
	want.Versions = true
	plan, err := s.source.Plan(s.Context(), from, want)
	if err != nil {
		return nil, err
	}
	_, err = s.source.Restore(s.Context(), from, plan, progress.Discard)
	return plan, err
}

// restoreVersions brings a bucket with its history back under another name.
func (s *stand) restoreVersions(from *repository.SourceReader) (bucket string, plan *source.Plan) {
	s.Helper()
	bucket = testbed.NewBucketAt(s, s.client)
	plan, err := s.tryVersions(from, source.Selection{Rename: map[string]string{s.bucket: bucket}})
	if err != nil {
		s.Fatal(err)
	}
	if c := s.compare(from, plan); !c.Equal() {
		s.Errorf("restored, it differs: %+v", c.Differences)
	}
	return bucket, plan
}

func TestEveryVersionComesBack(t *testing.T) {
	t.Parallel()
	s := newVersionedStand(t)
	s.putHistory()
	from := s.capture()
	copied, _ := s.restoreVersions(from)
	if diff := gocmp.Diff(s.history(s.bucket), s.history(copied)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
	if added := s.newFiles("packs/", func() { s.capture() }); len(added) != 0 {
		t.Errorf("nothing was changed, and yet it wrote %v", added)
	}
	if added := s.newFiles("index/", func() { s.capture() }); len(added) != 0 {
		t.Errorf("nothing was changed, and yet it wrote %v", added)
	}

	// The history goes on, and loses its beginning.
	s.put(object{key: "text.txt", content: []byte("again")}, object{key: "new", content: []byte("1")}, object{key: "new", content: []byte("2")})
	s.removeOldest("text.txt")
	copied, _ = s.restoreVersions(s.capture())
	if diff := gocmp.Diff(s.history(s.bucket), s.history(copied)); diff != "" {
		t.Errorf("restored later (-want +got):\n%s", diff)
	}

	// Without being asked for, the older ones stay where they are.
	copied, _ = s.restore(from)
	for key, versions := range s.history(copied) {
		if len(versions) != 1 {
			t.Errorf("object %q has %d versions: %v", key, len(versions), versions)
		}
	}
}

// removeOldest deletes the oldest version of an object for good.
func (s *stand) removeOldest(key string) {
	s.Helper()
	out, err := s.client.ListObjectVersions(s.Context(), &s3.ListObjectVersionsInput{Bucket: &s.bucket, Prefix: &key})
	if err != nil {
		s.Fatal(err)
	}
	var ids []string
	for _, v := range out.Versions {
		if *v.Key == key {
			ids = append(ids, *v.VersionId)
		}
	}
	if _, err := s.client.DeleteObject(s.Context(), &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key, VersionId: aws.String(slices.Min(ids))}); err != nil {
		s.Fatal(err)
	}
}

// The comparison sees what is not as it was, also far back.
func TestHistoryThatDiffers(t *testing.T) {
	t.Parallel()
	s := newVersionedStand(t)
	s.putHistory()
	from := s.capture()
	copied, plan := s.restoreVersions(from)
	was := s.bucket
	s.bucket = copied
	s.removeOldest("text.txt")
	s.bucket = was
	c := s.compare(from, plan)
	if len(c.Differences) != 1 || !strings.HasSuffix(c.Differences[0].Object, "/text.txt") || c.Differences[0].What != "older versions" {
		t.Errorf("differences %+v, want one of older versions of text.txt", c.Differences)
	}
}

// A bucket whose versions were suspended has them suspended again.
func TestSuspendedVersions(t *testing.T) {
	t.Parallel()
	s := newVersionedStand(t)
	s.put(object{key: "k", content: []byte("1")}, object{key: "k", content: []byte("2")})
	s.setVersioning(types.BucketVersioningStatusSuspended)
	copied, _ := s.restoreVersions(s.capture())
	if diff := gocmp.Diff(s.history(s.bucket), s.history(copied)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
	got, err := s.client.GetBucketVersioning(t.Context(), &s3.GetBucketVersioningInput{Bucket: &copied})
	if err != nil || got.Status != types.BucketVersioningStatusSuspended {
		t.Errorf("versioning is %v, %v", got, err)
	}
}

// More versions than a page of the listing holds.
func TestManyVersions(t *testing.T) {
	t.Parallel()
	s := newVersionedStand(t)
	const many, others = 60, pageSize / 2
	var group errgroup.Group
	group.SetLimit(8)
	for i := range others {
		group.Go(func() error {
			key := fmt.Sprintf("one/%04d", i)
			s.put(object{key: key, content: []byte("1")}, object{key: key, content: []byte("2")})
			return nil
		})
	}
	for i := range many {
		s.put(object{key: "many", content: []byte(fmt.Sprint(i))})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	_, plan := s.restoreVersions(s.capture())
	if step := plan.Steps[len(plan.Steps)-2]; step.Objects != many-1+others {
		t.Errorf("restored %d older versions, want %d", step.Objects, many-1+others)
	}
}

func TestVersionsThatCannotBeHad(t *testing.T) {
	t.Parallel()
	requireUsage := func(t *testing.T, err error, says string) {
		t.Helper()
		if fault.KindOf(err) != fault.Usage || !strings.Contains(fmt.Sprint(err), says) {
			t.Errorf("got %v, want a usage error that says %q", err, says)
		}
	}
	t.Run("the source keeps none", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, Options{})
		s.put(zoo()[0])
		s.settings = func(settings *Settings) { settings.Versions = allVersions }
		s.source = s.openAt(s.endpoint, Options{})
		_, err := s.TryCapture(t.Context(), t, "media", Kind, s.source)
		requireUsage(t, err, "does not know versions")
	})
	t.Run("the point holds none", func(t *testing.T) {
		t.Parallel()
		s := newVersionedStand(t)
		s.settings = nil
		s.source = s.openAt(s.endpoint, Options{})
		s.put(zoo()[0])
		_, err := s.tryVersions(s.capture(), source.Selection{Rename: map[string]string{s.bucket: testbed.NewBucketAt(t, s.client)}})
		requireUsage(t, err, "no older versions")
	})
	t.Run("the target holds something", func(t *testing.T) {
		t.Parallel()
		s := newVersionedStand(t)
		s.put(object{key: "k", content: []byte("1")})
		s.remove("k")
		_, err := s.tryVersions(s.capture(), source.Selection{})
		requireUsage(t, err, "only where there is none")
	})
	t.Run("the target keeps none", func(t *testing.T) {
		t.Parallel()
		s := newVersionedStand(t)
		s.put(object{key: "k", content: []byte("1")}, object{key: "k", content: []byte("2")})
		from := s.capture()
		seaweedfs := newStand(t, Options{})
		_, err := seaweedfs.tryVersions(from, source.Selection{Rename: map[string]string{s.bucket: seaweedfs.bucket}})
		requireUsage(t, err, "refuses")
	})
}

func TestVersionKeys(t *testing.T) {
	const at = 1795738567
	inOrder := []version{
		{"a", at + 1, 0, true, "z"},
		{"a", at, 0, false, "y"},
		{"a", at, 1, true, "x"},
		{"a", at - 1, 0, false, ""},
		{"a b", at, 0, false, "null"},
		{"a/b", at, 0, false, "v\"1"},
		{"b", 0, 65535, false, "id"},
	}
	for i, v := range inOrder {
		got, err := parseVersion(v.String())
		if err != nil || got != v {
			t.Errorf("%+v becomes %q and %+v, %v", v, v.String(), got, err)
		}
		if i > 0 && byBytes.compare(inOrder[i-1].String(), v.String()) >= 0 {
			t.Errorf("%+v does not come before %+v", inOrder[i-1], v)
		}
	}
	for _, odd := range []string{"", "a", "a\x00", "a\x000000", "a\x00000000000000000x0000v"} {
		if v, err := parseVersion(odd); err == nil {
			t.Errorf("%q is taken for %+v", odd, v)
		}
	}
}

// A bucket that is gone, and may be, has no history either.
func TestVersionsOfABucketThatIsGone(t *testing.T) {
	t.Parallel()
	s := newVersionedStand(t)
	s.put(object{key: "k", content: []byte("1")}, object{key: "k", content: []byte("2")})
	s.capture()
	for range 2 {
		s.removeOldest("k")
	}
	if _, err := s.client.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: &s.bucket}); err != nil {
		t.Fatal(err)
	}
	s.source = s.openAt(s.endpoint, Options{AcceptShrink: true})
	if got := s.capture().Summary(); got.Objects != 0 {
		t.Errorf("captured %d objects of a bucket that is gone", got.Objects)
	}
}
