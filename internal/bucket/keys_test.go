package bucket

import (
	"context"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// keyZoo are keys that S3 allows, alone or together, with the servers that give
// each back as it was put.
var keyZoo = []struct {
	name string
	keys []string
	held string // "s": SeaweedFS, "v": versitygw
}{
	{"1,024 bytes in short names", []string{strings.Repeat("d23456789/", 102) + "leaf"}, "sv"},
	{"1,024 bytes in one name", []string{strings.Repeat("n", 1024)}, "s"},
	{"a name of 255 bytes", []string{strings.Repeat("n", 255)}, "sv"},
	{"both normal forms", []string{"nfc-\u00e9", "nfd-e\u0301", "caf\u00e9", "cafe\u0301"}, "sv"},
	{"case", []string{"Key", "key", "KEY"}, "sv"},
	{"escape", []string{"a\x1bb"}, ""},
	{"delete", []string{"a\x7fb"}, "v"},
	{"line ends", []string{"a\nb", "a\rb", "a\r\nb"}, "v"},
	{"a tab", []string{"a\tb"}, "sv"},
	{"what XML cannot carry", []string{"a\x01b", "a\x0bb", "a\ufffeb"}, ""},
	{"an empty name inside", []string{"x//y"}, ""},
	{"a leading slash", []string{"/x"}, ""},
	{"a directory marker", []string{"d/"}, "v"},
	{"a marker of a directory with objects", []string{"d/", "d/x"}, "v"},
	{"a dot", []string{"."}, ""},
	{"two dots", []string{".."}, ""},
	{"a dot inside", []string{"a/./b"}, ""},
	{"two dots inside", []string{"a/../b"}, ""},
	{"hidden names", []string{".hidden", "...", "a/.b"}, "sv"},
	{"a key and a directory of the same name", []string{"dup", "dup/x"}, ""},
	{"what URLs escape", []string{"a b", " a ", "a+b", "a%20b", "a%2Fb", "a&b=c?d#e", "a;b:c@d,e$f!g*h'i(j)"}, "sv"},
	{"what shells escape", []string{`a\b`, `a"b`, "a`b", "a|b<c>d^e[f]{g}~"}, "sv"},
	{"scripts", []string{"消息/图片.jpg", "русский/файл", "عربي", "😀👩‍👧.png", "\U0010ffff"}, "sv"},
}

// putWithin puts an object, or gives up: SeaweedFS 3.39 never answers to some keys.
func putWithin(t *testing.T, client *s3.Client, bucket, key string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	content := strings.NewReader(key)
	if strings.HasSuffix(key, "/") {
		content = strings.NewReader("") // markers of directories hold nothing
	}
	_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: content})
	return err
}

func deleteWithin(t *testing.T, client *s3.Client, bucket, key string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, _ = client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key}) // it may not be there
}

// What the servers really hold, as far as it is a matter of keys: what a restore
// into them can bring back.
func TestKeysThatServersHold(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	for _, zoo := range keyZoo {
		for name, endpoint := range map[string]string{"s": env.S3Endpoint, "v": env.VersitygwEndpoint} {
			t.Run(zoo.name+" "+name, func(t *testing.T) {
				t.Parallel()
				client := env.S3At(t, endpoint)
				bucket := testbed.NewBucketAt(t, client)
				var refused []error
				for _, key := range zoo.keys {
					if err := putWithin(t, client, bucket, key); err != nil {
						refused = append(refused, err)
					}
				}
				got := listedKeys(t, client, bucket)
				for _, key := range zoo.keys { // some are listed in a way that nobody finds them by
					deleteWithin(t, client, bucket, key)
				}
				held := slices.Equal(got, slices.Sorted(slices.Values(zoo.keys)))
				t.Logf("accepted and given back: %t; listed %q; refused %v", held, got, refused)
				if held != strings.Contains(zoo.held, name) {
					t.Errorf("listed %q of %q: held %t", got, zoo.keys, held)
				}
			})
		}
	}
}

// listedKeys returns the keys of a bucket as our listing decodes them.
func listedKeys(t *testing.T, api *s3.Client, bucket string) []string {
	t.Helper()
	c := new(client)
	c.use(api)
	var keys []string
	for l := newListing(c, time.Minute, bucket, ""); ; {
		page, err := l.next(t.Context())
		if err != nil {
			return []string{err.Error()}
		}
		if page == nil {
			slices.Sort(keys)
			return keys
		}
		for _, o := range page {
			keys = append(keys, o.Key)
		}
	}
}

// Keys that no real server here holds come from a fake one: they are captured,
// and come back into it.
func TestEveryKeyComesBack(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	fake := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(fake.Close)
	s := &stand{T: t, Fixture: repotest.New(t), env: env, client: env.S3At(t, fake.URL)}
	s.bucket = "all"
	const into = "copy"
	for _, bucket := range []string{s.bucket, into} {
		if _, err := s.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{}
	for _, zoo := range keyZoo {
		for _, key := range zoo.keys {
			s.put(object{key: key, content: []byte(key)})
			want[key] = key
		}
	}
	s.source = s.openAt(fake.URL, Options{})
	from := s.capture()
	plan, err := s.source.Plan(t.Context(), from, source.Selection{Rename: map[string]string{s.bucket: into}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.source.Restore(t.Context(), from, plan, progress.Discard); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), listedKeys(t, s.client, into)); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if c := s.compare(from, plan); !c.Equal() {
		t.Error(c.Differences)
	}
}
