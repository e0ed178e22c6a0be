package repository_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// newFixture returns a repository in memory.
func newFixture(t testing.TB) (*repotest.Fixture, *repotest.Memory) {
	t.Helper()
	memory := repotest.NewMemory()
	return repotest.Over(t, memory), memory
}

func sample() *repotest.Sample {
	return &repotest.Sample{
		Name:    "main",
		Tables:  map[string]string{"openIM_v3/users": "1\tAnn\n2\tBob\n", "openIM_v3/empty": ""},
		Objects: map[string]string{"a/b": "one", "a-c": "two", "big": string(bytes.Repeat([]byte("0123456789abcdef"), 9000)), "none": ""},
	}
}

// take runs one whole backup.
func take(ctx context.Context, w *repository.Writer, instance, stream string, samples ...*repotest.Sample) (*repository.Manifest, error) {
	ctx, lease, err := w.Acquire(ctx, repository.StreamLease(instance, stream))
	if err != nil {
		return nil, err
	}
	defer lease.Release()
	names := make([]string, len(samples))
	for i, s := range samples {
		names[i] = s.Name
	}
	draft, err := w.Begin(ctx, stream, names)
	if err != nil {
		return nil, err
	}
	defer draft.Abandon()
	for _, s := range samples {
		if err := s.Capture(ctx, draft.Source(s.Name, repotest.SampleKind, 1), progress.Discard); err != nil {
			return nil, err
		}
	}
	return draft.Commit(ctx)
}

func mustTake(t testing.TB, w *repository.Writer, stream string, samples ...*repotest.Sample) *repository.Manifest {
	t.Helper()
	m, err := take(t.Context(), w, repotest.Instance, stream, samples...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// begin starts a run and leaves it to the test.
func begin(t testing.TB, w *repository.Writer, stream string) *repository.Draft {
	t.Helper()
	draft, err := w.Begin(t.Context(), stream, []string{"main"})
	if err != nil {
		t.Fatal(err)
	}
	return draft
}

func listing(t testing.TB, f *repotest.Fixture) *repository.Listing {
	t.Helper()
	l, err := f.Open(t).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func point(t testing.TB, f *repotest.Fixture, id string) *repository.Point {
	t.Helper()
	p, err := listing(t, f).Find(id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func requireKind(t testing.TB, err error, want fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != want {
		t.Fatalf("got %v (%v), want an error that is %v", err, fault.KindOf(err), want)
	}
}

// plantSigned puts a signed file there, as its signer could.
func plantSigned(t testing.TB, memory *repotest.Memory, signer seal.Signer, path string, v any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := signer.Sign(data, path)
	if err != nil {
		t.Fatal(err)
	}
	memory.Plant(path+".minisig", signature)
	memory.Plant(path, data)
}

func newSigner(t testing.TB) seal.Signer {
	t.Helper()
	s, err := seal.GenerateSigner()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newIdentity(t testing.TB) seal.Identity {
	t.Helper()
	id, err := seal.GenerateIdentity(false)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func trust(t testing.TB, signer seal.Signer, roles ...seal.Role) seal.TrustedSigner {
	t.Helper()
	s, err := seal.NewTrustedSigner(signer.PublicKey(), roles, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// edit changes a plain file as JSON and signs it anew.
func edit(t testing.TB, memory *repotest.Memory, signer seal.Signer, path string, change func(map[string]any)) {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(memory.Content(path), &v); err != nil {
		t.Fatal(err)
	}
	change(v)
	plantSigned(t, memory, signer, path, v)
}
