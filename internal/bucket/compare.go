package bucket

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/source"
)

// maxDifferences is how many differences of a bucket are listed; beyond that
// they are counted.
const maxDifferences = 1000

// Compare downloads every object of the target and holds its content and what
// it carries against the index, and looks for objects that the point does not
// hold.
func (s *Source) Compare(ctx context.Context, from *repository.SourceReader, todo *source.Plan, show progress.Reporter) (*source.Comparison, error) {
	private, ok := todo.Private.(*plan)
	if !ok {
		return nil, errors.New("compare buckets: the plan is not of this source")
	}
	key, err := from.DigestKey(ctx)
	if err != nil {
		return nil, err
	}
	result := &source.Comparison{Items: []source.Compared{}, Differences: []source.Difference{}}
	for _, p := range private.buckets {
		c := &comparer{source: s, from: from, plan: p, key: key, task: show.Task(s.name+"/"+p.target, progress.Bytes, p.bytes)}
		err := c.run(ctx)
		c.task.Done()
		if err != nil {
			return nil, err
		}
		result.Items = append(result.Items, source.Compared{
			Name: p.list.Bucket, Objects: c.objects.Load(), Bytes: c.bytes.Load(), Equal: c.count == 0,
		})
		result.Differences = append(result.Differences, c.found()...)
		result.Deviations = append(result.Deviations, c.deviations...)
	}
	return result, nil
}

// comparer compares one bucket. It is safe for concurrent use.
type comparer struct {
	source         *Source
	from           *repository.SourceReader
	plan           *planned
	key            seal.DigestKey
	task           progress.Task
	objects, bytes atomic.Int64

	mu          sync.Mutex
	differences []source.Difference
	count       int
	deviations  []source.Deviation
	digest      seal.Digest // of what the target delivered
}

func (c *comparer) run(ctx context.Context) error {
	group, groupCtx := errgroup.WithContext(ctx)
	entries := make(chan repository.IndexEntry, c.source.options.Workers)
	group.Go(func() error {
		defer close(entries)
		return c.plan.each(groupCtx, c.from, func(e repository.IndexEntry) error { return send(groupCtx, entries, e) })
	})
	for range c.source.options.Workers {
		group.Go(func() error { return c.work(groupCtx, entries) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	err := c.source.surplus(ctx, c.from, c.plan, func(page []listed) error {
		for _, l := range page {
			if c.plan.occupied && !c.plan.deleteSurplus && !c.plan.fresh {
				c.deviate(l.Key, "the point does not hold it, and deleting was not asked for")
				continue
			}
			c.differ(l.Key, "surplus", "no object", describeSize(l.Size))
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.checkDigest()
	if c.plan.older != nil {
		if err := c.compareOlder(ctx); err != nil {
			return err
		}
	}
	return c.compareProperties(ctx)
}

// checkDigest holds what the target delivered against the digest in the plain
// list that the manifest signs for, besides the index.
func (c *comparer) checkDigest() {
	if c.plan.pick.whole() && c.count == 0 && len(c.deviations) == 0 && c.digest != c.plan.list.Digest {
		c.differ("", "digest", c.plan.list.Digest.String(), c.digest.String())
	}
}

// work is one worker.
func (c *comparer) work(ctx context.Context, entries <-chan repository.IndexEntry) error {
	hasher := seal.NewHasher(c.key)
	var digest seal.Digest
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.digest.Add(digest)
	}()
	for {
		e, more, err := receive(ctx, entries)
		if err != nil || !more {
			return err
		}
		got, err := c.read(ctx, e)
		if err != nil {
			return err
		}
		if got != nil {
			c.compare(e, *got)
			digest.Add(digestOf(hasher, *got))
		}
		c.objects.Add(1)
		c.bytes.Add(e.Size)
		c.task.Add(e.Size)
	}
}

// read downloads an object of the target; nil where it is missing or cannot
// be read, which is a difference.
func (c *comparer) read(ctx context.Context, e repository.IndexEntry) (*repository.IndexEntry, error) {
	return c.readVersion(ctx, e, nil)
}

// readVersion does it with a version of an object.
func (c *comparer) readVersion(ctx context.Context, e repository.IndexEntry, id *string) (*repository.IndexEntry, error) {
	began := time.Now()
	got, err := backoff.Retry(ctx, func() (*repository.IndexEntry, error) { return c.try(ctx, e, id) },
		backoff.WithBackOff(newBackOff()), backoff.WithMaxTries(fetchTries), backoff.WithMaxElapsedTime(0))
	switch {
	case err == nil || ctx.Err() != nil:
		return got, err
	case isAbsent(err):
		c.differ(e.Key, "missing", describeSize(e.Size), "no object")
		return nil, nil // a difference, not an error
	case statusOf(err) >= http.StatusInternalServerError:
		c.differ(e.Key, "unreadable", describeSize(e.Size), "status "+strconv.Itoa(statusOf(err)))
		return nil, nil // a difference, not an error
	default:
		return nil, c.source.explain(ctx, fmt.Sprintf("read object %q of bucket %s", e.Key, c.plan.target), err, began)
	}
}

func (c *comparer) try(ctx context.Context, e repository.IndexEntry, id *string) (*repository.IndexEntry, error) {
	ctx, guard := c.source.guardIdle(ctx)
	defer guard.stop()
	out, err := c.source.client.getObject(ctx, &s3.GetObjectInput{Bucket: aws.String(c.plan.target), Key: aws.String(e.Key), VersionId: id})
	if err != nil {
		return c.marker(ctx, e, idleCause(ctx, err))
	}
	defer out.Body.Close() //nolint:errcheck // what was read was checked
	metadata := metadataOf(out)
	if aws.ToInt32(out.TagCount) > 0 {
		tags, err := c.source.tags(ctx, c.plan.target, e.Key, id)
		if err != nil {
			return nil, permanent(err)
		}
		metadata = withTags(metadata, tags)
	}
	sum := sha256.New()
	into, witnessed := c.observed(sum, e, id)
	n, err := io.Copy(into, &idleReader{ctx: ctx, guard: guard, body: out.Body})
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	witnessed()
	return &repository.IndexEntry{Key: e.Key, Size: n, SHA256: hex.EncodeToString(sum.Sum(nil)), Metadata: metadata}, nil
}

// observed lets the witness, where there is one, see what is summed.
func (c *comparer) observed(sum io.Writer, e repository.IndexEntry, version *string) (into io.Writer, done func()) {
	if c.plan.witness == nil || version != nil {
		return sum, func() {}
	}
	observer := c.plan.witness.Observe(c.plan.list.Bucket, e.Key, e.Size)
	if observer == nil {
		return sum, func() {}
	}
	return io.MultiWriter(sum, observer), observer.Done
}

// marker finds a directory marker that cannot be opened in the listing.
func (c *comparer) marker(ctx context.Context, e repository.IndexEntry, err error) (*repository.IndexEntry, error) {
	status := statusOf(err)
	if !isMarker(listed{Key: e.Key, Size: e.Size}) || status != http.StatusNotFound && status != http.StatusNotImplemented {
		return nil, permanent(err)
	}
	there, failed := c.source.markerListed(ctx, c.plan.target, e.Key)
	if failed != nil {
		return nil, permanent(failed)
	}
	if !there {
		return nil, backoff.Permanent(errNoMarker)
	}
	return &repository.IndexEntry{Key: e.Key, SHA256: e.SHA256, Metadata: e.Metadata}, nil
}

func (c *comparer) compare(want, got repository.IndexEntry) {
	if c.plan.missingOnly && c.plan.occupied && (want.SHA256 != got.SHA256 || !sameMetadata(want.Metadata, got.Metadata)) {
		why := "it is another one than the point's, and was there"
		if c.plan.attempt.Resumed && lacksTags(want, got) {
			why = "it lacks the point's tags: it was there, or a process of this restore has ended just before it would have set them"
		}
		c.deviate(want.Key, why)
		return
	}
	if want.Size != got.Size {
		c.differ(want.Key, "size", describeSize(want.Size), describeSize(got.Size))
	}
	if want.SHA256 != got.SHA256 {
		c.differ(want.Key, "content", "SHA-256 "+want.SHA256, "SHA-256 "+got.SHA256)
	}
	if !sameMetadata(want.Metadata, got.Metadata) {
		c.differ(want.Key, "metadata", summarizeMetadata(want.Metadata), summarizeMetadata(got.Metadata))
	}
}

func (c *comparer) differ(key, what, want, got string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count++; c.count > maxDifferences {
		return // counted: memory is bounded (invariant 7)
	}
	object := c.plan.list.Bucket
	if key != "" {
		object += "/" + key
	}
	c.differences = append(c.differences, source.Difference{Object: object, What: what, Want: want, Got: got})
}

// deviate notes an object that the restore left as it was, as it was told to.
func (c *comparer) deviate(key, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.deviations) < maxDifferences {
		c.deviations = append(c.deviations, source.Deviation{Object: c.plan.list.Bucket + "/" + key, What: "kept", Why: why})
	}
}

// found returns the differences, and what stands for those that are not listed.
func (c *comparer) found() []source.Difference {
	more := c.count - len(c.differences)
	if more <= 0 {
		return c.differences
	}
	return append(c.differences, source.Difference{
		Object: c.plan.list.Bucket, What: "more differences", Want: "0", Got: strconv.Itoa(more),
	})
}

func describeSize(n int64) string { return strconv.FormatInt(n, 10) + " bytes" }
