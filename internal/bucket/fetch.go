package bucket

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/cenkalti/backoff/v5"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/semaphore"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
)

const (
	// fetchTries is how often an object is read again when its body breaks off
	// or it changes while it is read. Requests are tried again below that.
	fetchTries = 4
	// overhead is what an object costs in memory besides its content.
	overhead = 16 << 10
)

// fetcher downloads objects into packs. It is safe for concurrent use.
type fetcher struct {
	*mirror
	book    *packBook
	packer  *packer
	encoder *zstd.Encoder
	budget  *semaphore.Weighted
}

// Reasons to read an object once more.
var (
	errChanged    = errors.New("the object changed while it was read")
	errUnreadable = errors.New("it is listed, but reading it answers that it does not exist")
)

// fetch fills a slot. It returns only when the object's bytes are in a pack,
// or on their way into the open one, or the object is known to be gone.
func (f *fetcher) fetch(ctx context.Context, s *slot) error {
	began := time.Now()
	want := s.listed
	object, id := f.address(want.Key)
	doing := fmt.Sprintf("read object %q of bucket %s", object, f.bucket)
	if id != nil {
		doing = fmt.Sprintf("read version %s of object %q of bucket %s", *id, object, f.bucket)
	}
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		return struct{}{}, f.try(ctx, s, &want)
	}, backoff.WithBackOff(newBackOff()), backoff.WithMaxTries(fetchTries), backoff.WithMaxElapsedTime(0))
	if err == nil || ctx.Err() != nil {
		return err
	}
	status := statusOf(err)
	if errors.Is(err, errUnreadable) || status >= http.StatusInternalServerError {
		if s.why == toMove {
			return f.stay(s)
		}
		if f.source.settings.Unreadable == toleratesUnreadable {
			return f.miss(ctx, s, err)
		}
		return fault.New(fault.Failed, doing, "the server lists it but cannot deliver it (tried for %s): %w", time.Since(began).Round(time.Millisecond), err).
			On("at " + f.source.settings.Endpoint).
			Hint("its content may be lost on a volume: on SeaweedFS run volume.fsck and fs.verify in weed shell; delete or replace the object, then back up again")
	}
	return f.source.explain(ctx, doing, err, began)
}

func newBackOff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = 100*time.Millisecond, maxBackoff
	return b
}

// try reads the object once. What want says decides how much memory is taken;
// it is corrected when the object turns out to be another one.
func (f *fetcher) try(ctx context.Context, s *slot, want *listed) error {
	if f.older && f.deleteMarker(s) {
		return nil
	}
	weight := 2*want.Size + overhead
	if want.Size > memberLimit {
		weight = (rangesAhead + 2) * memberLimit // ranges, and one of them compressed
	}
	if err := f.budget.Acquire(ctx, weight); err != nil {
		return err
	}
	held := &holding{f.budget, weight}
	defer held.release()

	ctx, guard := f.source.guardIdle(ctx)
	defer guard.stop()
	out, err := f.source.client.getObject(ctx, f.request(*want))
	if err != nil {
		return f.absent(ctx, s, *want, idleCause(ctx, err))
	}
	defer out.Body.Close() //nolint:errcheck // what was read was checked
	size, err := sizeOf(out)
	if err != nil {
		return err
	}
	if size != want.Size && (size > memberLimit || want.Size > memberLimit) {
		want.Size = size // and another request, or more memory
		return errChanged
	}
	metadata, err := f.metadata(ctx, want.Key, out)
	if err != nil {
		return err
	}
	s.entry = describe(s.listed, size, out, metadata)
	body := &idleReader{ctx: ctx, guard: guard, body: out.Body}
	if s.entry.Size > memberLimit {
		return f.large(ctx, s, out, body)
	}
	return f.small(ctx, s, body, held)
}

// holding is a part of the budget that is given back once.
type holding struct {
	budget *semaphore.Weighted
	weight int64
}

func (h *holding) release() {
	if h.weight > 0 {
		h.budget.Release(h.weight)
		h.weight = 0
	}
}

// hand gives the holding to somebody else.
func (h *holding) hand() func() {
	other := *h
	h.weight = 0
	return other.release
}

// describe is the entry of what a GET delivers. Where that is what was listed,
// the listed time stands, which is the one that the next listing is held
// against; where it is not, the object changed meanwhile, and GET is right.
func describe(l listed, size int64, out *s3.GetObjectOutput, metadata *repository.Metadata) repository.IndexEntry {
	e := repository.IndexEntry{Key: l.Key, Size: size, ETag: l.ETag, Modified: l.Modified, Metadata: metadata}
	etag := aws.ToString(out.ETag)
	if etag != "" && strings.Trim(etag, `"`) != strings.Trim(l.ETag, `"`) || e.Size != l.Size {
		e.ETag, e.Modified = etag, aws.ToTime(out.LastModified).UTC()
	}
	return e
}

// metadata reads what an object carries besides its content. SeaweedFS and S3
// say how many tags there are only where there are any.
func (f *fetcher) metadata(ctx context.Context, key string, out *s3.GetObjectOutput) (*repository.Metadata, error) {
	metadata := metadataOf(out)
	if aws.ToInt32(out.TagCount) > 0 {
		object, id := f.address(key)
		tags, err := f.source.tags(ctx, f.bucket, object, id)
		if isAbsent(err) {
			return nil, errChanged
		}
		if err != nil {
			return nil, backoff.Permanent(err)
		}
		metadata = withTags(metadata, tags)
	}
	if isText(metadata) {
		return metadata, nil
	}
	// Not a silent loss: it is counted, and the object named where names may stand.
	f.notText.Add(1)
	return metadata, f.detail(key, map[string]string{"warning": warnNotText})
}

// tags reads the tags of an object, or of a version of it.
func (s *Source) tags(ctx context.Context, bucket, key string, id *string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.patience.call)
	defer cancel()
	set, err := s.client.getTags(ctx, bucket, key, id)
	if err != nil {
		return nil, err
	}
	tags := make(map[string]string, len(set))
	for _, t := range set {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return tags, nil
}

// small reads an object whole and hands it to the packer.
func (f *fetcher) small(ctx context.Context, s *slot, body io.Reader, held *holding) error {
	content := make([]byte, s.entry.Size)
	if _, err := io.ReadFull(body, content); err != nil {
		return fmt.Errorf("body of %d bytes: %w", s.entry.Size, err)
	}
	if err := atEnd(body); err != nil {
		return err
	}
	f.fetched.Add(s.entry.Size)
	sum := sha256.Sum256(content)
	s.entry.SHA256 = hex.EncodeToString(sum[:])
	known, err := f.recognise(ctx, s)
	if err != nil {
		return err
	}
	if known || len(content) == 0 {
		close(s.done) // nothing to be stored
		return nil
	}
	stored, compressed := compress(f.encoder, content)
	select {
	case f.packer.in <- packed{s, stored, compressed, held.hand()}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// atEnd makes sure that a body is no longer than it said.
func atEnd(body io.Reader) error {
	var more [1]byte
	n, err := body.Read(more[:])
	if n > 0 || err == nil {
		return errors.New("the body is longer than the server said")
	}
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("end of body: %w", err)
	}
	return nil
}
