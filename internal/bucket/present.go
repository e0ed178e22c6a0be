package bucket

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// drop leaves out of a batch what need not be uploaded, since the target holds
// it: a restore that was killed goes on, and a live bucket keeps what it has.
func (r *restorer) drop(ctx context.Context, b *batch) error {
	if !r.plan.occupied {
		return nil
	}
	began := time.Now()
	explain := func(err error) error {
		return r.source.explain(ctx, "look at objects of bucket "+r.plan.target, err, began)
	}
	var err error
	if b.empty, err = r.wanted(ctx, b.empty); err != nil {
		return explain(err)
	}
	for id, entries := range b.packs {
		if b.packs[id], err = r.wanted(ctx, entries); err != nil {
			return explain(err)
		}
	}
	return nil
}

// wanted returns the entries that the target does not hold.
func (r *restorer) wanted(ctx context.Context, entries []repository.IndexEntry) ([]repository.IndexEntry, error) {
	held := make([]bool, len(entries))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(r.source.options.Workers)
	for i, e := range entries {
		group.Go(func() (err error) {
			held[i], err = r.holds(groupCtx, e)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	wanted := entries[:0]
	for i, e := range entries {
		if !held[i] {
			wanted = append(wanted, e)
			continue
		}
		r.objects.Add(1)
		r.bytes.Add(e.Size)
		r.task.Add(e.Size)
	}
	return slices.Clip(wanted), nil
}

// sniffed is how many bytes of an object a server looks at that guesses its content
// type where none is stored.
const sniffed = 512

// holds reports whether the target has an object, and unless any will do this
// very one. It asks for its first bytes: SeaweedFS 3.39 tells less in answer to
// HEAD than to GET, and another content type where it sees fewer of them.
func (r *restorer) holds(ctx context.Context, e repository.IndexEntry) (bool, error) {
	input := &s3.GetObjectInput{Bucket: aws.String(r.plan.target), Key: aws.String(e.Key)}
	if e.Size > 0 {
		input.Range = byteRange(0, min(e.Size, sniffed))
	}
	var out *s3.GetObjectOutput
	err := r.source.call(ctx, func(ctx context.Context) (err error) {
		if out, err = r.source.client.getObject(ctx, input); err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, out.Body) // lest the connection be closed; what is asked for came before the body
		return out.Body.Close()
	})
	status := statusOf(err)
	switch {
	case err != nil && isMarker(listed{Key: e.Key, Size: e.Size}) && (isAbsent(err) || status == http.StatusNotImplemented):
		return r.source.markerListed(ctx, r.plan.target, e.Key)
	case isAbsent(err):
		return false, nil
	case status == http.StatusRequestedRangeNotSatisfiable: // it is empty
		return r.plan.missingOnly, nil
	case err != nil:
		return false, fmt.Errorf("object %q: %w", e.Key, err)
	case r.plan.missingOnly:
		return true, nil
	}
	if size, err := sizeOf(out); err != nil || size != e.Size {
		return false, nil // an upload settles it
	}
	if aws.ToString(out.ETag) == e.ETag && !hasTags(e) && aws.ToInt32(out.TagCount) == 0 && sameMetadata(e.Metadata, metadataOf(out)) {
		return true, nil
	}
	// Another ETag may only mean that it came in other parts, and another content
	// type that the server guesses.
	c := &comparer{source: r.source, from: r.from, plan: r.plan, task: progress.Discard.Task("", progress.Bytes, 0)}
	got, err := c.read(ctx, e)
	if err != nil || got == nil {
		return false, err
	}
	c.compare(e, *got)
	return c.count == 0, nil
}

func hasTags(e repository.IndexEntry) bool { return e.Metadata != nil && len(e.Metadata.Tags) > 0 }
