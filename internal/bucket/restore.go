package bucket

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

const (
	// batchEntries is how many entries of the index are sorted by pack at
	// once, so that packs are read once and in order.
	batchEntries = 24 << 10
	// packReaders is how many packs are read at once.
	packReaders = 2
	// sparse is the share of a pack below which objects are read one by one, and
	// requestCost how many bytes of a pack may as well be read as one request be
	// sent: a few old objects are not worth a whole pack.
	sparse      = 0.25
	requestCost = 1 << 20
)

// Restore carries a plan out: buckets are created, objects that an overwritten
// bucket holds beyond the point are deleted where that is wanted, and everything
// is uploaded that is not there.
//
// Deleting comes first: where an object stands in the way of a "directory" of
// the point, or the other way round, SeaweedFS refuses the upload.
func (s *Source) Restore(ctx context.Context, from *repository.SourceReader, todo *source.Plan, show progress.Reporter) (repository.Summary, error) {
	sum := repository.Summary{}
	private, ok := todo.Private.(*plan)
	if !ok {
		return sum, errors.New("restore buckets: the plan is not of this source")
	}
	for _, p := range private.buckets {
		fence := newFence(p.attempt, s.now)
		if err := s.prepare(ctx, from, p, fence); err != nil {
			return sum, err
		}
		task := show.Task(s.name+"/"+p.target, progress.Bytes, p.bytes)
		half := s.options.Memory / 2
		r := &restorer{
			source: s, from: from, plan: p, task: task, budget: semaphore.NewWeighted(half),
			uploader: newUploader(s, p.target, fence, half, p.bytes),
		}
		err := r.all(ctx)
		task.Done()
		sum.Objects += r.objects.Load()
		sum.Bytes += r.bytes.Load()
		if err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// prepare makes the target ready for the upload.
func (s *Source) prepare(ctx context.Context, from *repository.SourceReader, p *planned, fence *fence) error {
	if err := s.requireEmpty(ctx, p); err != nil {
		return err
	}
	if p.create {
		began := time.Now()
		err := s.call(ctx, func(ctx context.Context) error {
			_, err := s.api().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(p.target)})
			return err
		})
		if err != nil {
			return s.explain(ctx, "create bucket "+p.target, err, began)
		}
	}
	if err := p.attempt.Begin(ctx, s.target(p.target)); err != nil || p.missingOnly && p.occupied {
		return err
	}
	if err := s.setProperties(ctx, from, p); err != nil || !p.occupied || !p.deleteSurplus {
		return err
	}
	return s.surplus(ctx, from, p, func(page []listed) error {
		if len(p.damage.Lost()) > 0 {
			return nil // some of these may be what the damaged part of the index names
		}
		if err := fence.pass(ctx); err != nil {
			return err
		}
		return s.remove(ctx, p.target, page)
	})
}

// requireEmpty is for a bucket that held nothing when the restore was planned:
// nobody has agreed to the loss of what has come since (invariant 5).
func (s *Source) requireEmpty(ctx context.Context, p *planned) error {
	if err := p.attempt.Hold(ctx); err != nil || p.occupied || p.missingOnly {
		return err
	}
	p.create = false
	holds, err := s.look(ctx, p)
	if err != nil || !p.occupied {
		return err
	}
	return fault.New(fault.Refused, "restore into", "it was empty when the restore was planned, and now holds %s", holds).
		On(s.target(p.target)).Hint("plan the restore again")
}

// restorer brings one bucket back. It is safe for concurrent use.
type restorer struct {
	source         *Source
	from           *repository.SourceReader
	plan           *planned
	uploader       *uploader
	budget         *semaphore.Weighted // of what was read and is not uploaded yet
	task           progress.Task
	objects, bytes atomic.Int64 // that are there now, uploaded or not
}

// job is an object to be uploaded: its verified content, or where it is read.
type job struct {
	entry   repository.IndexEntry
	content []byte
	release func()
	pack    repository.PackRef // of an object that is streamed
	member  string             // its key in the pack
}

// packJob is a pack with the entries that are wanted of it.
type packJob struct {
	ref     repository.PackRef
	entries []repository.IndexEntry
}

// all brings the older versions back where they are wanted, and then the objects.
func (r *restorer) all(ctx context.Context) error {
	if r.plan.older == nil || r.plan.older.Objects == 0 {
		return r.run(ctx)
	}
	if err := r.restoreOlder(ctx); err != nil {
		return err
	}
	if err := r.run(ctx); err != nil {
		return err
	}
	return r.endOlder(ctx)
}

func (r *restorer) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	jobs := make(chan job)
	packs := make(chan packJob)
	readers, readCtx := errgroup.WithContext(ctx)
	readers.Go(func() error {
		defer close(packs)
		return r.schedule(readCtx, packs, jobs)
	})
	for range packReaders {
		readers.Go(func() error { return r.readPacks(readCtx, packs, jobs) })
	}
	group.Go(func() error {
		defer close(jobs)
		return readers.Wait()
	})
	for range r.source.options.Workers {
		group.Go(func() error { return r.upload(ctx, jobs) })
	}
	return group.Wait()
}

// schedule goes through the index in batches and hands out the packs.
func (r *restorer) schedule(ctx context.Context, packs chan<- packJob, jobs chan<- job) error {
	batch := newBatch()
	for _, ref := range r.plan.list.Segments {
		needed, err := r.from.SegmentPacks(ctx, ref)
		if r.plan.lacks(ref, err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read packs of index segment %s: %w", ref.ID, err)
		}
		refs := make(map[string]repository.PackRef, len(needed))
		for _, p := range needed {
			refs[p.ID] = p.PackRef
		}
		maps.Copy(batch.refs, refs)
		err = eachEntry(ctx, r.from.IndexReader, ref, func(e repository.IndexEntry) error {
			if !r.plan.pick.wants(e.Key) {
				return nil
			}
			if batch.count >= r.source.batch {
				if err := r.flush(ctx, batch, packs, jobs); err != nil {
					return err
				}
				batch = newBatch()
				maps.Copy(batch.refs, refs)
			}
			return batch.add(e)
		})
		if r.plan.lacks(ref, err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read index of bucket %s: %w", r.plan.list.Bucket, err)
		}
	}
	return r.flush(ctx, batch, packs, jobs)
}

// batch is entries sorted by pack.
type batch struct {
	refs  map[string]repository.PackRef
	packs map[string][]repository.IndexEntry
	order []string // packs as they are met
	empty []repository.IndexEntry
	count int
}

func newBatch() *batch {
	return &batch{refs: map[string]repository.PackRef{}, packs: map[string][]repository.IndexEntry{}}
}

func (b *batch) add(e repository.IndexEntry) error {
	b.count++
	if e.Pack == "" && e.Size == 0 {
		b.empty = append(b.empty, e)
		return nil
	}
	if _, ok := b.refs[e.Pack]; !ok {
		return fault.New(fault.Corrupt, fmt.Sprintf("find object %q", e.Key), "its segment of the index does not list pack %q", e.Pack)
	}
	if b.packs[e.Pack] == nil {
		b.order = append(b.order, e.Pack)
	}
	b.packs[e.Pack] = append(b.packs[e.Pack], e)
	return nil
}

// flush hands a batch out: whole packs to those who read them, and objects
// that are read one by one to the uploads.
func (r *restorer) flush(ctx context.Context, b *batch, packs chan<- packJob, jobs chan<- job) error {
	if err := r.drop(ctx, b); err != nil {
		return err
	}
	for _, e := range b.empty {
		if err := send(ctx, jobs, job{entry: e, content: []byte{}, release: func() {}}); err != nil {
			return err
		}
	}
	for _, id := range b.order {
		p := packJob{b.refs[id], b.packs[id]}
		if len(p.entries) == 0 {
			continue
		}
		if !p.alone() {
			if err := send(ctx, packs, p); err != nil {
				return err
			}
			continue
		}
		for _, e := range p.entries {
			if err := send(ctx, jobs, job{entry: e, pack: p.ref, member: e.Key}); err != nil {
				return err
			}
		}
	}
	return nil
}

// alone reports whether objects of a pack are read one by one: a large object
// that is a pack of its own, or too few of many.
func (p packJob) alone() bool {
	var wanted int64
	for _, e := range p.entries {
		wanted += e.Length
	}
	large := len(p.entries) == 1 && p.entries[0].Members > 1
	few := float64(wanted) < sparse*float64(p.ref.Size) && int64(len(p.entries))*requestCost < p.ref.Size
	return large || few
}

// upload is one worker.
func (r *restorer) upload(ctx context.Context, jobs <-chan job) error {
	for {
		j, more, err := receive(ctx, jobs)
		if err != nil || !more {
			return err
		}
		err = r.uploadOne(ctx, j)
		switch {
		case errors.Is(err, errRefused):
			continue // it is not counted, and the comparison misses it
		case r.plan.damage.Tolerates(err):
			object := r.plan.list.Bucket + "/" + j.entry.Key
			r.plan.damage.Add(source.Lost{Object: object, What: "the object", Why: err.Error(), Include: object, Names: []string{r.plan.list.Bucket, j.entry.Key}})
			continue
		case err != nil:
			return err
		}
		r.objects.Add(1)
		r.bytes.Add(j.entry.Size)
		r.task.Add(j.entry.Size)
	}
}

func (r *restorer) uploadOne(ctx context.Context, j job) error {
	if j.content != nil {
		defer j.release()
	}
	land, err := r.uploader.flight.depart(ctx, j.entry.Size)
	if err != nil {
		return err
	}
	defer land()
	if j.content != nil {
		return r.uploader.put(ctx, j.entry, j.content)
	}
	return r.uploadFrom(ctx, j)
}

// uploadFrom uploads an object that is read from its pack meanwhile.
func (r *restorer) uploadFrom(ctx context.Context, j job) error {
	open := func() (io.ReadCloser, error) {
		return r.from.OpenExtent(ctx, j.pack, j.member, j.entry.Extent)
	}
	if j.entry.Size > memberLimit {
		return r.uploader.large(ctx, j.entry, open)
	}
	return r.uploadSmall(ctx, j.entry, open)
}

// uploadSmall reads a single small object by ranged reads.
func (r *restorer) uploadSmall(ctx context.Context, e repository.IndexEntry, open func() (io.ReadCloser, error)) error {
	weight := e.Size + overhead
	if err := r.uploader.budget.Acquire(ctx, weight); err != nil {
		return err
	}
	defer r.uploader.budget.Release(weight)
	from, err := open()
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // what was read was checked
	content := bytes.NewBuffer(make([]byte, 0, e.Size))
	if _, err := io.Copy(content, &verifier{from: from, sum: sha256.New(), want: e}); err != nil {
		return err
	}
	return r.uploader.put(ctx, e, content.Bytes())
}
