package retention_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// sizes are how many histories are drawn, in memory and over real files.
func sizes() (inMemory, onDisk int) {
	switch {
	case repotest.RaceDetector:
		return 50, 5
	case os.Getenv("OPENIM_DR_TEST_LONG") != "":
		return 10_000, 200
	default:
		return 290, 10
	}
}

// Whatever happens to a repository (runs, failures, proofs, decisions, prunes,
// restores, a process that dies or sleeps at any call), what is kept can be
// restored, and equals what was captured.
func TestEveryKeptPointOfAHistoryIsRestorable(t *testing.T) {
	inMemory, onDisk := sizes()
	histories(t, "in memory", inMemory, func(*testing.T) storage.Storage { return repotest.NewMemory() })
	histories(t, "on disk", onDisk, func(t *testing.T) storage.Storage { return repotest.NewDated(t) })
}

// histories draws and plays histories, until one fails.
func histories(t *testing.T, name string, n int, open func(*testing.T) storage.Storage) {
	t.Run(name, func(t *testing.T) {
		first := seedOf(t)
		seen := map[string]int{}
		for i := range uint64(n) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(first+i, 0))
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
