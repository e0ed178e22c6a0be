package bucket

import (
	"context"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// mostUnreadable is how many objects may be missing from a point: beyond that it
// is not objects that are lost, but a server.
const mostUnreadable = 1000

// again says why an object that is listed as it was is fetched all the same.
func (m *mirror) again(old *baseEntry) reason {
	switch days := uint64(max(0, m.source.settings.Recheck)); {
	case m.moving[old.Pack]:
		return toMove
	case m.base.isUnsure(old, m.source.racy):
		return toSettle
	case m.source.options.FullCheck, days > 0 && xxhash.Sum64String(old.Key)%days == uint64(time.Now().Unix()/86400)%days:
		return toVerify
	default:
		return toCapture
	}
}

// recognise reports whether what was fetched is what is known already, so that
// nothing need be stored.
func (f *fetcher) recognise(ctx context.Context, s *slot) (bool, error) {
	old := s.old
	if old == nil {
		return false, nil
	}
	listedAlike := s.entry.ETag == old.ETag && s.entry.Modified.Equal(old.Modified) && s.entry.Size == old.Size
	if s.entry.Size != old.Size || s.entry.SHA256 != old.SHA256 {
		if listedAlike && s.why != toCapture && s.why != toSettle {
			// The server changed what it promised not to: bits that rot look like this.
			f.altered.Add(1)
			return false, f.detail(s.entry.Key, map[string]string{"warning": warnAltered})
		}
		return false, nil
	}
	if s.why == toMove {
		return false, nil
	}
	if listedAlike && sameMetadata(s.entry.Metadata, old.Metadata) {
		s.keep()
		return true, nil
	}
	s.entry.Pack, s.entry.Extent, s.origin = old.Pack, old.Extent, fromOld
	return true, nil
}

// stay leaves an object in its pack that was to be moved out of it and cannot be
// read any more: the copy in the pack may be the last one.
func (f *fetcher) stay(s *slot) error {
	f.stayed.Add(1)
	s.keep()
	close(s.done)
	return f.detail(s.listed.Key, map[string]string{"warning": warnStayed})
}

// miss goes on without an object that cannot be read: with the copy that the
// point before holds, or with none.
func (f *fetcher) miss(ctx context.Context, s *slot, why error) error {
	if n := f.missing.Add(1); n > mostUnreadable {
		return fault.New(fault.Failed, "read objects of bucket "+f.bucket, "more than %d cannot be delivered, the last one for this reason: %w", mostUnreadable, why).
			On("at " + f.source.settings.Endpoint).Hint("look at the volume servers; a point without so many objects is not worth much")
	}
	detail := map[string]string{"missing": missingUnreadable, "why": why.Error(), "instead": "nothing"}
	s.origin = fromNowhere
	if s.old != nil {
		s.keep()
		detail["instead"] = fmt.Sprintf("what was modified at %s", s.old.Modified.Format(time.RFC3339))
	}
	close(s.done)
	return f.detail(s.listed.Key, detail)
}
