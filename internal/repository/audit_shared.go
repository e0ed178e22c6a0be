package repository

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// group is what several points may need alike, and which is looked at once: a
// run key with its wraps, or a segment with its packs.
type group struct {
	files []int     // what of it is there, in the inventory
	bad   []Finding // what is wrong, as far as was seen without reading
}

// groupOf returns a group, and whether the caller is the first to ask for it and
// has to look at it.
func (a *Audit) groupOf(name string) (g *group, first bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	g, known := a.groups[name]
	if !known {
		g = new(group)
		a.groups[name] = g
	}
	return g, !known
}

// look holds the listing against what a file must be. What the listing has not
// had is looked for once more: it may have been made since. The number is
// negative where the file is not in the inventory.
func (a *Audit) look(ctx context.Context, f File) (int, *Finding, error) {
	if i, ok := a.inv.find(f.Path); ok {
		a.inv.mark(i)
		var sum *uint32
		if a.inv.checked {
			sum = &a.inv.checksums[i]
		}
		if found, damaged := compareListed(f, a.inv.sizes[i], sum); damaged {
			return i, &found, nil
		}
		return i, nil, nil
	}
	info, err := a.store.Stat(ctx, f.Path)
	if errors.Is(err, storage.ErrNotExist) {
		return -1, &Finding{Kind: Missing, File: f.Path, Expected: describe(f), Got: noSuchFile}, nil
	}
	if err != nil {
		return -1, nil, err
	}
	if found, damaged := compareListed(f, info.Size, info.CRC32C); damaged {
		return -1, &found, nil
	}
	return -1, nil, nil
}

// small reads a small plain file and holds it against its SHA-256. What is not
// right is read once more: it may have changed on its way.
func (a *Audit) small(ctx context.Context, f File) (content []byte, damage *Finding, err error) {
	for range 2 {
		content, err = storage.Get(ctx, a.store, f.Path, maxPlain)
		switch found, damaged := compareContent(f, content); {
		case errors.Is(err, storage.ErrNotExist):
			return nil, &Finding{Kind: Missing, File: f.Path, Expected: describe(f), Got: noSuchFile}, nil
		case errors.Is(err, storage.ErrChecksum):
			damage = &Finding{Kind: Altered, File: f.Path, Expected: describe(f), Got: "bytes that do not fit their checksum"}
		case err != nil:
			return nil, nil, err
		case !damaged:
			return content, nil, nil
		default:
			damage = &found
		}
	}
	return nil, damage, nil
}

// segment looks at a segment, at its list of packs and at those.
func (a *Audit) segment(ctx context.Context, ref SegmentRef) (*group, error) {
	g, first := a.groupOf("segment " + ref.ID + " " + ref.SHA256 + " " + ref.PacksSHA256)
	if !first {
		return g, nil
	}
	sealed := File{Path: segmentPath(ref.ID), Size: ref.Size, CRC32C: ref.CRC32C, SHA256: ref.SHA256}
	if err := a.shared(ctx, g, sealed); err != nil {
		return g, err
	}
	list := File{Path: segmentPacksPath(ref.ID), Size: unknownSize, SHA256: ref.PacksSHA256}
	packs, damage, err := a.packsOf(ctx, list)
	if err != nil || damage != nil {
		g.bad = appendFound(g.bad, damage)
		return g, err
	}
	for _, p := range packs {
		if err := a.shared(ctx, g, PackFile(p.PackRef)); err != nil {
			return g, err
		}
	}
	return g, nil
}

// packsOf reads the list of packs of a segment.
func (a *Audit) packsOf(ctx context.Context, f File) ([]SegmentPack, *Finding, error) {
	a.inv.markPath(f.Path)
	content, damage, err := a.small(ctx, f)
	if err != nil || damage != nil {
		return nil, damage, err
	}
	var list SegmentPacks
	if err := json.Unmarshal(content, &list); err != nil {
		return nil, &Finding{Kind: Altered, File: f.Path, Expected: "a list of packs", Got: err.Error()}, nil
	}
	return list.Packs, nil, nil
}

// shared looks at one file of a group.
func (a *Audit) shared(ctx context.Context, g *group, f File) error {
	i, damage, err := a.look(ctx, f)
	if err != nil || damage != nil {
		g.bad = appendFound(g.bad, damage)
		return err
	}
	if i < 0 {
		return nil // younger than the listing: a later audit reads it
	}
	g.files = append(g.files, i)
	a.content.want(i, f, func(_ context.Context, d Finding) error {
		a.content.spoilt(i, d)
		return nil
	})
	return nil
}

// key looks at the wraps of a run key that are there, one at least. Whom it must
// be wrapped for is known when every manifest has been read; whether a wrap opens
// is for who holds the identity.
func (a *Audit) key(ctx context.Context, key string) (*group, error) {
	g, first := a.groupOf("key " + key)
	if !first {
		return g, nil
	}
	dir := keysDir + key + "/"
	from, to := a.inv.below(dir)
	err := a.inv.each(from, to, func(i int, path string) error {
		if locate(path).place != placeWrap {
			return nil
		}
		a.inv.mark(i)
		g.files = append(g.files, i)
		damages, err := a.wrap(ctx, path, seal.WrapSizes())
		g.bad = append(g.bad, damages...)
		return err
	})
	if err != nil || len(g.files) > 0 {
		return g, err
	}
	now, err := wraps(ctx, a.store, key) // it may be younger than the listing
	if err == nil && len(now) == 0 {
		g.bad = append(g.bad, Finding{Kind: Missing, File: dir, Expected: "a wrap of the key", Got: noSuchFile})
	}
	return g, err
}

// owe notes who must have a wrap of the keys that a point needs.
func (a *Audit) owe(m *Manifest) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.owed.judge(m, a.left)
}

// missingWraps looks for the wraps that operators must have. Of a key that has
// none at all that is known.
func (a *Audit) missingWraps(ctx context.Context) error {
	tasks, ctx := errgroup.WithContext(ctx)
	tasks.SetLimit(parallelReads)
	for key, holders := range a.owed {
		g, _ := a.groupOf("key " + key)
		if slices.ContainsFunc(g.bad, func(f Finding) bool { return f.Kind == Missing }) {
			continue
		}
		tasks.Go(func() error {
			for holder := range holders {
				missing, err := a.missingWrap(ctx, wrapPath(key, holder))
				if err != nil {
					return err
				}
				g.bad = appendFound(g.bad, missing)
			}
			return nil
		})
	}
	return tasks.Wait()
}

// missingWrap says that a wrap is not there, unless it is younger than the
// listing.
func (a *Audit) missingWrap(ctx context.Context, path string) (*Finding, error) {
	if a.inv.has(path) {
		return nil, nil // nothing is wrong
	}
	_, err := a.store.Stat(ctx, path)
	if errors.Is(err, storage.ErrNotExist) {
		return &Finding{Kind: Missing, File: path, Expected: "the key, wrapped for an operator", Got: noSuchFile}, nil
	}
	return nil, err
}

// wrap looks at the size of a wrap, which follows from what is in it, and, where
// it is to be read, at its form.
func (a *Audit) wrap(ctx context.Context, path string, sizes seal.Sizes) ([]Finding, error) {
	i, ok := a.inv.find(path)
	if !ok {
		return nil, nil
	}
	if size := a.inv.sizes[i]; !sizes.Has(size) {
		kind := Altered
		if size < sizes.Smallest() {
			kind = Truncated
		}
		return []Finding{{Kind: kind, File: path, Expected: sizes.String(), Got: bytesText(size)}}, nil
	}
	if a.options.Read == nil || !a.options.Read(path) {
		return nil, nil
	}
	reason, err := a.wrapForm(ctx, path)
	if err != nil || reason == nil {
		return nil, err
	}
	return []Finding{{Kind: Altered, File: path, Expected: "an age file for one recipient", Got: reason.Error()}}, nil
}

// wrapForm reads a wrap, a second time where its form is not right, and says why
// it is not.
func (a *Audit) wrapForm(ctx context.Context, path string) (reason, err error) {
	for range 2 {
		content, err := storage.Get(ctx, a.store, path, 1<<20)
		switch {
		case errors.Is(err, storage.ErrNotExist):
			return nil, nil // removed meanwhile, as a pruner may
		case errors.Is(err, storage.ErrChecksum):
			reason = err
		case err != nil:
			return nil, err
		default:
			if reason = seal.CheckWrap(content); reason == nil {
				a.content.count(int64(len(content)))
				return nil, nil
			}
		}
	}
	return reason, nil
}

// attribute adds what is wrong with shared files to every point that needs them.
func (a *Audit) attribute(ctx context.Context) error {
	tasks, ctx := errgroup.WithContext(ctx)
	tasks.SetLimit(parallelReads)
	for id, p := range a.points {
		var found []Finding
		for _, g := range p.groups {
			found = append(found, g.bad...)
			for _, i := range g.files {
				found = append(found, a.content.bad[i]...)
			}
		}
		tasks.Go(func() error { return a.report(ctx, id, unique(found)) })
	}
	return tasks.Wait()
}

// unique removes findings that two groups of one point have led to.
func unique(found []Finding) []Finding {
	seen := map[findingKey]bool{}
	var kept []Finding
	for _, f := range found {
		key := findingKey{f.Kind, f.File, f.Expected}
		if !seen[key] {
			seen[key] = true
			kept = append(kept, f)
		}
	}
	return kept
}
