package bucket

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

func TestFilesThatASelectionNeeds(t *testing.T) {
	s := newStand(t, Options{})
	second := testbed.NewBucketAt(t, s.client)
	s.settings = func(o *Settings) { o.Buckets = []string{s.bucket, second} }
	s.source = s.open(Options{})
	s.put(object{key: "a", content: []byte("b")})
	s.putInto(second, object{key: "a", content: []byte("b")})
	from := s.capture()
	paths := func(files []repository.File) (all []string) {
		for _, f := range files {
			all = append(all, f.Path)
		}
		slices.Sort(all)
		return all
	}
	for name, tt := range map[string]struct {
		want source.Selection
		has  []repository.File
	}{
		"all":              {source.Selection{}, from.Files()},
		"one bucket":       {source.Selection{Include: []string{second + "/a"}}, from.FilesBelow(second)},
		"all but a bucket": {source.Selection{Exclude: []string{s.bucket}}, from.FilesBelow(second)},
		"an object":        {source.Selection{Objects: []string{s.bucket + "/a"}}, from.FilesBelow(s.bucket)},
	} {
		got, err := s.source.Needs(from, tt.want)
		if diff := cmp.Diff(paths(tt.has), paths(got)); err != nil || diff != "" || len(got) == 0 {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}
