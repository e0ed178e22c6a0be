package retention_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/dir"
)

// sizes are how many histories are drawn, in memory and over real files.
func sizes() (inMemory, onDisk int) {
	if os.Getenv("OPENIM_DR_TEST_LONG") != "" {
		return 10_000, 200
	}
	return 290, 10
}

// Whatever happens to a repository (runs, failures, proofs, decisions, prunes,
// restores, a process that dies or sleeps at any call), what is kept can be
// restored, and equals what was captured.
func TestEveryKeptPointOfAHistoryIsRestorable(t *testing.T) {
	inMemory, onDisk := sizes()
	histories(t, "in memory", inMemory, func(*testing.T) storage.Storage { return repotest.NewMemory() })
	histories(t, "on disk", onDisk, newDated)
}

// histories draws and plays histories, until one fails.
func histories(t *testing.T, name string, n int, open func(*testing.T) storage.Storage) {
	t.Run(name, func(t *testing.T) {
		first := seedOf(t)
		seen := map[string]int{}
		for i := range uint64(n) { //nolint:gosec // a count
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(first+i, 0)) //nolint:gosec // a test's choices
				h := newHistory(t, open(t), random, seen)
				for range 8 + random.IntN(14) {
					if h.step(t); t.Failed() {
						break
					}
				}
				if !t.Failed() {
					h.requireWhole(t)
				}
				if t.Failed() {
					t.Logf("OPENIM_DR_TEST_SEED=%d; policy %+v\n%s", first+i, h.order, h)
				}
			})
			if t.Failed() {
				return
			}
		}
		t.Logf("%d histories, from seed %d on: %v", n, first, seen)
		for _, what := range []string{"run", "prune", "prove", "hold", "unhold", "forget", "undelete", "restore", "slow", "suspended", "swept"} {
			if seen[what] == 0 && n > 100 {
				t.Errorf("no history has a step of %s", what)
			}
		}
	})
}

// seedOf is a seed that is drawn, or one whose history is to be seen again.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("OPENIM_DR_TEST_SEED")
	if text == "" {
		return rand.Uint64N(1 << 32)
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return seed
}

// dated is a directory whose files are as old as the clock of a test says, which
// stands still while nobody waits.
type dated struct {
	*dir.Store
	path string
}

func newDated(t *testing.T) storage.Storage {
	t.Helper()
	path := t.TempDir()
	store, err := dir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return dated{store, path}
}

func (d dated) Create(ctx context.Context, name string) (storage.Upload, error) {
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
