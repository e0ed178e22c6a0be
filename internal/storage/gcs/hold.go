package gcs

import (
	"context"
	"fmt"
	"maps"

	gcs "cloud.google.com/go/storage"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// holdMark is the metadata by which a hold is known to be this program's: others, such
// as lawyers, hold objects too.
const (
	holdMark    = "openim-dr-hold"
	holdSet     = "set"
	holdCleared = "cleared"
)

var _ storage.Holder = (*Store)(nil)

// SetHold sets or clears a temporary hold, which takes storage.objects.get and update.
// Each costs two requests, of which one changes something.
func (s *Store) SetHold(ctx context.Context, name string, held bool) (changed bool, err error) {
	if err := storage.CheckName(name); err != nil {
		return false, err
	}
	attrs, err := s.object(name).Attrs(ctx)
	if err != nil {
		return false, s.mapError("look at the hold of", name, err)
	}
	ours := attrs.Metadata[holdMark] == holdSet
	if attrs.TemporaryHold == held || !held && !ours {
		return false, nil
	}
	metadata := maps.Clone(attrs.Metadata)
	if metadata == nil {
		metadata = map[string]string{}
	}
	metadata[holdMark] = holdCleared
	if held {
		metadata[holdMark] = holdSet
	}
	seen := s.object(name).If(gcs.Conditions{GenerationMatch: attrs.Generation, MetagenerationMatch: attrs.Metageneration})
	_, err = seen.Update(ctx, gcs.ObjectAttrsToUpdate{TemporaryHold: held, Metadata: metadata})
	if isPrecondition(err) {
		return false, fmt.Errorf("hold %q: seen %d: %w", name, attrs.Generation, storage.ErrChanged)
	}
	if err != nil {
		return false, s.mapError("change the hold of", name, err)
	}
	return true, nil
}
