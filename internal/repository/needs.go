package repository

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// Shared returns what bucket lists lead to: the files of the index, and the
// packs, each once. No key is needed.
func (r *Repository) Shared(ctx context.Context, lists []File) (index, packs []File, err error) {
	all, err := r.withShared(ctx, lists)
	for _, f := range all {
		switch {
		case strings.HasPrefix(f.Path, indexDir):
			index = append(index, f)
		case strings.HasPrefix(f.Path, packsDir):
			packs = append(packs, f)
		}
	}
	return index, packs, err
}

// Wraps returns the wraps of a run key that are there, by the fingerprint of
// the recipient whom each is for.
func (r *Repository) Wraps(ctx context.Context, key string) (map[string]File, error) {
	return wraps(ctx, r.store, key)
}

func wraps(ctx context.Context, store storage.Reader, key string) (map[string]File, error) {
	found := map[string]File{}
	err := store.List(ctx, keysDir+key+"/", func(i storage.Info) error {
		// What else lies there was planted by somebody, and is not handed on.
		if fingerprint, ok := strings.CutSuffix(path.Base(i.Name), ".age"); ok && isFingerprint(fingerprint) {
			found[fingerprint] = File{Path: i.Name, Size: i.Size}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list wraps of key %s: %w", shortKey(key), err)
	}
	return found, nil
}
