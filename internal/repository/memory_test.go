package repository_test

import (
	"context"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// forgetful takes packs and tables and keeps nothing of them, but watches how
// much memory is in use meanwhile.
type forgetful struct {
	*repotest.Memory
	peak uint64
}

func (f *forgetful) Create(ctx context.Context, name string) (storage.Upload, error) {
	u, err := f.Memory.Create(ctx, name)
	if strings.HasSuffix(name, ".tar.age") || strings.HasSuffix(name, ".tsv.zst.age") {
		return &forgetfulUpload{Upload: u, of: f, name: name}, err
	}
	return u, err
}

type forgetfulUpload struct {
	storage.Upload
	of   *forgetful
	name string
	size int64
}

func (u *forgetfulUpload) Write(p []byte) (int, error) {
	if u.size>>20 != (u.size+int64(len(p)))>>20 { // once a MiB
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		u.of.peak = max(u.of.peak, m.HeapAlloc)
	}
	u.size += int64(len(p))
	return len(p), nil
}

func (u *forgetfulUpload) Commit() (storage.Info, error) {
	return storage.Info{Name: u.name, Size: u.size}, nil
}

// Invariant 7: what is written passes through, however much it is.
func TestMemoryDoesNotGrowWithWhatIsWritten(t *testing.T) {
	const size, limit = 128 << 20, 32 << 20
	f, m := newFixture(t)
	store := &forgetful{Memory: m}
	f.Store = store
	part := begin(t, f.Writer(t), "manual").Source("main", repotest.SampleKind, 1)
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)

	pack, err := part.CreatePack(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pack.Add("a large object", false, size, io.LimitReader(zeros{}, size)); err != nil {
		t.Fatal(err)
	}
	ref, err := pack.Commit()
	if err != nil || ref.Size < size {
		t.Fatalf("%d bytes stored, %v", ref.Size, err)
	}
	file, err := part.Create(t.Context(), "000001.tsv", "s", "t")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(file, io.LimitReader(zeros{}, size)); err != nil {
		t.Fatal(err)
	}
	if err := file.Commit(); err != nil {
		t.Fatal(err)
	}
	part.Summarize(repository.Summary{})
	if store.peak == 0 || store.peak > before.HeapAlloc+limit {
		t.Errorf("%d MiB in use, %d before: more than %d for %d", store.peak>>20, before.HeapAlloc>>20, limit>>20, size>>20)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
