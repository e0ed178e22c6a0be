package bucket

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// rangesAhead is how many ranges of one object are read while another one is
// being stored.
const rangesAhead = 2

// request asks for an object, and for no more than its first member where it is
// larger than that: the rest comes in ranges, several at once, each of which is
// asked for again when it breaks off.
func (f *fetcher) request(l listed) *s3.GetObjectInput {
	object, id := f.address(l.Key)
	input := &s3.GetObjectInput{Bucket: aws.String(f.bucket), Key: aws.String(object), VersionId: id}
	if l.Size > memberLimit {
		input.Range = byteRange(0, memberLimit)
	}
	return input
}

func byteRange(from, length int64) *string {
	return aws.String(fmt.Sprintf("bytes=%d-%d", from, from+length-1))
}

// sizeOf returns the size of the whole object of which a GET delivers all, or a
// range.
func sizeOf(out *s3.GetObjectOutput) (int64, error) {
	if out.ContentRange != nil {
		_, total, _ := strings.Cut(*out.ContentRange, "/")
		if n, err := strconv.ParseInt(total, 10, 64); err == nil {
			return n, nil
		}
	}
	if out.ContentRange != nil || out.ContentLength == nil {
		return 0, backoff.Permanent(errors.New("the server does not say how long the object is"))
	}
	return *out.ContentLength, nil
}

// large stores an object as members of a pack of its own. The first is read from
// body, which may also hold all of them: not every server knows ranges.
func (f *fetcher) large(ctx context.Context, s *slot, out *s3.GetObjectOutput, body io.Reader) error {
	pack, err := f.draft.CreatePack(ctx)
	if err != nil {
		return backoff.Permanent(err)
	}
	defer pack.Abort()
	m := &members{fetcher: f, key: s.entry.Key, pack: pack}
	sum := sha256.New()
	each := func(member []byte) error {
		sum.Write(member)
		return m.add(member)
	}
	if out.ContentRange == nil {
		err = f.stream(body, s.entry.Size, each)
	} else {
		err = f.ranges(ctx, s.entry, aws.ToString(out.ETag), body, each)
	}
	if err != nil {
		return err
	}
	s.entry.SHA256 = hex.EncodeToString(sum.Sum(nil))
	if known, err := f.recognise(ctx, s); err != nil || known {
		if err == nil {
			close(s.done)
		}
		return err
	}
	ref, err := pack.Commit()
	if err != nil {
		return backoff.Permanent(err)
	}
	s.entry.Pack, s.entry.Extent = ref.ID, m.extent
	f.book.use(ref.ID)
	f.book.commit(ref)
	close(s.done)
	return nil
}

// members are those of one large object.
type members struct {
	*fetcher
	key    string
	pack   *repository.PackWriter
	extent repository.Extent
}

func (m *members) add(member []byte) error {
	stored, compressed := compress(m.encoder, member)
	extent, err := m.pack.Add(m.key, compressed, int64(len(stored)), bytes.NewReader(stored))
	if err != nil {
		return backoff.Permanent(err)
	}
	m.extent.Join(extent)
	return nil
}

// stream reads a whole body, a member at a time.
func (f *fetcher) stream(body io.Reader, size int64, each func([]byte) error) error {
	buffer := make([]byte, memberLimit)
	for left := size; left > 0; {
		member := buffer[:min(left, memberLimit)]
		if err := f.fill(member, body); err != nil {
			return err
		}
		left -= int64(len(member))
		if err := each(member); err != nil {
			return err
		}
	}
	return atEnd(body)
}

func (f *fetcher) fill(member []byte, body io.Reader) error {
	n, err := io.ReadFull(body, member)
	f.fetched.Add(int64(n))
	if err != nil {
		return fmt.Errorf("the body ends %d bytes early: %w", len(member)-n, err)
	}
	return nil
}

// ranges reads an object in ranges, several at once, and hands them on in order.
// The first comes from a body that is open.
func (f *fetcher) ranges(ctx context.Context, e repository.IndexEntry, etag string, first io.Reader, each func([]byte) error) error {
	group, ctx := errgroup.WithContext(ctx)
	free := make(chan []byte, rangesAhead+1)
	for range cap(free) {
		free <- make([]byte, memberLimit)
	}
	order := make(chan chan []byte, rangesAhead+1)
	group.Go(func() error {
		defer close(order)
		for from := int64(0); from < e.Size; from += memberLimit {
			buffer, _, err := receive(ctx, free)
			if err != nil {
				return err
			}
			member, ready := buffer[:min(memberLimit, e.Size-from)], make(chan []byte, 1)
			if err := send(ctx, order, ready); err != nil {
				return err
			}
			group.Go(func() error {
				defer close(ready)
				if from == 0 && f.fill(member, first) == nil {
					ready <- member
					return nil
				}
				if err := f.readRange(ctx, e.Key, etag, from, member); err != nil {
					return err
				}
				ready <- member
				return nil
			})
		}
		return nil
	})
	group.Go(func() error {
		for {
			ready, more, err := receive(ctx, order)
			if err != nil || !more {
				return err
			}
			member, ok, err := receive(ctx, ready)
			if err != nil || !ok {
				return err // where there is none, its reader says why
			}
			if err := each(member); err != nil {
				return err
			}
			free <- member[:cap(member)]
		}
	})
	return group.Wait()
}

// readRange reads one range of an object, as often as it takes.
func (f *fetcher) readRange(ctx context.Context, key, etag string, from int64, into []byte) error {
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		return struct{}{}, f.tryRange(ctx, key, etag, from, into)
	}, backoff.WithBackOff(newBackOff()), backoff.WithMaxTries(fetchTries), backoff.WithMaxElapsedTime(0))
	return err
}

func (f *fetcher) tryRange(ctx context.Context, key, etag string, from int64, into []byte) error {
	ctx, guard := f.source.guardIdle(ctx)
	defer guard.stop()
	object, id := f.address(key)
	out, err := f.source.client.getObject(ctx, &s3.GetObjectInput{
		Bucket: aws.String(f.bucket), Key: aws.String(object), VersionId: id, Range: byteRange(from, int64(len(into))), IfMatch: optional(etag),
	})
	if err != nil {
		return permanent(idleCause(ctx, err))
	}
	defer out.Body.Close() //nolint:errcheck // what was read was checked
	if aws.ToString(out.ETag) != etag || aws.ToInt64(out.ContentLength) != int64(len(into)) {
		return backoff.Permanent(errChanged)
	}
	body := &idleReader{ctx: ctx, guard: guard, body: out.Body}
	if err := f.fill(into, body); err != nil {
		return err
	}
	return atEnd(body)
}
