package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// reach marks in an inventory what points and unfinished runs need. It goes by
// plain files alone. Whose word it is does not matter here: what anybody names is
// kept. What cannot be read may name anything, and is noted in unknown.
type reach struct {
	store storage.Reader
	inv   *inventory
	known *Needs // or nil: what need not be read again

	mu       sync.Mutex
	segments map[string]bool
	keys     map[string]bool
	unknown  []string
	fenced   map[string]bool          // runs that were given up
	ends     map[streamName]time.Time // when the last point of each stream began
}

func newReach(store storage.Reader, inv *inventory, known *Needs) *reach {
	return &reach{store: store, inv: inv, known: known, segments: map[string]bool{}, keys: map[string]bool{}, fenced: map[string]bool{}, ends: map[streamName]time.Time{}}
}

// points marks what some points need, many at once.
func (r *reach) points(ctx context.Context, ids []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	for _, id := range ids {
		group.Go(func() error { return r.point(ctx, id) })
	}
	return group.Wait()
}

// point marks what a point needs besides the files in its own directory. A fence
// needs nothing, and neither does a point that is not there.
func (r *reach) point(ctx context.Context, id string) error {
	n, err := r.need(ctx, id)
	if err != nil || n == nil {
		return err
	}
	if r.note(id, n); n.fenced {
		return nil
	}
	for _, path := range n.others {
		r.inv.markPath(path)
	}
	for _, key := range n.keys {
		r.key(key)
	}
	for _, ref := range n.lists {
		var list BucketList
		parse := func(data []byte) error { return json.Unmarshal(data, &list) }
		if ok, err := r.verified(ctx, ref.path, ref.sha256, parse); err != nil {
			return err
		} else if ok {
			if err := r.refs(ctx, list.Segments); err != nil {
				return err
			}
		}
	}
	return nil
}

// need reads what a point needs, unless that is known. It is nil where nothing is
// there, or nothing that can be read.
func (r *reach) need(ctx context.Context, id string) (*need, error) {
	if n := r.known.get(id); n != nil {
		return n, nil
	}
	data, err := storage.Get(ctx, r.store, manifestPath(id), maxPlain)
	if errors.Is(err, storage.ErrNotExist) {
		return nil, nil // "nothing is needed" is an answer
	}
	var m Manifest
	parse := func(data []byte) error { return unmarshalManifest(data, &m) }
	if ok, err := r.read(manifestPath(id), data, err, parse); !ok {
		return nil, err
	}
	return needOf(id, &m), nil
}

// note keeps what a manifest says of runs.
func (r *reach) note(id string, n *need) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n.fenced {
		r.fenced[id] = true
		return
	}
	if n.started.After(r.ends[n.stream]) {
		r.ends[n.stream] = n.started
	}
}

// refs marks segments, their packs and the keys of both.
func (r *reach) refs(ctx context.Context, refs []SegmentRef) error {
	for _, ref := range refs {
		r.key(ref.Key)
		if !r.first(ref) {
			continue
		}
		r.inv.markPath(segmentPath(ref.ID))
		r.inv.markPath(segmentPacksPath(ref.ID))
		var packs SegmentPacks
		parse := func(data []byte) error { return unmarshalPacks(data, &packs) }
		if ok, err := r.verified(ctx, segmentPacksPath(ref.ID), ref.PacksSHA256, parse); !ok {
			if err != nil {
				return err
			}
			continue
		}
		for _, p := range packs.Packs {
			r.inv.markPath(packPath(p.ID))
			r.key(p.Key)
		}
	}
	return nil
}

// first reports whether a segment is named for the first time.
func (r *reach) first(ref SegmentRef) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := ref.ID + " " + ref.PacksSHA256
	named := r.segments[name]
	r.segments[name] = true
	return !named
}

// firstKey reports whether a key is named for the first time.
func (r *reach) firstKey(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	named := r.keys[key]
	r.keys[key] = true
	return !named
}

func (r *reach) key(key string) {
	if !isKey(key) || !r.firstKey(key) {
		return
	}
	from, to := r.inv.below(keysDir + key + "/")
	for i := from; i < to; i++ {
		r.inv.mark(i)
	}
}

// verified reads a plain file that is named with its SHA-256.
func (r *reach) verified(ctx context.Context, path, sha256 string, parse func([]byte) error) (bool, error) {
	data, err := storage.Get(ctx, r.store, path, maxPlain)
	if err == nil && seal.SumOf(data).SHA256 != sha256 {
		err = storage.ErrChecksum
	}
	return r.read(path, data, err, parse)
}

// read parses what was read. What is not there, or not what it must be, is noted:
// nobody knows what it needed.
func (r *reach) read(path string, data []byte, err error, parse func([]byte) error) (bool, error) {
	damaged := errors.Is(err, storage.ErrNotExist) || errors.Is(err, storage.ErrChecksum)
	switch {
	case err != nil && !damaged:
		return false, fmt.Errorf("read %s: %w", path, err)
	case damaged || parse(data) != nil:
		r.mu.Lock()
		defer r.mu.Unlock()
		r.unknown = append(r.unknown, path)
		return false, nil
	}
	return true, nil
}

// certain fails where something is left whose needs are not known.
func (r *reach) certain() error {
	if len(r.unknown) == 0 {
		return nil
	}
	slices.Sort(r.unknown)
	return fault.New(fault.Refused, "sweep", "%d files are damaged or gone that say what points need, and so nothing is known to be useless: %s",
		len(r.unknown), strings.Join(r.unknown[:min(len(r.unknown), mostNamed)], ", ")).On(r.store.URL()).
		Hint("openim-dr check says which points they belong to; bring the files back from a copy, or forget these points")
}
