package bucket

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/openim-dr/openim-dr/internal/repository"
)

const (
	// deadShare is the share of a pack that must still be wanted lest its
	// objects be captured anew, so that the pack may be swept one day.
	deadShare = 0.25
	// mostMoved is the share of a bucket that a run captures anew for that, and
	// leastMoved what it may in any case, in bytes.
	mostMoved  = 0.02
	leastMoved = 64 << 20
	// mostCounted is how many packs a run keeps account of (invariant 7).
	mostCounted = 32 << 10
)

// mostlyDead returns the packs of which little is wanted any more. An object in
// a pack of its own is wanted whole or not at all. Of more packs than can be kept
// account of, every run, by when it began, looks at other ones.
func (b *base) mostlyDead(ctx context.Context, began time.Time) (map[string]bool, error) {
	if b == nil {
		return nil, nil
	}
	c := newCensus(uint64(began.UnixNano()), mostCounted)
	for segment := range b.layers[0] {
		packs, err := b.packs(ctx, 0, segment)
		if err != nil {
			return nil, err
		}
		for _, p := range packs {
			c.add(p)
		}
	}
	return c.mostlyDead(), nil
}

// census sums up how much of every pack is wanted, segment by segment. Where
// there are more packs than it may count, it counts a sample of them: those whose
// rank, a hash, is lowest. The bound only falls, so that what is counted at the
// end has been counted from the beginning.
type census struct {
	rank  *xxhash.Digest
	seed  uint64
	bound uint64
	most  int
	packs map[string]packUse
	bytes int64 // wanted of all packs, counted or not
}

type packUse struct{ size, wanted int64 }

func (u packUse) share() float64 { return float64(u.wanted) / float64(u.size) }

func newCensus(seed uint64, most int) *census {
	return &census{rank: xxhash.NewWithSeed(seed), seed: seed, bound: math.MaxUint64, most: most, packs: map[string]packUse{}}
}

func (c *census) add(p repository.SegmentPack) {
	c.bytes += p.LiveBytes
	if !c.counts(p.ID) {
		return
	}
	c.packs[p.ID] = packUse{p.Size, c.packs[p.ID].wanted + p.LiveBytes}
	for len(c.packs) > c.most {
		c.bound /= 2
		maps.DeleteFunc(c.packs, func(id string, _ packUse) bool { return !c.counts(id) })
	}
}

func (c *census) counts(id string) bool {
	c.rank.ResetWithSeed(c.seed)
	_, _ = c.rank.WriteString(id) // never fails
	return c.rank.Sum64() <= c.bound
}

// mostlyDead returns the packs to move objects out of, those first of which the
// least is wanted, within what one run may move.
func (c *census) mostlyDead() map[string]bool {
	maps.DeleteFunc(c.packs, func(_ string, u packUse) bool { return u.share() >= deadShare })
	ids := slices.SortedFunc(maps.Keys(c.packs), func(a, b string) int {
		return cmp.Or(cmp.Compare(c.packs[a].share(), c.packs[b].share()), cmp.Compare(a, b))
	})
	left := max(leastMoved, int64(mostMoved*float64(c.bytes)))
	dead := map[string]bool{}
	for _, id := range ids {
		if wanted := c.packs[id].wanted; wanted <= left {
			dead[id] = true
			left -= wanted
		}
	}
	return dead
}
