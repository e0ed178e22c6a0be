package bucket

import (
	"fmt"

	"github.com/dustin/go-humanize"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// guardShrink refuses a bucket that has lost suspiciously much since the
// previous point: a mirror that follows a disaster would push the last good
// copy out of the retention.
func (m *mirror) guardShrink(now changes) error {
	if m.before == nil || m.older || m.source.options.AcceptShrink { // older versions expire
		return nil
	}
	was := m.before.list
	emptied := was.Objects > 0 && now.Objects == 0
	limit := m.source.settings.MaxShrink.Share()
	if !emptied && lost(was.Objects, now.Objects) <= limit && lost(was.Bytes, now.Bytes) <= limit {
		return nil
	}
	return m.shrunk(fmt.Sprintf("it holds %s (%s)", quantity.Count(now.Objects, "object", "objects"), size(now.Bytes)))
}

// noBucket is what becomes of a bucket that the previous point held and that
// is gone.
func (m *mirror) noBucket() (*mirrored, error) {
	if !m.source.options.AcceptShrink {
		return nil, m.shrunk("it is gone")
	}
	m.draft.Warn(warnNoBucket, 1)
	empty := &repository.BucketList{Bucket: m.bucket, Order: string(m.order), Segments: []repository.SegmentRef{}}
	return &mirrored{list: empty, changes: changes{Deleted: m.before.list.Objects}}, nil
}

func (m *mirror) shrunk(now string) error {
	was := m.before.list
	return fault.New(fault.Refused, "back up bucket "+m.bucket, "%s, and at the previous point %s it held %s (%s): more than %s %w",
		now, m.before.point, quantity.Count(was.Objects, "object", "objects"), size(was.Bytes), m.source.settings.MaxShrink, source.ErrShrunk).
		On("at "+m.source.settings.Endpoint).
		Hint("find out what deleted them; to accept it once: openim-dr backup --accept-shrink %s", m.source.name)
}

// lost is the share of before that is not there now; all of it where nothing
// is left.
func lost(before, now int64) float64 {
	if before <= 0 || now >= before {
		return 0
	}
	return float64(before-now) / float64(before)
}

func size(bytes int64) string { return humanize.IBytes(uint64(max(bytes, 0))) }
