package verify

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// Checks across the stores of a set.
const (
	checkMissing = "missing" // a database refers to an object that is not there
	checkSize    = "size"    // it is there with another size
	checkRow     = "row"     // a row does not agree with itself
	checkName    = "name"    // an address leads to a name that no row has
	checkContent = "content" // an object is not what its own name says
	checkOrphan  = "orphan"  // nothing refers to an object
)

// unlimited is how many of what is only counted are tolerated.
const unlimited = -1

// mostTold bounds how many bad ones of a check are listed.
const mostTold = 1000

// mostHeld bounds how many objects are held in memory, at about 40 bytes each.
// Of more than that an even share is looked at, drawn by chance.
const mostHeld = 2 << 20

// truth holds what databases refer to against the objects of the same set.
type truth struct {
	seed    maphash.Seed
	share   uint64 // one in so many is looked at
	buckets []string
	objects map[uint64]object
	names   map[uint64]struct{}
	checks  map[string]*truthCheck
}

// object is one object of a point: its size, and whether something must refer
// to it, and does.
type object int64

const (
	expected object = 1 << iota
	referred
	sizeShift = iota
)

func (o object) size() int64 { return int64(o >> sizeShift) }

// truthCheck counts one check.
type truthCheck struct {
	checked, bad int64
	told         []string
}

func newTruth(objects int64) *truth {
	return &truth{
		seed: maphash.MakeSeed(), share: uint64(objects/mostHeld) + 1,
		objects: map[uint64]object{}, names: map[uint64]struct{}{}, checks: map[string]*truthCheck{},
	}
}

// count counts one that was checked, and tells it if it is bad.
func (t *truth) count(check string, good bool, what string) {
	c := t.checks[check]
	if c == nil {
		c = new(truthCheck)
		t.checks[check] = c
	}
	c.checked++
	if good {
		return
	}
	if c.bad++; len(c.told) < mostTold {
		c.told = append(c.told, what)
	}
}

// mine reports whether a key or name belongs to the share.
func (t *truth) mine(name string) bool { return maphash.String(t.seed, name)%t.share == 0 }

func (t *truth) hash(bucket, name string) uint64 {
	return maphash.String(t.seed, bucket+"\x00"+name)
}

// enumerate enters all objects of a source of files. Something must refer to
// those that mustBe chooses.
func (t *truth) enumerate(ctx context.Context, from *repository.SourceReader, files source.Enumerator, mustBe func(key string) bool) error {
	return files.Enumerate(ctx, from, func(bucket, key string, size int64) error {
		bucket = from.Name() + "/" + bucket
		if !slices.Contains(t.buckets, bucket) {
			t.buckets = append(t.buckets, bucket)
		}
		if !t.mine(key) {
			return nil
		}
		o := object(size) << sizeShift
		if mustBe(key) {
			o |= expected
		}
		t.objects[t.hash(bucket, key)] = o
		return nil
	})
}

// ask puts one reference's question, and holds every answer against the objects.
func (t *truth) ask(ctx context.Context, database string, r source.Reference, ask source.Ask) error {
	err := ask(ctx, r.Query, func(row []*string) error {
		to, ok := r.Read(row)
		switch {
		case !ok:
		case to.Key == "":
			t.address(to.Name)
		default:
			t.refer(r.Bucket, to)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("ask what %s refers to: %w", database, err)
	}
	return nil
}

// address is a reference by name.
func (t *truth) address(name string) {
	if !t.mine(name) || len(t.names) >= mostHeld { // beyond that not all names are known
		return
	}
	_, known := t.names[t.hash("", name)]
	t.count(checkName, known, name)
}

// refer is a reference by key.
func (t *truth) refer(bucket string, r source.Referred) {
	if r.Name != "" && t.mine(r.Name) && len(t.names) < mostHeld {
		t.names[t.hash("", r.Name)] = struct{}{}
	}
	t.count(checkRow, !r.Contradicts, r.Key)
	if !t.mine(r.Key) {
		return
	}
	at, o, found := t.find(bucket, r.Key)
	t.count(checkMissing, found, r.Key)
	if !found {
		return
	}
	t.objects[at] = o | referred
	if r.Size >= 0 {
		t.count(checkSize, o.size() == r.Size, r.Key)
	}
}

// find looks for an object in one bucket, or in all.
func (t *truth) find(bucket, key string) (at uint64, o object, found bool) {
	buckets := t.buckets
	if bucket != "" {
		buckets = []string{bucket}
	}
	for _, b := range buckets {
		at = t.hash(b, key)
		if o, found = t.objects[at]; found {
			break
		}
	}
	return at, o, found
}

// orphans counts what something must refer to, and nothing does.
func (t *truth) orphans() {
	for _, o := range t.objects {
		if o&expected != 0 {
			t.count(checkOrphan, o&referred != 0, "")
		}
	}
}

// contents enters what a witness has found of the objects' own names. Those that
// did not come back as they were captured were damaged later, and are told apart.
func (t *truth) contents(checked, bad int64, objects []string, differing map[string]bool) {
	c := &truthCheck{checked: checked, bad: bad}
	for _, o := range objects {
		if differing[o] {
			c.bad--
		} else {
			c.told = append(c.told, o)
		}
	}
	t.checks[checkContent] = c
}

// Tolerance is how many bad ones of the checks across stores a drill passes with.
type Tolerance struct {
	Missing int64 // references that lead nowhere, or to another object
	Damaged int64 // objects that are not what their names say
}

// results returns what was found, check by check.
func (t *truth) results(source string, tolerance Tolerance) []repository.ProofTruth {
	results := []repository.ProofTruth{}
	for _, kind := range []struct {
		check     string
		tolerated int64
	}{
		{checkMissing, tolerance.Missing}, {checkSize, tolerance.Missing}, {checkRow, tolerance.Missing},
		{checkContent, tolerance.Damaged}, {checkName, unlimited}, {checkOrphan, unlimited},
	} {
		c := t.checks[kind.check]
		if c == nil {
			continue
		}
		results = append(results, repository.ProofTruth{
			Check: kind.check, Source: source, Checked: c.checked, Bad: c.bad, Tolerated: kind.tolerated,
			Passed: kind.tolerated == unlimited || c.bad <= kind.tolerated, OneIn: t.oneIn(kind.check),
		})
	}
	return results
}

// oneIn is for a check that looked at a share.
func (t *truth) oneIn(check string) int64 {
	if t.share == 1 || check == checkContent || check == checkRow {
		return 0
	}
	return int64(t.share)
}
