package repository

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/openim-dr/openim-dr/internal/seal"
)

// Kinds of findings besides those of Damage.
const (
	// Surplus is a file in a place where the format has none, or that a point's
	// own directory holds beyond what its manifest names.
	Surplus Damage = "surplus"
	// Unreferenced is a file of the format that no point and no live run needs:
	// what a run left that failed. It harms nothing.
	Unreferenced Damage = "unreferenced"
	// Forged is a signed file whose signature does not count.
	Forged Damage = "signature"
	// Unchained is a point that does not follow the one before it, or a link of a
	// chain that is gone.
	Unchained Damage = "chain"
)

// Finding is one thing that an audit has found.
type Finding struct {
	Kind Damage `json:"kind"`
	File string `json:"file"`
	// Points are the first of those that need the file, PointCount is how many do.
	Points     []string `json:"points"`
	PointCount int      `json:"pointCount"`
	Expected   string   `json:"expected"`
	Got        string   `json:"got"`
}

// Harms reports whether the finding says that something is wrong.
func (f Finding) Harms() bool { return f.Kind != Unreferenced }

// Bounds of what is kept of findings: of a repository that lost everything, the
// first of each kind say as much as all.
const (
	maxFindings      = 1000 // of each kind
	maxFindingPoints = 10
)

// findings gathers what is found. It is safe for concurrent use.
type findings struct {
	mu     sync.Mutex
	byKey  map[findingKey]*Finding
	counts map[Damage]int
}

type findingKey struct {
	kind Damage
	file string
	want string
}

// add notes a finding for a point, or for none where point is empty. The same
// finding for a further point adds that.
func (f *findings) add(found Finding, point string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byKey == nil {
		f.byKey, f.counts = map[findingKey]*Finding{}, map[Damage]int{}
	}
	key := findingKey{found.Kind, found.File, found.Expected}
	known, ok := f.byKey[key]
	if !ok {
		f.counts[found.Kind]++
		if f.counts[found.Kind] > maxFindings {
			return
		}
		found.Points = []string{}
		known = &found
		f.byKey[key] = known
	}
	if point == "" {
		return
	}
	known.PointCount++
	if known.Points = append(known.Points, point); len(known.Points) > maxFindingPoints {
		slices.Sort(known.Points)
		known.Points = known.Points[:maxFindingPoints]
	}
}

// damageOrder puts what is worst first.
var damageOrder = []Damage{Forged, Unchained, Missing, Truncated, Altered, Surplus, Unreferenced}

// list returns the findings, the worst kind first, and how many there are of
// each kind, those that were not kept included.
func (f *findings) list() ([]Finding, map[Damage]int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]Finding, 0, len(f.byKey))
	for _, found := range f.byKey {
		slices.Sort(found.Points)
		all = append(all, *found)
	}
	slices.SortFunc(all, func(a, b Finding) int {
		return cmp.Or(
			slices.Index(damageOrder, a.Kind)-slices.Index(damageOrder, b.Kind),
			cmp.Compare(a.File, b.File), cmp.Compare(a.Expected, b.Expected),
		)
	})
	counts := map[Damage]int{}
	for kind, n := range f.counts {
		counts[kind] = n
	}
	return all, counts
}

// noSuchFile is what was got where there is nothing.
const noSuchFile = "no such file"

func bytesText(n int64) string { return fmt.Sprintf("%d bytes", n) }

func sumText(sum uint32) string { return fmt.Sprintf("CRC32C %08x", sum) }

// describe says what a file must be, as far as that is recorded.
func describe(f File) string {
	if f.Size == unknownSize {
		return "SHA-256 " + f.SHA256
	}
	return bytesText(f.Size)
}

// compareListed holds what a listing says of a file against what it must be.
func compareListed(f File, size int64, sum *uint32) (Finding, bool) {
	found := Finding{File: f.Path, Expected: bytesText(f.Size), Got: bytesText(size)}
	switch {
	case f.Size != unknownSize && size < f.Size:
		found.Kind = Truncated
	case f.Size != unknownSize && size > f.Size:
		found.Kind = Altered
	case f.CRC32C != unknownSum && sum != nil && *sum != f.CRC32C:
		found.Kind, found.Expected, found.Got = Altered, sumText(f.CRC32C), sumText(*sum)
	default:
		return Finding{}, false
	}
	return found, true
}

// compareContent holds the bytes of a small file against what it must be.
func compareContent(f File, content []byte) (Finding, bool) {
	got := seal.SumOf(content)
	if found, damaged := compareListed(f, got.Size, nil); damaged {
		return found, true
	}
	if got.SHA256 != f.SHA256 {
		return Finding{Kind: Altered, File: f.Path, Expected: "SHA-256 " + f.SHA256, Got: "SHA-256 " + got.SHA256}, true
	}
	return Finding{}, false
}

// unknownSum marks a file whose CRC32C is not recorded. Of the one in four
// billion that really has this one, it is not compared.
const unknownSum = 0
