package repository

import (
	"context"
	"errors"
	"fmt"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// Standing reports whether an id is that of a point, whatever its state, or of a run
// that may yet become one. It is false once the point was swept, or the run was given
// up: neither can come back.
//
// A run writes its start before anything else. So whoever has first seen what a run
// has made elsewhere, and then asks here, can rely on a no.
func (r *Repository) Standing(ctx context.Context, id string) (bool, error) {
	_, err := r.Point(ctx, id)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, errFenced):
		return false, nil
	case fault.KindOf(err) == fault.Corrupt || fault.KindOf(err) == fault.Usage:
		return true, nil // it is there, damaged or of another version
	case !errors.Is(err, errNoPoint):
		return false, err
	}
	// The start is looked for after the manifest: a run that commits in between keeps it.
	_, err = r.store.Stat(ctx, startPath(id))
	if errors.Is(err, storage.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at run %s: %w", id, err)
	}
	return true, nil
}
