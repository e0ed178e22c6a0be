package bucket

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// older is an older version as the point holds it.
type older struct {
	version
	entry repository.IndexEntry // under its made-up key
}

// olderBatch is the older versions of some objects, from the newest to the
// oldest, without what is newer than the state that was captured.
type olderBatch struct {
	keys     []string
	versions map[string][]older
	current  map[string]repository.IndexEntry
	packs    map[string]repository.PackRef
	count    int
}

func newOlderBatch() *olderBatch {
	return &olderBatch{versions: map[string][]older{}, current: map[string]repository.IndexEntry{}, packs: map[string]repository.PackRef{}}
}

// planOlder finds out what the point holds of a bucket's older versions, and
// whether the target can take them: one after the other they make a history, so
// that none may be there.
func (s *Source) planOlder(ctx context.Context, from *repository.SourceReader, result *source.Plan, p *planned) (err error) {
	doing := "plan restore of " + from.Name()
	if p.older, err = from.BucketList(ctx, olderOf(p.list.Bucket)); err != nil {
		return fmt.Errorf("read list of older versions in bucket %s: %w", p.list.Bucket, err)
	}
	if p.older == nil {
		return fault.New(fault.Usage, doing, "the point holds no older versions of bucket %s", p.list.Bucket).
			Hint("they are captured where the source says versions: all; without --versions the current state is restored")
	}
	if !p.create {
		began := time.Now()
		page, err := (&versionListing{source: s, bucket: p.target, prefix: p.pick.common, current: true}).next(ctx)
		if err != nil && !errors.Is(err, errNoVersions) {
			return s.explain(ctx, "list versions in bucket "+p.target, err, began)
		}
		if len(page) > 0 || err != nil && p.occupied {
			return fault.New(fault.Usage, doing, "bucket %s holds objects, and versions can be restored only where there is none", p.target).
				Hint("restore into a new bucket: --rename %s=NEW", p.list.Bucket)
		}
	}
	step := source.Step{Action: "upload older versions", Target: s.target(p.target)}
	err = p.eachOlder(ctx, from, func(b *olderBatch) error {
		for _, versions := range b.versions {
			for _, o := range versions {
				step.Objects++
				step.Bytes += o.entry.Size
			}
		}
		return nil
	})
	result.Steps = slices.Insert(result.Steps, len(result.Steps)-1, step) // the objects come last
	return err
}

// eachOlder calls fn for the older versions of all wanted objects, some objects
// at a time.
func (p *planned) eachOlder(ctx context.Context, from *repository.SourceReader, fn func(*olderBatch) error) error {
	batch := newOlderBatch()
	flush := func() error {
		if err := p.addCurrent(ctx, from, batch); err != nil {
			return err
		}
		full := batch
		batch = newOlderBatch()
		return fn(full)
	}
	for _, ref := range p.older.Segments {
		needed, err := from.SegmentPacks(ctx, ref)
		if err != nil {
			return fmt.Errorf("read packs of index segment %s: %w", ref.ID, err)
		}
		packs := make(map[string]repository.PackRef, len(needed))
		for _, pack := range needed {
			packs[pack.ID] = pack.PackRef
		}
		err = eachEntry(ctx, from.IndexReader, ref, func(e repository.IndexEntry) error {
			v, err := parseVersion(e.Key)
			if err != nil {
				return fault.New(fault.Corrupt, "read index of bucket "+p.list.Bucket, "%w", err)
			}
			if !p.pick.wants(v.key) {
				return nil
			}
			if batch.versions[v.key] == nil {
				if batch.count >= batchEntries {
					if err := flush(); err != nil {
						return err
					}
				}
				batch.keys = append(batch.keys, v.key)
			}
			batch.versions[v.key] = append(batch.versions[v.key], older{v, e})
			batch.count++
			if e.Pack != "" {
				pack, ok := packs[e.Pack]
				if !ok {
					return corrupt(e, "its segment of the index does not list its pack")
				}
				batch.packs[e.Pack] = pack
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read index of older versions in bucket %s: %w", p.list.Bucket, err)
		}
	}
	return flush()
}

// addCurrent adds the states that were captured, and leaves out of the versions
// what is not older: an object may have been written again between the two
// listings.
func (p *planned) addCurrent(ctx context.Context, from *repository.SourceReader, b *olderBatch) error {
	if len(b.keys) == 0 {
		return nil
	}
	err := p.each(ctx, from, func(e repository.IndexEntry) error {
		if b.versions[e.Key] != nil {
			b.current[e.Key] = e
		}
		return nil
	})
	for key, current := range b.current {
		versions := b.versions[key]
		same := slices.IndexFunc(versions, func(o older) bool {
			return unchanged(o.entry, listed{"", current.Size, current.ETag, current.Modified})
		})
		first := slices.IndexFunc(versions, func(o older) bool { return o.modified <= current.Modified.Unix() })
		switch {
		case same >= 0:
			b.versions[key] = versions[same+1:]
		case first >= 0:
			b.versions[key] = versions[first:]
		default:
			b.versions[key] = nil
		}
	}
	return err
}

// setVersioning switches the versions of a bucket on or off.
func (s *Source) setVersioning(ctx context.Context, bucket string, status types.BucketVersioningStatus) error {
	began := time.Now()
	err := s.call(ctx, func(ctx context.Context) error {
		_, err := s.api().PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
			Bucket: aws.String(bucket), VersioningConfiguration: &types.VersioningConfiguration{Status: status},
		})
		return err
	})
	if err != nil && isRefused(err) {
		return fault.New(fault.Usage, "have bucket "+bucket+" keep versions", "the server refuses it (%s)", codeOf(err)).On("at " + s.settings.Endpoint).
			Hint("restore without --versions, or into a server that keeps versions")
	}
	return s.explain(ctx, "have bucket "+bucket+" keep versions", err, began)
}

// restoreOlder uploads the older versions, those of each object from the oldest
// to the newest.
func (r *restorer) restoreOlder(ctx context.Context) error {
	if err := r.source.setVersioning(ctx, r.plan.target, types.BucketVersioningStatusEnabled); err != nil {
		return err
	}
	return r.plan.eachOlder(ctx, r.from, func(b *olderBatch) error {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(r.source.options.Workers)
		for _, key := range b.keys {
			group.Go(func() error {
				for _, o := range slices.Backward(b.versions[key]) {
					if err := r.uploadOlder(ctx, o, b.packs[o.entry.Pack]); err != nil && !errors.Is(err, errRefused) {
						return err
					}
				}
				return nil
			})
		}
		return group.Wait()
	})
}

func (r *restorer) uploadOlder(ctx context.Context, o older, pack repository.PackRef) error {
	began := time.Now()
	if o.deleted {
		if err := r.uploader.fence.pass(ctx); err != nil {
			return err
		}
		err := r.source.call(ctx, func(ctx context.Context) error {
			_, err := r.source.api().DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(r.plan.target), Key: aws.String(o.key)})
			return err
		})
		return r.source.explain(ctx, fmt.Sprintf("delete object %q of bucket %s", o.key, r.plan.target), err, began)
	}
	e := o.entry
	e.Key = o.key
	if e.Pack == "" && e.Size == 0 {
		return r.uploader.put(ctx, e, []byte{})
	}
	return r.uploadFrom(ctx, job{entry: e, pack: pack, member: o.entry.Key})
}

// endOlder leaves the bucket's versions as the captured one has them.
func (r *restorer) endOlder(ctx context.Context) error {
	want, err := readProperties(ctx, r.from, r.plan.list.Bucket, r.plan.target)
	if err != nil || want.Versioning == "" || want.Versioning == types.BucketVersioningStatusEnabled {
		return err
	}
	return r.source.setVersioning(ctx, r.plan.target, want.Versioning)
}

// compareOlder holds the history of every object against the point's.
func (c *comparer) compareOlder(ctx context.Context) error {
	return c.plan.eachOlder(ctx, c.from, func(b *olderBatch) error {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(c.source.options.Workers)
		for _, key := range b.keys {
			group.Go(func() error {
				_, isCurrent := b.current[key]
				return c.compareHistory(ctx, key, b.versions[key], isCurrent)
			})
		}
		return group.Wait()
	})
}

func (c *comparer) compareHistory(ctx context.Context, key string, want []older, isCurrent bool) error {
	got, err := c.history(ctx, key)
	if err != nil {
		return err
	}
	if isCurrent && len(got) > 0 && !got[0].deleted {
		got = got[1:] // which is compared as an object
	}
	if w, g := describeHistory(want), describeHistory(got); w != g {
		c.differ(key, "older versions", w, g)
		return nil
	}
	for i, o := range want {
		if o.deleted {
			continue
		}
		e := o.entry
		e.Key = key
		read, err := c.readVersion(ctx, e, aws.String(got[i].id))
		if err != nil {
			return err
		}
		if read != nil {
			c.compare(e, *read)
		}
	}
	return nil
}

// history lists the versions of one object at the target, from the newest to the
// oldest.
func (c *comparer) history(ctx context.Context, key string) ([]older, error) {
	var found []older
	listing := &versionListing{source: c.source, bucket: c.plan.target, prefix: key, current: true}
	for {
		began := time.Now()
		page, err := listing.next(ctx)
		if err != nil {
			return nil, c.source.explain(ctx, "list versions in bucket "+c.plan.target, err, began)
		}
		for _, l := range page {
			v, err := parseVersion(l.Key)
			if err != nil {
				return nil, err
			}
			if v.key != key { // it begins with it
				return found, nil
			}
			found = append(found, older{v, repository.IndexEntry{Size: l.Size}})
		}
		if page == nil {
			return found, nil
		}
	}
}

// describeHistory is how long versions are, and where something was deleted.
func describeHistory(versions []older) string {
	text := fmt.Sprint(len(versions))
	for _, v := range versions {
		if v.deleted {
			text += " -"
		} else {
			text += fmt.Sprint(" ", v.entry.Size)
		}
	}
	return text
}
