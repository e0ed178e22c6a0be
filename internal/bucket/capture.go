package bucket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// Kind is the kind of this source, and FormatVersion the version of what it
// writes into a point.
const (
	Kind          = "buckets"
	FormatVersion = 1
)

// Codes of warnings in a manifest.
const (
	warnNotText    = "metadata-not-utf8"
	warnGone       = "objects-vanished-during-run"
	warnBase       = "base-not-usable"
	warnNoBucket   = "bucket-gone"
	warnProperties = "bucket-properties-not-readable"
	warnStayed     = "unchanged-objects-not-readable"
	warnAltered    = "objects-altered-but-listed-as-before"
	digestVersion  = 1

	// missingUnreadable is the code of what makes a point incomplete.
	missingUnreadable = "objects-unreadable"
)

// Captured is the record in the manifest of what was captured.
type Captured struct {
	DigestVersion int      `json:"digestVersion"`
	Buckets       []Bucket `json:"buckets"`
}

// Bucket is what was captured of one bucket and what that took.
type Bucket struct {
	Bucket  string      `json:"bucket"`
	Order   string      `json:"order"`
	Objects int64       `json:"objects"`
	Bytes   int64       `json:"bytes"`
	Digest  seal.Digest `json:"digest"` // sum of the keyed hashes over key, size and SHA-256
	// New, Changed, Unchanged and Deleted compare with the base. Gone is how
	// many of the new and changed ones vanished before they could be read.
	New       int64 `json:"new"`
	Changed   int64 `json:"changed"`
	Unchanged int64 `json:"unchanged"`
	Deleted   int64 `json:"deleted"`
	Gone      int64 `json:"gone"`
	// OlderVersions is how many versions that are not current were captured,
	// delete markers among them, and OlderBytes what they hold.
	OlderVersions int64 `json:"olderVersions,omitempty"`
	OlderBytes    int64 `json:"olderBytes,omitempty"`
	// Properties names what the bucket carries besides its objects, and what of
	// that was captured.
	Properties []string `json:"properties,omitempty"`
	// Requests and Fetched are what the server was asked for and has delivered
	// in bodies of objects.
	Requests int64 `json:"requests"`
	Fetched  int64 `json:"fetched"`
}

// Capture mirrors all configured buckets into draft.
func (s *Source) Capture(ctx context.Context, draft *repository.SourceDraft, show progress.Reporter) error {
	record := Captured{DigestVersion: digestVersion}
	sum := repository.Summary{}
	for _, name := range s.settings.Buckets {
		captured, err := s.captureBucket(ctx, draft, name, show)
		if err != nil {
			return err
		}
		record.Buckets = append(record.Buckets, *captured)
		sum.Objects += captured.Objects
		sum.Bytes += captured.Bytes
	}
	if err := draft.Captured(record); err != nil {
		return err
	}
	draft.Summarize(sum)
	return nil
}

// tries bounds how often a bucket is begun anew: once for the other order, once
// without what an interrupted run has left, and once without any base.
const tries = 4

func (s *Source) captureBucket(ctx context.Context, draft *repository.SourceDraft, name string, show progress.Reporter) (*Bucket, error) {
	was, err := openPrevious(ctx, draft.Base(), name)
	if err != nil {
		return nil, fmt.Errorf("read the previous point's list of bucket %s: %w", name, err)
	}
	continued, _ := draft.Continued(name)
	m := &mirror{source: s, draft: draft, bucket: name, before: was, order: byPath, cut: defaultCutter}
	if m.since = continued.Since; m.since.IsZero() {
		m.since = time.Now().UTC()
	}
	if m.base = newBase(draft.Index(), was, continued); m.base != nil {
		m.order = m.base.order
	}
	began := s.client.requests.Load()
	task := show.Task(s.name+"/"+name, progress.Objects, m.expected())
	defer task.Done()
	m.task = task
	carried := s.startProperties(ctx, name)
	found, err := m.persist(ctx)
	properties, denied, failed := carried(err == nil)
	if err = cmp.Or(err, failed); err != nil {
		return nil, err
	}
	if err := draft.PutBucketList(ctx, found.list); err != nil {
		return nil, err
	}
	older := &mirrored{list: new(repository.BucketList)}
	if s.settings.Versions == allVersions {
		if older, err = s.captureOlder(ctx, m, found.list); err != nil {
			return nil, err
		}
		older.warn(draft)
	}
	if err := keepProperties(ctx, draft, name, properties, denied); err != nil {
		return nil, err
	}
	found.warn(draft)
	return &Bucket{
		Properties: properties.names(),
		Bucket:     name, Order: found.list.Order, Objects: found.list.Objects, Bytes: found.list.Bytes, Digest: found.list.Digest,
		New: found.changes.New, Changed: found.changes.Changed, Unchanged: found.changes.Unchanged, Deleted: found.changes.Deleted,
		OlderVersions: older.list.Objects, OlderBytes: older.list.Bytes,
		Gone: found.gone, Requests: s.client.requests.Load() - began, Fetched: m.fetched.Load(),
	}, nil
}

// persist runs the mirror until its assumptions hold.
func (m *mirror) persist(ctx context.Context) (*mirrored, error) {
	for range tries {
		found, err := m.run(ctx)
		var wrongOrder *orderError
		var noBase *baseError
		switch {
		case err == nil:
			return found, nil
		case ctx.Err() != nil:
			return nil, err
		case errors.As(err, &noBase):
			m.base = m.base.without()
			m.draft.Warn(warnBase, 1)
		case errors.As(err, &wrongOrder) && wrongOrder.otherHolds:
			m.order = m.order.other()
		case isNoBucket(err) && !m.older && m.before != nil && m.before.list.Objects > 0:
			return m.noBucket()
		default:
			return nil, err
		}
	}
	return nil, fault.New(fault.Failed, "list bucket "+m.bucket, "its order changed from one listing to the next").On("at " + m.source.settings.Endpoint)
}

// expected is how many objects a progress bar is drawn for.
func (m *mirror) expected() int64 {
	if m.before == nil {
		return 0
	}
	return m.before.list.Objects
}

// warn records what is worth knowing of a mirror.
func (f *mirrored) warn(draft *repository.SourceDraft) {
	if f.gone > 0 {
		draft.Warn(warnGone, f.gone)
	}
	if f.altered > 0 {
		draft.Warn(warnAltered, f.altered)
	}
	if f.stayed > 0 {
		draft.Warn(warnStayed, f.stayed)
	}
	if f.missing > 0 {
		draft.Missing(missingUnreadable, f.missing)
	}
	if f.notText > 0 {
		draft.Warn(warnNotText, f.notText)
	}
}
