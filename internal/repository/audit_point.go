package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// manifestBudget is how many bytes of manifests are looked at once, but for one
// that is larger by itself.
const manifestBudget = 8 << 20

// PointsShow is told how the step of the points goes on.
type PointsShow struct {
	Begin func(points int64)
	Done  func(points int64)
	Bytes func(read int64) // of files that are read for their content
}

// AuditPoints looks at every manifest, and at every file that one leads to: its
// own, the wraps of its keys, the segments of its bucket lists and their packs.
// What the audit was told to read is read.
func (a *Audit) AuditPoints(whole context.Context, show PointsShow) error {
	ids := a.manifests(a.only)
	show.Begin(int64(len(ids)))
	reading, ctx := a.content.begin(whole, a, show.Bytes)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	budget := semaphore.NewWeighted(manifestBudget)
	for _, id := range ids {
		weight := int64(1)
		if i, ok := a.inv.find(manifestPath(id)); ok {
			weight = min(max(a.inv.sizes[i], 1), manifestBudget)
		}
		if err := budget.Acquire(ctx, weight); err != nil {
			break // Wait says why
		}
		group.Go(func() error {
			defer budget.Release(weight)
			defer show.Done(1)
			return a.auditPoint(ctx, id)
		})
	}
	failed := group.Wait()
	if err := reading.Wait(); err != nil {
		failed = err // the others have ended because of it
	}
	if failed = errors.Join(failed, whole.Err()); failed != nil {
		return failed
	}
	if err := a.missingWraps(whole); err != nil {
		return err
	}
	return a.attribute(whole)
}

// auditPoint looks at one manifest and what it leads to.
func (a *Audit) auditPoint(ctx context.Context, id string) error {
	path := manifestPath(id)
	signed, err := a.readSigned(ctx, path, startedTime, seal.RoleWriter)
	if err != nil || signed == nil {
		return err
	}
	m, err := a.repo.parseManifest(id, signed.data)
	if errors.Is(err, errFenced) {
		return a.fence(ctx, id)
	}
	p := &auditedPoint{link: chainLink{point: id}}
	a.addPoint(p)
	switch {
	case signed.untrusted != nil:
		return errors.Join(a.markNeeds(ctx, m), a.forged(ctx, path, signed, id, seal.RoleWriter))
	case fault.KindOf(err) == fault.Usage:
		a.cannotJudge(err)
		return nil
	case err != nil:
		a.found.add(Finding{Kind: Altered, File: path, Expected: "the manifest of point " + id, Got: reasonOf(err)}, id)
		return nil
	}
	p.judged, p.link = true, linkOf(m, seal.SumOf(signed.data).SHA256)
	w := &pointWalk{audit: a, point: p}
	if err := w.walk(ctx, m); err != nil {
		return fmt.Errorf("check point %s: %w", id, err)
	}
	return a.report(ctx, id, w.found)
}

func (a *Audit) addPoint(p *auditedPoint) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.points[p.link.point] = p
}

func (a *Audit) cannotJudge(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unread = append(a.unread, err)
}

// reasonOf is why a fault was made, without what was being done.
func reasonOf(err error) string {
	if e, ok := fault.Outermost(err); ok {
		return e.Reason()
	}
	return err.Error()
}

// markNeeds keeps what a manifest names that nobody trusted has signed from
// being taken for useless: it is not judged, and not to be deleted either.
func (a *Audit) markNeeds(ctx context.Context, m *Manifest) error {
	if m == nil {
		return nil
	}
	for _, f := range m.Files {
		a.inv.markPath(f.Path)
		if !isBucketList(f) {
			continue
		}
		content, damage, err := a.small(ctx, f)
		var list BucketList
		if err != nil || damage != nil || json.Unmarshal(content, &list) != nil {
			return err
		}
		if err := a.markSegments(ctx, list.Segments); err != nil {
			return err
		}
	}
	for _, key := range m.runKeys() {
		a.markKey(key)
	}
	return nil
}

// markSegments and markKey mark what is needed by something that is not judged.
func (a *Audit) markSegments(ctx context.Context, refs []SegmentRef) error {
	for _, ref := range refs {
		a.inv.markPath(segmentPath(ref.ID))
		a.markKey(ref.Key)
		packs, _, err := a.packsOf(ctx, File{Path: segmentPacksPath(ref.ID), Size: unknownSize, SHA256: ref.PacksSHA256})
		if err != nil {
			return err
		}
		for _, p := range packs {
			a.inv.markPath(packPath(p.ID))
			a.markKey(p.Key)
		}
	}
	return nil
}

func (a *Audit) markKey(key string) {
	from, to := a.inv.below(keysDir + key + "/")
	for i := from; i < to; i++ {
		a.inv.mark(i)
	}
}

// report notes what was found of a point, unless the point has been swept
// meanwhile: then its files may be gone.
func (a *Audit) report(ctx context.Context, point string, found []Finding) error {
	if len(found) == 0 {
		return nil
	}
	_, err := a.store.Stat(ctx, manifestPath(point))
	if errors.Is(err, storage.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, f := range found {
		a.found.add(f, point)
	}
	return nil
}

// pointWalk goes through the files of one point.
type pointWalk struct {
	audit *Audit
	point *auditedPoint
	found []Finding
}

func (w *pointWalk) walk(ctx context.Context, m *Manifest) error {
	for _, f := range m.Files {
		intact, err := w.file(ctx, f)
		if err != nil {
			return err
		}
		if intact && isBucketList(f) {
			if err := w.list(ctx, f); err != nil {
				return err
			}
		}
	}
	if err := w.keys(ctx, m); err != nil {
		return err
	}
	return w.surplus(m)
}

// keys looks at the wraps of the keys that the point needs. Of one whose keys were
// destroyed on purpose none is missing.
func (w *pointWalk) keys(ctx context.Context, m *Manifest) error {
	shredded, err := w.audit.shredded(ctx, m)
	if err != nil {
		return err
	}
	for _, key := range m.runKeys() {
		if shredded {
			w.audit.markKey(key)
			continue
		}
		g, err := w.audit.key(ctx, key)
		if err != nil {
			return err
		}
		w.point.groups = append(w.point.groups, g)
	}
	if !shredded {
		w.audit.owe(m)
	}
	return nil
}

// file looks at a file of the point's own.
func (w *pointWalk) file(ctx context.Context, f File) (intact bool, err error) {
	i, damage, err := w.audit.look(ctx, f)
	if err != nil || damage != nil {
		w.found = appendFound(w.found, damage)
		return false, err
	}
	id := w.point.link.point
	w.audit.content.want(i, f, func(ctx context.Context, d Finding) error { return w.audit.report(ctx, id, []Finding{d}) })
	return true, nil
}

// list follows a bucket list to the segments that it names.
func (w *pointWalk) list(ctx context.Context, f File) error {
	content, damage, err := w.audit.small(ctx, f)
	if err != nil || damage != nil {
		w.found = appendFound(w.found, damage)
		return err
	}
	var list BucketList
	if err := json.Unmarshal(content, &list); err != nil {
		w.found = append(w.found, Finding{Kind: Altered, File: f.Path, Expected: "a bucket list", Got: err.Error()})
		return nil
	}
	for _, ref := range list.Segments {
		g, err := w.audit.segment(ctx, ref)
		if err != nil {
			return err
		}
		w.point.groups = append(w.point.groups, g)
	}
	return nil
}

// surplus finds what stands in the point's directory and not in its manifest.
func (w *pointWalk) surplus(m *Manifest) error {
	inv := w.audit.inv
	from, to := inv.below(pointDir(m.Point))
	return inv.each(from, to, func(i int, path string) error {
		if inv.marked(i) || locate(path).place == placeManifest {
			return nil
		}
		inv.mark(i)
		w.found = append(w.found, Finding{Kind: Surplus, File: path, Expected: "a file that the manifest names", Got: bytesText(inv.sizes[i])})
		return nil
	})
}

func appendFound(found []Finding, damage *Finding) []Finding {
	if damage == nil {
		return found
	}
	return append(found, *damage)
}

// fence looks at what says that a run was given up. It carries its signature in
// itself.
func (a *Audit) fence(ctx context.Context, id string) error {
	a.mu.Lock()
	a.fenced[id] = true
	a.mu.Unlock()
	var f Fence
	path := manifestPath(id)
	_, err := a.plain(ctx, path, "a fence before run "+id+", "+signedBy(seal.RoleWriter, seal.RolePruner), &f, func() Damage {
		return f.judge(id, a.repo.record.Repository, a.options.Trust)
	})
	return err
}
