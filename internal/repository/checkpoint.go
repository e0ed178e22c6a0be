package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// Checkpoint is what an unfinished run has made durable, so that the next run
// of its stream goes on from there. The one with the highest number counts. It
// carries its own signature, as a Fence does: what it names enters a signed
// point without being read again.
type Checkpoint struct {
	Kind   string `json:"kind"`
	Format int    `json:"format"`
	// Progress is the JSON of a Progress record, to the byte as signed.
	Progress string `json:"progress"`
	// Signature is the content of its .minisig file.
	Signature string `json:"signature"`
}

// Progress is what a checkpoint says.
type Progress struct {
	Header
	Run     string           `json:"run"`
	Time    time.Time        `json:"time"`
	Buckets []BucketProgress `json:"buckets"`
	// Wrapped says for whom the keys are wrapped that the layers need.
	Wrapped []Wrapped `json:"wrapped,omitempty"`
}

// BucketProgress is what has been captured of a bucket so far.
type BucketProgress struct {
	Source string `json:"source"`
	Bucket string `json:"bucket"`
	Order  string `json:"order"` // as in BucketList
	// Since is when the first of the runs began that have captured this.
	Since time.Time `json:"since"`
	// Layers are lists of index segments, each list in the bucket's order.
	// Where two of them hold the same key, the later one is right.
	Layers [][]SegmentRef `json:"layers"`
}

func (p BucketProgress) of(source, bucket string) bool {
	return p.Source == source && p.Bucket == bucket
}

// progressBook is what the checkpoints of a run say. Each says everything that
// is known, what the run before has left included.
type progressBook struct {
	mu      sync.Mutex
	number  int
	buckets []BucketProgress
}

// Continued returns what an earlier run of the stream, which did not end, has
// captured of a bucket.
func (s *SourceDraft) Continued(bucket string) (BucketProgress, bool) {
	if s.draft.continued == nil {
		return BucketProgress{}, false
	}
	all := s.draft.continued.Buckets
	i := slices.IndexFunc(all, func(p BucketProgress) bool { return p.of(s.name, bucket) })
	if i < 0 {
		return BucketProgress{}, false
	}
	return all[i], true
}

// Index returns a reader of index segments that holds the catalog identity.
func (s *SourceDraft) Index() *IndexReader {
	w := s.draft.writer
	return &IndexReader{w.Repository, newKeyring(w.contents, []seal.Identity{w.options.Catalog})}
}

// Checkpoint makes it known what has been captured of a bucket, in place of
// what was known of it before. Every segment must be committed.
func (s *SourceDraft) Checkpoint(ctx context.Context, p BucketProgress) error {
	d := s.draft
	book := &d.progress
	book.mu.Lock()
	defer book.mu.Unlock()
	p.Source = s.name
	buckets := slices.DeleteFunc(slices.Clone(book.buckets), func(b BucketProgress) bool { return b.of(p.Source, p.Bucket) })
	buckets = append(buckets, p)
	path := checkpointPath(d.point, book.number+1)
	record, err := marshal(Progress{
		Header: Header{kindCheckpoint, Format, d.writer.record.Repository, path},
		Run:    d.point, Time: d.writer.now().UTC(), Buckets: buckets, Wrapped: d.wrappedSoFar(),
	})
	if err != nil {
		return err
	}
	signature, err := d.writer.options.Signer.Sign(record, path)
	if err != nil {
		return err
	}
	data, err := putPlain(ctx, d.writer.store, path, Checkpoint{kindCheckpoint, Format, string(record), string(signature)})
	if err != nil {
		return err
	}
	s.addStored(int64(len(data)))
	book.buckets = buckets
	book.number++
	return nil
}

// wrappedSoFar says for whom the keys are wrapped that the run needs by now, or
// that the one needed which it goes on from.
func (d *Draft) wrappedSoFar() []Wrapped {
	d.mu.Lock()
	defer d.mu.Unlock()
	needed := maps.Clone(d.keys)
	if d.continued != nil {
		for _, w := range d.continued.Wrapped {
			for _, key := range w.Keys {
				needed[key] = true
			}
		}
	}
	return d.wrapped.of(slices.Collect(maps.Keys(needed))...)
}

// mostInterrupted bounds how many runs are looked at that did not end.
const mostInterrupted = 32

// interrupted finds what the newest run of a stream has captured that did not
// end, unless the stream has a point after it.
func (w *Writer) interrupted(ctx context.Context, stream string, runs []string, listing *Listing) (*Progress, error) {
	starts, err := w.interruptedStarts(ctx, stream, runs, listing)
	if err != nil {
		return nil, err
	}
	for _, start := range starts {
		progress, err := w.readProgress(ctx, start.Point)
		if err != nil || progress != nil {
			return progress, err
		}
	}
	return nil, nil // "nothing" is an answer
}

// interruptedStarts returns the starts of the runs that did not end, of those
// after the stream's last point, the newest first.
func (w *Writer) interruptedStarts(ctx context.Context, stream string, runs []string, listing *Listing) ([]*Start, error) {
	head := listing.Head(w.options.Instance, stream)
	known := map[string]bool{}
	for _, p := range listing.Points {
		known[p.Point] = true
	}
	runs = slices.DeleteFunc(slices.Clone(runs), func(run string) bool {
		at, err := PointTime(run)
		return err != nil || known[run] || head != nil && at.Before(head.Started.Truncate(time.Second))
	})
	slices.Sort(runs)
	var starts []*Start
	for _, run := range runs[max(0, len(runs)-mostInterrupted):] {
		start, err := w.readStart(ctx, run)
		if err != nil {
			return nil, err
		}
		if start != nil && start.Instance == w.options.Instance && start.Stream == stream && (head == nil || start.Time.After(head.Started)) {
			starts = append(starts, start)
		}
	}
	slices.SortFunc(starts, func(a, b *Start) int { return b.Time.Compare(a.Time) })
	return starts, nil
}

// readProgress reads the last checkpoint of a run. One that is damaged, or that
// no trusted writer has signed, is none: whatever it names is captured anew.
func (r *Repository) readProgress(ctx context.Context, run string) (*Progress, error) {
	last := 0
	prefix := checkpointPrefix(run)
	err := r.store.List(ctx, prefix, func(i storage.Info) error {
		if n, ok := seriesNumber(strings.TrimPrefix(i.Name, prefix)); ok {
			last = max(last, n)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list checkpoints of run %s: %w", run, err)
	}
	path := prefix + strconv.Itoa(last) + ".json"
	data, err := storage.Get(ctx, r.store, path, maxPlain)
	if errors.Is(err, storage.ErrNotExist) {
		return nil, nil // there is none
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return r.parseProgress(run, path, data), nil
}

func (r *Repository) parseProgress(run, path string, data []byte) *Progress {
	var c Checkpoint
	p := new(Progress)
	if json.Unmarshal(data, &c) != nil || json.Unmarshal([]byte(c.Progress), p) != nil {
		return nil
	}
	here := Header{kindCheckpoint, Format, r.record.Repository, path}
	if p.Header != here || p.Run != run {
		return nil
	}
	if _, err := r.trust.Verify(seal.RoleWriter, []byte(c.Progress), []byte(c.Signature), p.Time); err != nil {
		return nil
	}
	return p
}
