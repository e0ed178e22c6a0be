package bucket

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/secret"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/testbed/network"
)

// stand is a bucket on the real SeaweedFS, a source that mirrors it and a
// repository to mirror it into.
type stand struct {
	*testing.T
	*repotest.Fixture
	env      *testbed.Env
	client   *s3.Client
	bucket   string
	source   *Source
	settings func(*Settings) // what a test wants other than usual, or nil
	racy     time.Duration
	endpoint string // of the server that client speaks to
	wire     string // of the wire, where there is one
}

func newStand(t *testing.T, o Options) *stand {
	t.Helper()
	env := testbed.Need(t)
	return newStandAt(t, env, env.S3Endpoint, o)
}

func newStandAt(t *testing.T, env *testbed.Env, endpoint string, o Options) *stand {
	t.Helper()
	s := &stand{T: t, Fixture: repotest.New(t), env: env, client: env.S3At(t, endpoint), endpoint: endpoint, racy: -time.Hour}
	s.bucket = testbed.NewBucketAt(t, s.client)
	s.source = s.open(o)
	return s
}

// onEachServer runs a test on a server that lists as a walk through directories
// and on one that lists in the order of bytes.
func onEachServer(t *testing.T, o Options, test func(*stand)) {
	t.Helper()
	env := testbed.Need(t)
	for name, endpoint := range map[string]string{"seaweedfs": env.S3Endpoint, "versitygw": env.VersitygwEndpoint} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newStandAt(t, env, endpoint, o))
		})
	}
}

func (s *stand) open(o Options) *Source {
	s.Helper()
	return s.openAt(s.endpoint, o)
}

func (s *stand) openAt(endpoint string, o Options) *Source {
	s.Helper()
	settings := &Settings{
		Endpoint: endpoint, AccessKey: inFile(s, s.env.S3AccessKey), SecretKey: inFile(s, s.env.S3SecretKey),
		Buckets: []string{s.bucket},
	}
	if s.settings != nil {
		s.settings(settings)
	}
	made, err := New("media", settings, o)
	if err != nil {
		s.Fatal(err)
	}
	// Tests capture what they have put there a moment ago.
	made.racy = s.racy
	return made
}

// inFile keeps a secret in a file, and returns what refers to it.
func inFile(t testing.TB, value string) secret.Ref {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(value), 0o600); err != nil {
		t.Fatal(err)
	}
	return secret.Ref("file:" + path)
}

// object is what a test puts into a bucket.
type object struct {
	key      string
	content  []byte
	metadata repository.Metadata
}

func (s *stand) put(objects ...object) {
	s.Helper()
	for _, o := range objects {
		input := &s3.PutObjectInput{
			Bucket: &s.bucket, Key: aws.String(o.key), Body: bytes.NewReader(o.content), Metadata: o.metadata.User,
			ContentType: optional(o.metadata.ContentType), CacheControl: optional(o.metadata.CacheControl),
			ContentEncoding: optional(o.metadata.ContentEncoding), ContentDisposition: optional(o.metadata.ContentDisposition),
		}
		if _, err := s.client.PutObject(s.Context(), input); err != nil {
			s.Fatalf("put %q: %v", o.key, err)
		}
		var tags []types.Tag
		for name, value := range o.metadata.Tags {
			tags = append(tags, types.Tag{Key: aws.String(name), Value: aws.String(value)})
		}
		if tags == nil {
			continue
		}
		_, err := s.client.PutObjectTagging(s.Context(), &s3.PutObjectTaggingInput{Bucket: &s.bucket, Key: aws.String(o.key), Tagging: &types.Tagging{TagSet: tags}})
		if err != nil {
			s.Fatalf("tag %q: %v", o.key, err)
		}
	}
}

func (s *stand) remove(keys ...string) {
	s.Helper()
	for _, key := range keys {
		if _, err := s.client.DeleteObject(s.Context(), &s3.DeleteObjectInput{Bucket: &s.bucket, Key: aws.String(key)}); err != nil {
			s.Fatalf("delete %q: %v", key, err)
		}
	}
}

// content lists a bucket and reads every object, by means of the plain client.
func (s *stand) content(bucket string) map[string]string {
	s.Helper()
	all := map[string]string{}
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		for _, o := range page.Contents {
			all[*o.Key] = s.describe(bucket, *o.Key)
		}
	}
	return all
}

func (s *stand) describe(bucket, key string) string {
	s.Helper()
	got, err := s.client.GetObject(s.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		s.Fatalf("get %q: %v", key, err)
	}
	return s.describeOutput(got) + fmt.Sprint(s.tagsOf(bucket, key, nil))
}

// describeOutput reads what a GET delivers.
func (s *stand) describeOutput(got *s3.GetObjectOutput) string {
	s.Helper()
	defer got.Body.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, got.Body)
	if err != nil {
		s.Fatal(err)
	}
	return fmt.Sprintf("%d bytes %s type=%q cache=%q encoding=%q disposition=%q user=%v tags=", size, hex.EncodeToString(sum.Sum(nil)[:8]),
		aws.ToString(got.ContentType), aws.ToString(got.CacheControl), aws.ToString(got.ContentEncoding), aws.ToString(got.ContentDisposition), got.Metadata)
}

// tagsOf reads the tags of an object, or of a version of it.
func (s *stand) tagsOf(bucket, key string, id *string) []string {
	s.Helper()
	got, err := s.client.GetObjectTagging(s.Context(), &s3.GetObjectTaggingInput{Bucket: &bucket, Key: &key, VersionId: id})
	if err != nil {
		return nil // a directory marker has none
	}
	var tags []string
	for _, t := range got.TagSet {
		tags = append(tags, *t.Key+"="+*t.Value)
	}
	slices.Sort(tags)
	return tags
}

func (s *stand) capture() *repository.SourceReader {
	s.Helper()
	return s.Capture(s, "media", Kind, s.source)
}

// restore brings a point back under another bucket's name and returns the name.
func (s *stand) restore(from *repository.SourceReader) (bucket string, plan *source.Plan) {
	s.Helper()
	bucket = testbed.NewBucketAt(s, s.client)
	plan, err := s.source.Plan(s.Context(), from, source.Selection{Rename: map[string]string{s.bucket: bucket}})
	if err != nil {
		s.Fatal(err)
	}
	if len(plan.Occupied) != 0 {
		s.Fatalf("an empty bucket is occupied: %v", plan.Occupied)
	}
	if _, err := s.source.Restore(s.Context(), from, plan, progress.Discard); err != nil {
		s.Fatal(err)
	}
	return bucket, plan
}

func (s *stand) compare(from *repository.SourceReader, plan *source.Plan) *source.Comparison {
	s.Helper()
	comparison, err := s.source.Compare(s.Context(), from, plan, progress.Discard)
	if err != nil {
		s.Fatal(err)
	}
	return comparison
}

// newFiles lists what a function has added to the repository below a prefix.
func (s *stand) newFiles(prefix string, do func()) []string {
	s.Helper()
	before := s.Paths(s)
	do()
	return slices.DeleteFunc(s.Paths(s), func(path string) bool {
		return !strings.HasPrefix(path, prefix) || slices.Contains(before, path)
	})
}

func noise(seed uint64, size int) []byte {
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	content := make([]byte, size)
	_, _ = random.Read(content) // never fails
	return content
}

func zoo() []object {
	text := bytes.Repeat([]byte("a text that compresses well. "), 4000)
	return []object{
		{key: "empty"},
		{key: "one", content: []byte{0}},
		{key: "text.txt", content: text, metadata: repository.Metadata{ContentType: "text/plain; charset=utf-8"}},
		{key: "noise", content: noise(1, 100_000), metadata: repository.Metadata{ContentType: "image/jpeg"}},
		{key: "a/b", content: []byte("below a")}, {key: "a-c", content: []byte("beside a")}, {key: "a.txt", content: []byte("beside a")},
		{key: "a0", content: []byte("behind a")}, {key: "A", content: []byte("capital")},
		{key: "with space", content: []byte("1")}, {key: "plus+and%25&more=?#", content: []byte("2")},
		{key: "ünïcödé/消息/🎉.jpg", content: []byte("3")}, {key: "quote'\"<>", content: []byte("4")},
		{key: "described", content: []byte("5"), metadata: repository.Metadata{
			ContentType: "application/json", CacheControl: "max-age=60", ContentDisposition: `attachment; filename="x.json"`,
			User: map[string]string{"owner": "alice"}, Tags: map[string]string{"kind": "test", "size": "s"},
		}},
		{key: "large/noise", content: noise(2, 20<<20)},
		{key: "large/text", content: bytes.Repeat(text, 90)},
		{key: "large/described", content: noise(3, 9<<20), metadata: repository.Metadata{CacheControl: "no-cache", ContentType: "video/mp4"}},
	}
}

func TestEveryObjectComesBack(t *testing.T) {
	t.Parallel()
	onEachServer(t, Options{}, func(s *stand) {
		s.put(zoo()...)
		want := s.content(s.bucket)
		from := s.capture()
		copied, plan := s.restore(from)
		if diff := cmp.Diff(want, s.content(copied)); diff != "" {
			s.Errorf("restored bucket (-want +got):\n%s", diff)
		}
		if c := s.compare(from, plan); !c.Equal() {
			s.Errorf("the comparison finds differences: %v", c.Differences)
		}
		if got := from.Summary().Objects; got != int64(len(want)) {
			s.Errorf("captured %d objects, want %d", got, len(want))
		}
	})
}

func TestNothingChangedWritesNothing(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	s.put(zoo()[:8]...)
	s.capture()
	var from *repository.SourceReader
	for _, prefix := range []string{"packs/", "index/"} {
		if added := s.newFiles(prefix, func() { from = s.capture() }); len(added) != 0 {
			t.Errorf("a run in which nothing changed wrote %v", added)
		}
	}
	copied, _ := s.restore(from)
	if diff := cmp.Diff(s.content(s.bucket), s.content(copied)); diff != "" {
		t.Errorf("restored from a point that rests on another (-want +got):\n%s", diff)
	}
}

func TestAChangeWritesOnePackAndOneSegment(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	s.put(zoo()[:8]...)
	s.capture()
	s.put(object{key: "one", content: []byte("changed")})
	s.remove("a0")
	var from *repository.SourceReader
	added := s.newFiles("", func() { from = s.capture() })
	count := func(prefix string) (n int) {
		for _, path := range added {
			if strings.HasPrefix(path, prefix) {
				n++
			}
		}
		return n
	}
	if packs, index := count("packs/"), count("index/"); packs != 1 || index != 2 { // a segment is two files
		t.Errorf("wrote %d packs and %d files of the index, want 1 and 2: %v", packs, index, added)
	}
	copied, _ := s.restore(from)
	if diff := cmp.Diff(s.content(s.bucket), s.content(copied)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
}

// TestEveryPointOfAHistoryComesBack makes random changes between points.
func TestEveryPointOfAHistoryComesBack(t *testing.T) {
	t.Parallel()
	rounds := 6
	if os.Getenv("OPENIM_DR_TEST_LONG") != "" {
		rounds = 200
	}
	onEachServer(t, Options{AcceptShrink: true}, func(s *stand) {
		const seed = 11
		random := rand.New(rand.NewPCG(seed, seed))
		var points []*repository.SourceReader
		var wants []map[string]string
		for range rounds {
			for range 12 {
				key := fmt.Sprintf("d%d/k%d", random.IntN(4), random.IntN(12))
				if random.IntN(4) == 0 {
					s.remove(key)
					continue
				}
				s.put(object{key: key, content: noise(random.Uint64(), random.IntN(20_000))})
			}
			points = append(points, s.capture())
			wants = append(wants, s.content(s.bucket))
		}
		for i, from := range points {
			copied, plan := s.restore(from)
			if diff := cmp.Diff(wants[i], s.content(copied)); diff != "" {
				s.Errorf("seed %d: point %d (-want +got):\n%s", seed, i, diff)
			}
			if c := s.compare(from, plan); !c.Equal() {
				s.Errorf("seed %d: point %d: %v", seed, i, c.Differences)
			}
		}
	})
}

// TestComparisonBites damages a restored copy in every way that it has to see
// (invariant 11).
func TestComparisonBites(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	s.put(zoo()[:9]...)
	from := s.capture()
	copied, plan := s.restore(from)
	whole := s.bucket
	s.bucket = copied // damage the copy
	defer func() { s.bucket = whole }()
	original := object{key: "text.txt", content: zoo()[2].content, metadata: zoo()[2].metadata}
	flipped := bytes.Clone(original.content)
	flipped[100] ^= 1
	for name, damage := range map[string]struct{ do, undo func() }{
		"a flipped bit":      {func() { s.put(object{original.key, flipped, original.metadata}) }, func() { s.put(original) }},
		"a missing object":   {func() { s.remove("one") }, func() { s.put(zoo()[1]) }},
		"a surplus object":   {func() { s.put(object{key: "surplus"}) }, func() { s.remove("surplus") }},
		"another type":       {func() { s.put(object{original.key, original.content, repository.Metadata{ContentType: "text/html"}}) }, func() { s.put(original) }},
		"an object cut":      {func() { s.put(object{original.key, original.content[:50], original.metadata}) }, func() { s.put(original) }},
		"a tag that is new":  {func() { s.put(object{"one", []byte{0}, repository.Metadata{Tags: map[string]string{"new": "tag"}}}) }, func() { s.remove("one"); s.put(zoo()[1]) }},
		"metadata of a user": {func() { s.put(object{"one", []byte{0}, repository.Metadata{User: map[string]string{"a": "b"}}}) }, func() { s.put(zoo()[1]) }},
	} {
		damage.do()
		if s.compare(from, plan).Equal() {
			t.Errorf("%s was not seen", name)
		}
		damage.undo()
	}
	if c := s.compare(from, plan); !c.Equal() {
		t.Errorf("after all damage was undone: %v", c.Differences)
	}
}

func TestShrinkIsRefusedUntilAccepted(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	for i := range 20 {
		s.put(object{key: fmt.Sprintf("k%02d", i), content: noise(uint64(i), 100)})
	}
	s.capture()
	for i := range 10 {
		s.remove(fmt.Sprintf("k%02d", i))
	}
	_, err := s.TryCapture(t.Context(), t, "media", Kind, s.source)
	if fault.KindOf(err) != fault.Refused {
		t.Fatalf("a bucket that lost half of its objects: %v, want a refusal", err)
	}
	if _, err := s.TryCapture(t.Context(), t, "media", Kind, s.open(Options{AcceptShrink: true})); err != nil {
		t.Errorf("accepted, and still: %v", err)
	}
}

func TestOccupiedBucketIsInThePlan(t *testing.T) {
	t.Parallel()
	onEachServer(t, Options{}, func(s *stand) {
		s.put(zoo()[:4]...)
		want := s.content(s.bucket)
		from := s.capture()
		s.put(object{key: "later", content: []byte("not in the point")}, object{key: "one", content: []byte("changed")})
		s.remove("noise")
		live := s.content(s.bucket)
		target := "bucket/" + strings.TrimPrefix(s.endpoint, "http://") + "/" + s.bucket

		// What is there stays as it is, which takes no overwriting.
		plan, c := s.restoreInto(from, source.Selection{MissingOnly: true})
		live["noise"] = want["noise"]
		if diff := cmp.Diff(live, s.content(s.bucket)); diff != "" || len(plan.Occupied) != 0 || !c.Equal() || len(c.Deviations) != 2 {
			s.Errorf("missing only: occupied %v, differences %v, deviations %v (-want +got):\n%s", plan.Occupied, c.Differences, c.Deviations, diff)
		}
		// What differs is overwritten, and nothing is deleted.
		plan, c = s.restoreInto(from, source.Selection{})
		live["one"] = want["one"]
		if diff := cmp.Diff(live, s.content(s.bucket)); diff != "" || !c.Equal() || len(c.Deviations) != 1 {
			s.Errorf("overwritten: differences %v, deviations %v (-want +got):\n%s", c.Differences, c.Deviations, diff)
		}
		if len(plan.Occupied) != 1 || plan.Occupied[0].Target != target {
			s.Errorf("occupied: %v, want %s", plan.Occupied, target)
		}
		// It equals the point.
		_, c = s.restoreInto(from, source.Selection{DeleteSurplus: true})
		if diff := cmp.Diff(want, s.content(s.bucket)); diff != "" || !c.Equal() || len(c.Deviations) != 0 {
			s.Errorf("with nothing but the point: differences %v, deviations %v (-want +got):\n%s", c.Differences, c.Deviations, diff)
		}
	})
}

// restoreInto restores into the bucket itself, and compares.
func (s *stand) restoreInto(from *repository.SourceReader, want source.Selection) (*source.Plan, *source.Comparison) {
	s.Helper()
	plan, err := s.source.Plan(s.Context(), from, want)
	if err != nil {
		s.Fatal(err)
	}
	if _, err := s.source.Restore(s.Context(), from, plan, progress.Discard); err != nil {
		s.Fatal(err)
	}
	return plan, s.compare(from, plan)
}

// A restore that was killed and is begun again uploads only what is missing.
func TestRestoreGoesOn(t *testing.T) {
	t.Parallel()
	s := newStand(t, Options{})
	s.put(zoo()...)
	from := s.capture()
	s.remove("noise", "large/text")
	s.put(object{key: "one", content: []byte{1}})
	way := s.throughNetwork(t, "upstream", network.None, 0)
	_, c := s.restoreInto(from, source.Selection{})
	if !c.Equal() {
		t.Errorf("differences %v", c.Differences)
	}
	if missing := int64(100_000 + 90*116_000); way.Passed() > missing+500_000 {
		t.Errorf("uploaded %d bytes, and only %d were missing", way.Passed(), missing)
	}
}

func TestBadInput(t *testing.T) {
	env := testbed.Need(t)
	right := inFile(t, env.S3SecretKey)
	for name, tt := range map[string]struct {
		endpoint, bucket string
		secretKey        secret.Ref
		want             fault.Kind
	}{
		"a bucket that does not exist": {env.S3Endpoint, "no-such-bucket", right, fault.Usage},
		"a wrong key":                  {env.S3Endpoint, env.S3Bucket, inFile(t, "wrong"), fault.Usage},
		"nobody at the address":        {"http://127.0.0.1:1", env.S3Bucket, right, fault.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := New("media", &Settings{Endpoint: tt.endpoint, AccessKey: inFile(t, env.S3AccessKey), SecretKey: tt.secretKey, Buckets: []string{tt.bucket}}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = repotest.New(t).TryCapture(t.Context(), t, "media", Kind, s)
			explained, ok := fault.Outermost(err)
			if !ok || fault.KindOf(err) != tt.want {
				t.Fatalf("%v, want a %s fault", err, tt.want)
			}
			if strings.Contains(err.Error(), env.S3SecretKey) || explained.Error() == "" {
				t.Errorf("the error holds the secret, or nothing: %v", err)
			}
		})
	}
}
