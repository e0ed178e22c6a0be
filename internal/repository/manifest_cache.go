package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// manifestCache keeps manifests and their signatures on this machine, so that a
// list need not fetch thousands of them again. It is never trusted over the
// repository: what it holds counts only while the storage has the very object
// that it was read from, by generation, size and (where the storage keeps one)
// checksum, and its signature is verified like any other. A cache that cannot be read or written is none.
type manifestCache struct {
	dir string // empty: nothing is kept
}

// cachedManifest is one file of the cache.
type cachedManifest struct {
	Generation string `json:"generation"`
	Manifest   string `json:"manifest"`
	Signature  string `json:"signature"`
}

func newManifestCache(dir, repository string) manifestCache {
	if dir == "" || !isName(repository) {
		return manifestCache{}
	}
	return manifestCache{filepath.Join(dir, "manifests", repository)}
}

func (c manifestCache) path(point string) string { return filepath.Join(c.dir, point+".json") }

// get returns a manifest and its signature, if they are of the object that the
// storage describes.
func (c manifestCache) get(point string, there storage.Info) (data, signature []byte, ok bool) {
	if c.dir == "" || there.Generation == "" {
		return nil, nil, false
	}
	file, err := os.ReadFile(c.path(point))
	if err != nil {
		return nil, nil, false
	}
	var kept cachedManifest
	if json.Unmarshal(file, &kept) != nil || kept.Generation != there.Generation {
		return nil, nil, false
	}
	data = []byte(kept.Manifest)
	if there.Check(int64(len(data)), seal.SumOf(data).CRC32C) != nil {
		return nil, nil, false
	}
	return data, []byte(kept.Signature), true
}

// put keeps a manifest whose signature counts, or a fence. It replaces a file as a whole, so
// that nobody reads half of one.
func (c manifestCache) put(point string, there storage.Info, data, signature []byte) {
	if c.dir == "" || there.Generation == "" {
		return
	}
	if there.Check(int64(len(data)), seal.SumOf(data).CRC32C) != nil {
		return // it was replaced between the two looks
	}
	file, err := json.Marshal(cachedManifest{there.Generation, string(data), string(signature)})
	if err != nil || os.MkdirAll(c.dir, 0o700) != nil {
		return
	}
	temporary, err := os.CreateTemp(c.dir, "new-*")
	if err != nil {
		return
	}
	_, err = temporary.Write(file)
	if closed := temporary.Close(); err != nil || closed != nil || os.Rename(temporary.Name(), c.path(point)) != nil {
		_ = os.Remove(temporary.Name()) // best effort: it harms nothing
	}
}

// keepOnly removes what is kept of points and runs that are not there any more.
func (c manifestCache) keepOnly(l *Listing) {
	if c.dir == "" {
		return
	}
	files, err := os.ReadDir(c.dir)
	if err != nil {
		return
	}
	there := map[string]bool{}
	for _, p := range l.Points {
		there[p.Point+".json"] = true
	}
	for _, run := range l.fenced {
		there[run+".json"] = true
	}
	for _, f := range files {
		if !there[f.Name()] {
			_ = os.Remove(filepath.Join(c.dir, f.Name())) // best effort: it harms nothing
		}
	}
}

// perPoint is how many files of a point are listed for the sake of its manifest:
// of a storage far away, a page of a thousand names costs as much as some fifty
// single looks.
const perPoint = 16

// glance looks at many manifests with few requests: where there is a cache, a
// listing says whether what it holds is still there. It ends where points have so
// many files that single looks are cheaper; what is not in it is looked at singly.
func (r *Repository) glance(ctx context.Context) (map[string]*storage.Info, error) {
	if r.cache.dir == "" {
		return nil, nil // "nothing was seen" is an answer
	}
	seen, files := map[string]*storage.Info{}, 0
	err := r.store.List(ctx, pointsDir, func(i storage.Info) error {
		if at := locate(i.Name); at.place == placeManifest && !at.signature {
			seen[at.owner] = &i
		}
		if files++; files > 1000+perPoint*len(seen) {
			return errListed
		}
		return nil
	})
	if err != nil && !errors.Is(err, errListed) {
		return nil, fmt.Errorf("list points in %s: %w", r.URL(), err)
	}
	return seen, nil
}

// readManifest reads a manifest and its signature, from the cache where that has
// the object which is there. The parser is left with it.
func (r *Repository) readManifest(ctx context.Context, id string, there storage.Info, parser *manifestParser) (*signedFile, error) {
	if data, signature, ok := r.cache.get(id, there); ok {
		if parser.fence(data) && r.fenceCounts(id, data) {
			return &signedFile{data: data, untrusted: errAlone}, nil
		}
		signer, untrusted := r.trust.Verify(seal.RoleWriter, data, signature, parser.started(data))
		if untrusted == nil {
			return &signedFile{data: data, signature: signature, signer: signer}, nil
		}
	}
	reader := signedReader{store: r.store, trust: r.trust, claimed: parser.started, roles: []seal.Role{seal.RoleWriter}, alone: parser.fence}
	signed, err := reader.read(ctx, manifestPath(id))
	if err == nil && (signed.untrusted == nil || errors.Is(signed.untrusted, errAlone)) {
		r.cache.put(id, there, signed.data, signed.signature)
	}
	return signed, err
}

// fenceCounts reports whether what is kept is a fence that somebody trusted has made.
func (r *Repository) fenceCounts(run string, data []byte) bool {
	var f Fence
	return json.Unmarshal(data, &f) == nil && f.judge(run, r.record.Repository, r.trust) == Intact
}
