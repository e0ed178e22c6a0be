// Package repotest gives tests a real repository in a directory of their own,
// with every key that it needs.
package repotest

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/dir"
)

// Instance is whose points the fixture takes.
const Instance = "test"

// Fixture is a repository with its keys.
type Fixture struct {
	Store    storage.Storage
	Operator seal.Identity
	Catalog  seal.Identity
	Signer   seal.Signer
	Trust    seal.Trust
	// LeaseLength may be changed before the first Writer.
	LeaseLength time.Duration

	dir string
}

// New makes a repository in a temporary directory.
func New(t testing.TB) *Fixture {
	t.Helper()
	path := t.TempDir()
	store, err := dir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	f := Over(t, store)
	f.dir = path
	return f
}

// Over makes a repository in any storage.
func Over(t testing.TB, store storage.Storage) *Fixture {
	t.Helper()
	f := &Fixture{Store: store, LeaseLength: repository.DefaultLeaseLength}
	f.Operator, f.Catalog = identity(t), identity(t)
	var err error
	if f.Signer, err = seal.GenerateSigner(); err != nil {
		t.Fatal(err)
	}
	trusted, err := seal.NewTrustedSigner(f.Signer.PublicKey(), seal.Roles, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	f.Trust = seal.Trust{trusted}
	_, err = repository.Init(t.Context(), store, repository.InitOptions{
		Instance: Instance, Signer: f.Signer, Trust: f.Trust, Now: time.Now(),
		DigestReaders: []seal.Recipient{f.Operator.Recipient(), f.Catalog.Recipient()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func identity(t testing.TB) seal.Identity {
	t.Helper()
	id, err := seal.GenerateIdentity(false)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// Dir returns the directory that holds the repository.
func (f *Fixture) Dir() string { return f.dir }

// WriterOptions returns what Writer opens the repository with.
func (f *Fixture) WriterOptions() repository.WriterOptions {
	return repository.WriterOptions{
		Options: repository.Options{Trust: f.Trust}, Instance: Instance, Tool: "test", Signer: f.Signer,
		Recipients: []seal.Recipient{f.Operator.Recipient()}, Catalog: f.Catalog, LeaseLength: f.LeaseLength,
	}
}

// Writer opens the repository for writing.
func (f *Fixture) Writer(t testing.TB) *repository.Writer {
	t.Helper()
	w, err := repository.OpenWriter(t.Context(), f.Store, f.WriterOptions())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Open opens the repository for reading.
func (f *Fixture) Open(t testing.TB) *repository.Repository {
	t.Helper()
	repo, err := repository.Open(t.Context(), f.Store, repository.Options{Trust: f.Trust})
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

// TryCapture takes a point of one source, and returns its id.
func (f *Fixture) TryCapture(ctx context.Context, t testing.TB, name, kind string, c source.Capturer) (string, error) {
	t.Helper()
	w := f.Writer(t)
	ctx, lease, err := w.Acquire(ctx, repository.StreamLease(Instance, "manual"))
	if err != nil {
		return "", err
	}
	defer lease.Release()
	draft, err := w.Begin(ctx, "manual", []string{name})
	if err != nil {
		return "", err
	}
	defer draft.Abandon()
	if err := c.Capture(ctx, draft.Source(name, kind, 1), progress.Discard); err != nil {
		return "", err
	}
	m, err := draft.Commit(ctx)
	if err != nil {
		return "", err
	}
	return m.Point, nil
}

// Capture takes a point of one source and opens it with the operator's key.
func (f *Fixture) Capture(t testing.TB, name, kind string, c source.Capturer) *repository.SourceReader {
	t.Helper()
	point, err := f.TryCapture(t.Context(), t, name, kind, c)
	if err != nil {
		t.Fatalf("capture %s: %v", name, err)
	}
	return f.Source(t, point, name)
}

// Source opens one source's part of a point with the operator's key.
func (f *Fixture) Source(t testing.TB, point, name string) *repository.SourceReader {
	t.Helper()
	repo := f.Open(t)
	listing, err := repo.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := listing.Find(point)
	if err != nil {
		t.Fatal(err)
	}
	reader, ok := repository.SourceOf(repo.Unlock(p, []seal.Identity{f.Operator}), name)
	if !ok {
		t.Fatalf("point %s holds no source %q", point, name)
	}
	return reader
}

// Paths lists the files in the repository's directory, slash-separated.
func (f *Fixture) Paths(t testing.TB) []string {
	t.Helper()
	var paths []string
	err := f.Store.List(t.Context(), "", func(i storage.Info) error {
		paths = append(paths, i.Name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// RequireSealed fails if any file under dir holds one of the markers in the
// clear (invariant 4).
func RequireSealed(t testing.TB, dir string, markers []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range markers {
			if bytes.Contains(data, []byte(m)) {
				t.Errorf("%s holds %q in the clear", path, m)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
