package repository

import (
	"runtime"
	"slices"
	"testing"
)

// Invariant 7: what is kept of a pack while costs are attributed is small, so that two
// million of them take less than 200 MiB.
func TestMemoryOfCostsIsSmall(t *testing.T) {
	const packs, most = 200_000, 100
	names := make([]string, packs)
	for i := range names {
		names[i] = packPath(randomName(26))
	}
	slices.Sort(names)
	used := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := used()
	inv := new(inventory)
	for _, name := range names {
		if err := inv.names.add(name); err != nil {
			t.Fatal(err)
		}
		inv.sizes, inv.checksums, inv.created = append(inv.sizes, 64<<20), append(inv.checksums, 1), append(inv.created, 1)
	}
	c := &costing{inv: inv, owners: make([]uint32, packs), counted: make([]uint32, packs)}
	s := new(segmentFiles)
	s.add(inv, names...)
	if perPack := (used() - before) / packs; len(s.files) != packs || perPack > most {
		t.Errorf("%d bytes for each of %d packs, want at most %d", perPack, len(s.files), most)
	}
	runtime.KeepAlive(c)
}
