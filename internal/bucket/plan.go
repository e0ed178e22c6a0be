package bucket

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// planned is what a restore does with one bucket.
type planned struct {
	list     *repository.BucketList
	older    *repository.BucketList // nil where older versions are not wanted
	target   string                 // name of the bucket at the target
	pick     picker
	objects  int64
	bytes    int64
	create   bool // the target's bucket is missing
	occupied bool // it holds objects among those that are wanted

	missingOnly, deleteSurplus bool // as in source.Selection
	fresh                      bool // all that is there has come since the restore began
	attempt                    source.Attempt
	damage                     *source.Damage
	witness                    source.Witness // nil: nobody looks on
}

// plan is what Restore and Compare find in Plan.Private.
type plan struct {
	buckets []*planned
}

// Plan looks at the point and at the target and changes neither.
func (s *Source) Plan(ctx context.Context, from *repository.SourceReader, want source.Selection) (*source.Plan, error) {
	var record Captured
	if err := from.Captured(&record); err != nil {
		return nil, err
	}
	if err := checkObjects(from, record.Buckets, want.Objects); err != nil {
		return nil, err
	}
	result, private := &source.Plan{}, &plan{}
	targets := map[string]string{}
	for _, b := range record.Buckets {
		pick, wanted := newPicker(want, b.Bucket)
		if !wanted {
			continue
		}
		p, err := s.planBucket(ctx, from, b.Bucket, pick, want)
		if want.Damage.Tolerates(err) {
			want.Damage.Add(source.Lost{Object: b.Bucket, What: "all of " + quantity.Count(b.Objects, "object", "objects"), Why: err.Error(), Include: b.Bucket})
			continue
		}
		if err != nil {
			return nil, err
		}
		if other, taken := targets[p.target]; taken {
			return nil, fault.New(fault.Usage, "plan restore of "+from.Name(), "buckets %s and %s would both become %s", other, b.Bucket, p.target).
				Hint("choose another name with --rename")
		}
		targets[p.target] = b.Bucket
		private.buckets = append(private.buckets, p)
		if err := s.describe(ctx, result, p, want.Attempt); err != nil {
			return nil, err
		}
		if want.Versions {
			if err := s.planOlder(ctx, from, result, p); err != nil {
				return nil, err
			}
		}
	}
	if len(private.buckets) == 0 && len(want.Damage.Lost()) == 0 {
		return nil, fault.New(fault.Usage, "plan restore of "+from.Name(), "the point holds no bucket that is wanted; it holds %s", names(record.Buckets)).
			Hint("patterns are SOURCE/BUCKET/PREFIX")
	}
	if private.isNothing(want) {
		return nil, fault.New(fault.Usage, "plan restore of "+from.Name(), "the point holds no object that the selection chooses").
			Hint("patterns are SOURCE/BUCKET/PREFIX, and a prefix is spelled as it is stored, with its upper and lower case; the point holds of %s", names(record.Buckets))
	}
	result.Private = private
	return result, nil
}

// isNothing reports whether some objects were asked for by name, and there are
// none: nobody does so to restore nothing. A sample may draw none, and of a prefix
// that is to be emptied the point holds none.
func (p *plan) isNothing(want source.Selection) bool {
	for _, b := range p.buckets {
		if b.objects > 0 || b.pick.whole() {
			return false
		}
	}
	return len(want.Include) > 0 && want.Sample == nil && !want.DeleteSurplus && len(want.Damage.Lost()) == 0
}

// checkObjects refuses a list that names a bucket which the point does not hold.
func checkObjects(from *repository.SourceReader, buckets []Bucket, objects []string) error {
	for _, object := range objects {
		name, _, _ := strings.Cut(object, "/")
		if !slices.ContainsFunc(buckets, func(b Bucket) bool { return b.Bucket == name }) {
			return fault.New(fault.Usage, "plan restore of "+from.Name(), "the point holds no bucket %s, of which object %q is listed; it holds %s", name, object, names(buckets))
		}
	}
	return nil
}

func names(buckets []Bucket) string {
	var all []string
	for _, b := range buckets {
		all = append(all, b.Bucket)
	}
	return strings.Join(all, ", ")
}

// planBucket finds out what the point holds of a bucket.
func (s *Source) planBucket(ctx context.Context, from *repository.SourceReader, bucket string, pick picker, want source.Selection) (*planned, error) {
	list, err := from.BucketList(ctx, bucket)
	if err != nil {
		return nil, fmt.Errorf("read list of bucket %s: %w", bucket, err)
	}
	if list == nil {
		return nil, fault.New(fault.Corrupt, "plan restore of "+from.Name(), "the point says that it holds bucket %s, but has no list of it", bucket)
	}
	p := &planned{list: list, target: bucket, pick: pick, objects: list.Objects, bytes: list.Bytes, missingOnly: want.MissingOnly, deleteSurplus: want.DeleteSurplus, damage: want.Damage, attempt: want.Attempt, witness: want.Witness}
	if name, ok := want.Rename[bucket]; ok {
		p.target = name
	}
	if pick.whole() {
		return p, nil
	}
	p.objects, p.bytes = 0, 0
	found := map[string]bool{}
	err = p.each(ctx, from, func(e repository.IndexEntry) error {
		p.objects++
		p.bytes += e.Size
		if pick.listed[e.Key] {
			found[e.Key] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if lacks := pick.lacking(found); len(lacks) > 0 {
		return nil, fault.New(fault.Usage, "plan restore of "+from.Name(), "the point lacks %d of %d objects that are listed of bucket %s, %q among them",
			len(lacks), len(pick.listed), bucket, lacks[0]).
			Hint("keys are given as they are, without escapes; another point may hold them")
	}
	return p, nil
}

// each calls fn for all wanted entries of the point.
func (p *planned) each(ctx context.Context, from *repository.SourceReader, fn func(repository.IndexEntry) error) error {
	for _, ref := range p.list.Segments {
		err := eachEntry(ctx, from.IndexReader, ref, func(e repository.IndexEntry) error {
			if !p.pick.wants(e.Key) {
				return nil
			}
			return fn(e)
		})
		if p.lacks(ref, err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read index of bucket %s: %w", p.list.Bucket, err)
		}
	}
	return nil
}

// lacks reports whether a segment of the index is damaged, and the restore goes
// on without it.
func (p *planned) lacks(ref repository.SegmentRef, err error) bool {
	if !p.damage.Tolerates(err) {
		return false
	}
	p.damage.Add(source.Lost{
		Object: p.list.Bucket, What: fmt.Sprintf("up to %s, which segment %s of the index names", quantity.Count(ref.Entries, "object", "objects"), ref.ID),
		Why: err.Error(), Include: p.list.Bucket,
	})
	return true
}

// describe looks at the target and adds the bucket's steps.
func (s *Source) describe(ctx context.Context, result *source.Plan, p *planned, attempt source.Attempt) error {
	holds, err := s.look(ctx, p)
	if err != nil {
		return err
	}
	target := s.target(p.target)
	if p.create {
		result.Steps = append(result.Steps, source.Step{Action: "create bucket", Target: target})
	}
	action := "upload objects"
	switch {
	case p.occupied && p.missingOnly:
		action = "upload objects that are missing"
		result.Warnings = append(result.Warnings, fmt.Sprintf("%s holds %s: they stay as they are", target, holds))
	case p.occupied && attempt.HasBegun(target):
		action = "go on uploading objects"
		// What the first process has found empty is none to delete from, and what
		// has come into it since is a difference.
		p.fresh = !slices.Contains(attempt.Agreed, target)
		p.deleteSurplus = p.deleteSurplus && !p.fresh
	case p.occupied:
		action = "upload objects that are missing or differ"
		result.Occupied = append(result.Occupied, source.Occupied{Target: target, Parts: []string{p.target}, Holds: holds})
	}
	if p.occupied && !p.missingOnly && p.deleteSurplus {
		result.Steps = append(result.Steps, source.Step{Action: "delete objects that the point does not hold", Target: target})
	}
	result.Steps = append(result.Steps, source.Step{Action: action, Target: target, Objects: p.objects, Bytes: p.bytes})
	return nil
}

// look says what the target's bucket holds, from the first page of its listing.
func (s *Source) look(ctx context.Context, p *planned) (holds string, err error) {
	began := time.Now()
	page, err := s.list(p.target, p.pick.common).next(ctx)
	if isNoBucket(err) {
		p.create = true
		return "", nil
	}
	if err != nil {
		return "", s.explain(ctx, "look at bucket "+p.target, err, began)
	}
	count, bytes := 0, int64(0)
	for _, l := range page {
		count++
		bytes += l.Size
	}
	p.occupied = count > 0
	if count >= pageSize {
		return fmt.Sprintf("at least %d objects (%s)", count, size(bytes)), nil
	}
	return fmt.Sprintf("%s (%s)", quantity.Count(count, "object", "objects"), size(bytes)), nil
}
