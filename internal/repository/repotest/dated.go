package repotest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/dir"
)

// Dated is a directory whose files are as old as the clock of a test says, which
// stands still while nobody waits.
type Dated struct {
	*dir.Store
	path string
}

// NewDated makes an empty one.
func NewDated(t testing.TB) Dated {
	t.Helper()
	path := t.TempDir()
	store, err := dir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return Dated{store, path}
}

// Create implements storage.Storage.
func (d Dated) Create(ctx context.Context, name string) (storage.Upload, error) {
	u, err := d.Store.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	return datedUpload{u, filepath.Join(d.path, filepath.FromSlash(name)), name, ctx, d.Store}, nil
}

type datedUpload struct {
	storage.Upload
	path, name string
	ctx        context.Context // of Create
	store      *dir.Store
}

// Commit implements storage.Upload.
func (u datedUpload) Commit() (storage.Info, error) {
	_, err := os.Stat(u.path)
	info, committed := u.Upload.Commit()
	if committed != nil || err == nil {
		return info, committed
	}
	now := time.Now()
	if err := os.Chtimes(u.path, now, now); err != nil {
		return info, err
	}
	sum := info.CRC32C
	info, err = u.store.Stat(u.ctx, u.name)
	info.CRC32C = sum
	return info, err
}
