package bucket

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// use is a segment that needs so many bytes of a pack of 1 MiB.
func use(id string, live int64) repository.SegmentPack {
	return repository.SegmentPack{PackRef: repository.PackRef{ID: id, Size: 1 << 20}, LiveBytes: live}
}

func TestCensusFindsWhatIsMostlyDead(t *testing.T) {
	t.Parallel()
	c := newCensus(1, 10)
	for _, p := range []repository.SegmentPack{
		use("whole", 1<<20), use("spread", 100<<10), use("dead", 1000), use("spread", 100<<10), use("half", 512<<10), use("spread", 100<<10),
		use("shared", 1000), use("dead", 1000),
	} {
		c.add(p)
	}
	got := slices.Sorted(maps.Keys(c.mostlyDead()))
	if want := []string{"dead", "shared"}; !slices.Equal(got, want) {
		t.Errorf("mostly dead are %v, want %v", got, want)
	}
}

// One run moves no more than its share, and first what frees the most for it.
func TestCensusKeepsWithinWhatARunMayMove(t *testing.T) {
	t.Parallel()
	c := newCensus(1, 10_000)
	for i := range 1000 {
		c.add(use(fmt.Sprint(i), 100<<10+int64(i)))
	}
	dead := c.mostlyDead()
	moved := int64(0)
	for i := range 1000 {
		if dead[fmt.Sprint(i)] {
			moved += 100<<10 + int64(i)
		}
	}
	if moved > leastMoved || moved < leastMoved-(200<<10) || !dead["0"] || dead["999"] {
		t.Errorf("%d packs with %d bytes are moved, want the first ones with at most %d", len(dead), moved, leastMoved)
	}
}

// Invariant 7: however many packs there are, few are counted; those are counted
// right, and in the end every one is.
func TestCensusOfMorePacksThanItCounts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 0))
		packs := rapid.IntRange(100, 300).Draw(r, "packs")
		var uses []repository.SegmentPack
		for range 2 * packs {
			uses = append(uses, use(fmt.Sprint(random.IntN(packs)), 1+random.Int64N(100<<10)))
		}
		most := rapid.IntRange(30, 60).Draw(r, "most")
		exact := newCensus(0, len(uses)+1)
		for _, u := range uses {
			exact.add(u)
		}
		want := exact.mostlyDead()
		found := map[string]bool{}
		for run := range uint64(2000) {
			c := newCensus(run, most)
			for _, u := range uses {
				if c.add(u); len(c.packs) > most {
					r.Fatalf("%d packs are counted, want at most %d", len(c.packs), most)
				}
			}
			for id := range c.mostlyDead() {
				if !want[id] {
					r.Fatalf("pack %s is not dead", id)
				}
				found[id] = true
			}
			if len(found) == len(want) {
				return
			}
		}
		r.Fatalf("after 2000 runs %d of %d dead packs were found", len(found), len(want))
	})
}
