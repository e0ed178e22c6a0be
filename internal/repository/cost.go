package repository

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// Cost is what one point takes of the storage, in bytes.
type Cost struct {
	// Own is of its files and those of its run, of what was decided about it, of its
	// proofs, and of the wraps of its key.
	Own int64 `json:"own"`
	// Shared is of the segments and packs that it needs and of the wraps of their
	// keys, whoever else needs them.
	Shared int64 `json:"shared"`
	// Exclusive is what a sweep of this point alone would free. What was decided
	// about it and its proofs stay.
	Exclusive int64 `json:"exclusive"`
}

// Costs is what a repository takes of the storage, in bytes, and each point of it.
// Each file is in one of Exclusive, Common and Rest.
type Costs struct {
	Points    map[string]Cost
	Files     int64
	Stored    int64
	Exclusive int64 // what one point alone needs
	Common    int64 // what several points need, or a run that a later one may go on from
	// Rest is what no point needs: records, decisions, proofs, leases and the log, and
	// what runs have left that failed.
	Rest int64
	// Unknown are plain files that could not be read: points may need more than what
	// was found.
	Unknown []string
}

// Stored lists everything, and returns how many files there are and what they take.
func (r *Repository) Stored(ctx context.Context) (files, bytes int64, err error) {
	err = r.store.List(ctx, "", func(i storage.Info) error {
		files, bytes = files+1, bytes+i.Size
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("list %s: %w", r.URL(), err)
	}
	return files, bytes, nil
}

// Costs finds out what each point of a listing takes. It lists everything, and reads
// the bucket lists of every point and the plain file of every segment once. It takes
// no key.
//
// What it keeps of a file is its place in an inventory (some fifty bytes), the one
// point that needs it, the last point that has counted it, and its number in each
// segment that leads to it, four bytes each.
func (r *Repository) Costs(ctx context.Context, listing *Listing) (*Costs, error) {
	inv, err := takeInventory(ctx, r.store, func(int64) {})
	if err != nil {
		return nil, err
	}
	c := &costing{
		inv: inv, reached: newReach(r.store, inv, nil), known: map[string]*segmentFiles{},
		owners: make([]uint32, inv.len()), counted: make([]uint32, inv.len()),
	}
	if err := c.others(ctx, r, listing.Points); err != nil {
		return nil, err
	}
	needed, err := c.lists(ctx, listing.Points)
	if err != nil {
		return nil, err
	}
	if err := c.packs(ctx); err != nil {
		return nil, err
	}
	costs := &Costs{Points: make(map[string]Cost, len(listing.Points)), Files: int64(inv.len()), Stored: inv.bytes}
	points := make([]Cost, len(listing.Points))
	for i, p := range listing.Points {
		points[i] = c.count(owner(i), p.Manifest, needed[i])
	}
	c.settle(costs, points)
	for i, p := range listing.Points {
		costs.Points[p.Point] = points[i]
	}
	slices.Sort(c.reached.unknown)
	costs.Unknown = slices.Compact(c.reached.unknown)
	return costs, nil
}

// costing attributes the files of an inventory to points.
type costing struct {
	inv     *inventory
	reached *reach
	owners  []uint32 // of each file nobody, the one point that needs it, or several
	counted []uint32 // of each file the last point that has counted it

	mu    sync.Mutex
	known map[string]*segmentFiles
}

// Owners of a file that are no point.
const (
	nobody  = 0
	several = math.MaxUint32
)

// owner numbers a point by its place in the listing.
func owner(place int) uint32 { return uint32(place + 1) }

// segmentFiles are a segment and what it leads to: both its files, packs, and the
// wraps of their keys, by their numbers in the inventory.
type segmentFiles struct {
	ref   SegmentRef
	owner uint32
	files []uint32
}

// others marks what is needed besides by the points of a listing: by those that have
// come since, and by runs that a later one may go on from.
func (c *costing) others(ctx context.Context, r *Repository, points []*Point) error {
	u := &uselessness{
		sweeping: &sweeping{reader: r.store, repo: r, inv: c.inv}, reached: c.reached, gone: map[string]bool{}, last: map[located]int64{},
	}
	listed := make(map[string]bool, len(points))
	for _, p := range points {
		listed[p.Point] = true
		c.reached.note(p.Point, needOf(p.Point, p.Manifest))
	}
	since := slices.DeleteFunc(u.takeStock(), func(id string) bool { return listed[id] })
	for _, id := range since {
		for _, i := range c.inv.in(pointDir(id)) {
			c.inv.mark(i)
		}
	}
	if err := c.reached.points(ctx, since); err != nil {
		return err
	}
	return u.continued(ctx)
}

// lists reads the bucket lists of points, and returns the segments of each.
func (c *costing) lists(ctx context.Context, points []*Point) ([][]*segmentFiles, error) {
	needed := make([][]*segmentFiles, len(points))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	for i, p := range points {
		group.Go(func() error {
			for _, f := range p.Files {
				if !isBucketList(f) {
					continue
				}
				var list BucketList
				parse := func(data []byte) error { return json.Unmarshal(data, &list) }
				if ok, err := c.reached.verified(ctx, f.Path, f.SHA256, parse); err != nil {
					return err
				} else if ok {
					needed[i] = append(needed[i], c.segments(list.Segments, owner(i))...)
				}
			}
			return nil
		})
	}
	return needed, group.Wait()
}

// segments notes who needs some segments.
func (c *costing) segments(refs []SegmentRef, by uint32) []*segmentFiles {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := make([]*segmentFiles, len(refs))
	for i, ref := range refs {
		name := ref.ID + " " + ref.PacksSHA256
		s, known := c.known[name]
		if !known {
			s = &segmentFiles{ref: ref, owner: by}
			c.known[name] = s
		}
		s.owner = joined(s.owner, by)
		found[i] = s
	}
	return found
}

// joined is who needs what two need.
func joined(a, b uint32) uint32 {
	switch {
	case a == nobody || a == b:
		return b
	case b == nobody:
		return a
	default:
		return several
	}
}

// packs reads what the segments lead to.
func (c *costing) packs(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	for _, s := range c.known {
		group.Go(func() error {
			s.add(c.inv, segmentPath(s.ref.ID), segmentPacksPath(s.ref.ID))
			s.addWraps(c.inv, s.ref.Key)
			var list SegmentPacks
			parse := func(data []byte) error { return unmarshalPacks(data, &list) }
			if ok, err := c.reached.verified(ctx, segmentPacksPath(s.ref.ID), s.ref.PacksSHA256, parse); !ok {
				return err
			}
			last := s.ref.Key
			for _, p := range list.Packs {
				s.add(c.inv, packPath(p.ID))
				if p.Key != last {
					s.addWraps(c.inv, p.Key)
					last = p.Key
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// add adds files that are there.
func (s *segmentFiles) add(inv *inventory, paths ...string) {
	for _, path := range paths {
		if i, ok := inv.find(path); ok {
			s.files = append(s.files, uint32(i))
		}
	}
}

func (s *segmentFiles) addWraps(inv *inventory, key string) {
	for _, i := range inv.wraps(key) {
		s.files = append(s.files, uint32(i))
	}
}

// wraps are the numbers of the wraps of a run key.
func (v *inventory) wraps(key string) []int {
	if !isKey(key) {
		return nil
	}
	return v.in(keysDir + key + "/")
}

// in are the numbers of the few files in a directory.
func (v *inventory) in(dir string) []int {
	from, to := v.below(dir)
	files := make([]int, 0, to-from)
	for i := from; i < to; i++ {
		files = append(files, i)
	}
	return files
}

// count adds up what a point takes, each file once, and notes that it needs them.
func (c *costing) count(by uint32, m *Manifest, needed []*segmentFiles) (cost Cost) {
	own := slices.Concat(c.inv.in(pointDir(m.Point)), c.inv.in(runsDir+m.Point+"/"), c.inv.wraps(m.Keys.Point))
	for _, f := range m.Files {
		if i, ok := c.inv.find(f.Path); ok {
			own = append(own, i)
		}
	}
	for _, i := range own {
		cost.Own += c.take(by, i)
	}
	for _, i := range slices.Concat(c.inv.in(stateDir+m.Point+"/"), c.inv.in(proofDir(m.Point))) {
		cost.Own += c.inv.sizes[i] // nobody needs them, and no sweep takes them
	}
	for _, key := range m.Keys.Packs {
		for _, i := range c.inv.wraps(key) {
			cost.Shared += c.take(by, i)
		}
	}
	for _, s := range needed {
		for _, i := range s.files {
			cost.Shared += c.once(by, int(i))
		}
	}
	return cost
}

// take notes that a point needs a file, and returns what it adds to the point.
func (c *costing) take(by uint32, i int) int64 {
	c.owners[i] = joined(c.owners[i], by)
	return c.once(by, i)
}

// once is the size of a file the first time that a point counts it.
func (c *costing) once(by uint32, i int) int64 {
	if c.counted[i] == by {
		return 0
	}
	c.counted[i] = by
	return c.inv.sizes[i]
}

// settle tells what one point alone needs from what several do.
func (c *costing) settle(costs *Costs, points []Cost) {
	for _, s := range c.known {
		for _, i := range s.files {
			c.owners[i] = joined(c.owners[i], s.owner)
		}
	}
	for i, size := range c.inv.sizes {
		switch by := c.owners[i]; {
		case by == several || c.inv.marked(i):
			costs.Common += size
		case by == nobody:
			costs.Rest += size
		default:
			costs.Exclusive += size
			points[by-1].Exclusive += size
		}
	}
}
