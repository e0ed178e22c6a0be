package repository_test

import (
	"context"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
)

// summed is a memory that tells checksums, as a storage far away does.
type summed struct{ *repotest.Memory }

func (s summed) sum(i storage.Info) storage.Info {
	sum := crc32.Checksum(s.Content(i.Name), storage.Castagnoli())
	i.CRC32C = &sum
	return i
}

func (s summed) Stat(ctx context.Context, name string) (storage.Info, error) {
	i, err := s.Memory.Stat(ctx, name)
	return s.sum(i), err
}

func (s summed) List(ctx context.Context, prefix string, fn func(storage.Info) error) error {
	return s.Memory.List(ctx, prefix, func(i storage.Info) error { return fn(s.sum(i)) })
}

// The cache saves requests, and is never trusted over the repository.
func TestManifestCache(t *testing.T) {
	manifest := func(id string) string { return "points/" + id + "/manifest.json" }
	tests := map[string]struct {
		between func(t *testing.T, f *repotest.Fixture, m *repotest.Memory, cache string, id string)
		reads   int // manifests that the second list reads
		gone    bool
		refused bool // the point does not count
	}{
		"nothing happened": {reads: 0},
		"the manifest is gone": {between: func(_ *testing.T, _ *repotest.Fixture, m *repotest.Memory, _, id string) {
			m.Damage(manifest(id), nil)
		}, gone: true},
		"another stands in its place": {between: func(_ *testing.T, _ *repotest.Fixture, m *repotest.Memory, _, id string) {
			m.Plant(manifest(id), []byte(strings.Replace(string(m.Content(manifest(id))), `"complete": true`, `"complete":  true`, 1)))
		}, reads: 2, refused: true},
		"the same bytes, created anew": {between: func(_ *testing.T, _ *repotest.Fixture, m *repotest.Memory, _, id string) {
			m.Plant(manifest(id), m.Content(manifest(id)))
		}, reads: 1},
		"another of that generation": {between: func(_ *testing.T, _ *repotest.Fixture, m *repotest.Memory, _, id string) {
			m.Damage(manifest(id), []byte(strings.Replace(string(m.Content(manifest(id))), `"complete": true`, `"complete":  true`, 1)))
		}, reads: 2, refused: true},
		"the cache is cut": {between: func(t *testing.T, _ *repotest.Fixture, _ *repotest.Memory, cache, id string) {
			replace(t, cache, id, func(text string) string { return text[:len(text)/2] })
		}, reads: 1},
		"somebody changes the cache": {between: func(t *testing.T, _ *repotest.Fixture, _ *repotest.Memory, cache, id string) {
			replace(t, cache, id, func(text string) string { return strings.Replace(text, "nightly", "nightlx", 1) })
		}, reads: 1},
		"somebody changes its signature": {between: func(t *testing.T, _ *repotest.Fixture, _ *repotest.Memory, cache, id string) {
			replace(t, cache, id, func(text string) string { return strings.Replace(text, `"signature":"`, `"signature":"x`, 1) })
		}, reads: 1},
		"the signer is trusted no longer": {between: func(t *testing.T, f *repotest.Fixture, _ *repotest.Memory, _, _ string) {
			f.Trust = f.Trust[:0]
			f.Trust = append(f.Trust, trust(t, f.Signer, "operator"))
		}, reads: 2, refused: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			memory := repotest.NewMemory()
			f := repotest.Over(t, summed{memory})
			m := mustTake(t, f.Writer(t), "nightly", sample())
			cache := t.TempDir()
			listWith(t, f, f.Store, cache)
			if tt.between != nil {
				tt.between(t, f, memory, cache, m.Point)
			}
			counted := faulty.New(f.Store, faulty.Plan{})
			l := listWith(t, f, counted, cache)
			if len(l.Points) == 0 != tt.gone {
				t.Fatalf("%d points", len(l.Points))
			}
			if !tt.gone && l.Points[0].Eligible() == tt.refused {
				t.Errorf("it counts: %v; %v", l.Points[0].Eligible(), l.Points[0].Untrusted)
			}
			reads := 0
			for _, c := range counted.Calls() {
				if c.Kind == faulty.Open && c.Name == manifest(m.Point) {
					reads++
				}
			}
			if reads != tt.reads {
				t.Errorf("the manifest was read %d times, want %d", reads, tt.reads)
			}
			if files, _ := filepath.Glob(filepath.Join(cache, "manifests", "*", "*")); tt.gone && len(files) > 0 {
				t.Errorf("what is gone is kept: %v", files)
			}
		})
	}
}

// Runs that were given up stay for ever, and are many where a deployment was down for
// long: a list reads each once, and where there is a cache not even that.
func TestListOfRunsThatWereGivenUp(t *testing.T) {
	const runs = 5
	tests := map[string]struct {
		cache   bool
		between func(t *testing.T, cache, run string)
		opens   int // files of those runs that the second list reads
	}{
		"without a cache": {false, nil, runs},
		"with one":        {true, nil, 0},
		"somebody changes the cache": {true, func(t *testing.T, cache, run string) {
			replace(t, cache, run, func(text string) string { return strings.Replace(text, "untrusted comment", "untrusted xomment", 1) })
		}, 1},
		"somebody makes up a fence": {true, func(t *testing.T, cache, run string) {
			replace(t, cache, run, func(text string) string { return strings.Replace(text, "by", "xy", 1) })
		}, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			memory := repotest.NewMemory()
			f := repotest.Over(t, memory) // tells no checksums
			w := f.Writer(t)
			given := map[string]bool{}
			for range runs {
				given[begin(t, w, "manual").Point()] = true
			}
			mustTake(t, w, "manual", sample())
			cache := ""
			if tt.cache {
				cache = t.TempDir()
			}
			listWith(t, f, f.Store, cache)
			for run := range given {
				if tt.between != nil {
					tt.between(t, cache, run)
					break
				}
			}
			counted := faulty.New(f.Store, faulty.Plan{})
			if l := listWith(t, f, counted, cache); len(l.Points) != 1 || len(l.Broken) != 0 {
				t.Errorf("%d points and %d broken ones", len(l.Points), len(l.Broken))
			}
			opens := 0
			for _, c := range counted.Calls() {
				if elements := strings.Split(c.Name, "/"); c.Kind == faulty.Open && len(elements) > 1 && given[elements[1]] {
					opens++
				}
			}
			if opens != tt.opens {
				t.Errorf("%d files of runs that were given up were read, want %d", opens, tt.opens)
			}
		})
	}
}

func listWith(t *testing.T, f *repotest.Fixture, store storage.Storage, cache string) *repository.Listing {
	t.Helper()
	repo, err := repository.Open(t.Context(), store, repository.Options{Trust: f.Trust, Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	l, err := repo.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func replace(t *testing.T, cache, point string, change func(string) string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(cache, "manifests", "*", point+".json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	changed := change(string(data))
	if changed == string(data) {
		t.Fatal("nothing was changed")
	}
	if err := os.WriteFile(files[0], []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}
