package repository

import (
	"cmp"
	"context"
	"slices"
)

// KeyReader is somebody for whom keys are wrapped.
type KeyReader struct {
	Fingerprint string `json:"fingerprint"`
	Keys        int64  `json:"keys"`   // run keys with a wrap for it
	Points      int64  `json:"points"` // whose keys all have one
	DigestKey   bool   `json:"digestKey"`
}

// KeyReaders says whose wraps there are, and of how many keys and points. It
// opens none: a wrap that stands there need not be right.
func KeyReaders(ctx context.Context, repo *Repository) (readers []KeyReader, keys, points int64, err error) {
	listing, err := repo.List(ctx)
	if err != nil {
		return nil, 0, 0, err
	}
	found, err := surveyKeys(ctx, repo.store)
	if err != nil {
		return nil, 0, 0, err
	}
	byID, byReader := map[string]wrappedKey{}, map[string]*KeyReader{}
	for _, k := range found {
		byID[k.id] = k
		for holder := range k.wraps {
			if byReader[holder] == nil {
				byReader[holder] = &KeyReader{Fingerprint: holder}
			}
			if k.id == digestKeyID {
				byReader[holder].DigestKey = true
			} else {
				byReader[holder].Keys++
			}
		}
	}
	for _, p := range listing.Points {
		if p.Untrusted != nil {
			continue // it may name any key
		}
		points++
		for holder, reader := range byReader {
			if !slices.ContainsFunc(p.runKeys(), func(key string) bool { return !byID[key].has(holder) }) {
				reader.Points++
			}
		}
	}
	for _, reader := range byReader {
		readers = append(readers, *reader)
	}
	slices.SortFunc(readers, func(a, b KeyReader) int {
		return cmp.Or(cmp.Compare(b.Points, a.Points), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return readers, int64(len(found) - 1), points, nil
}
