package repository

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// Damage says how a stored file departs from what the point says of it.
type Damage string

// Kinds of damage.
const (
	Intact    Damage = ""
	Missing   Damage = "missing"
	Truncated Damage = "truncated"
	Altered   Damage = "altered"
)

// FileStatus is a file that a point needs and what was found of it.
type FileStatus struct {
	File
	Damage Damage `json:"damage,omitempty"`
}

// Files returns every file that a point needs: its own, and the segments and
// packs that its bucket lists lead to. No key is needed.
func (r *Repository) Files(ctx context.Context, p *Point) ([]File, error) {
	return r.withShared(ctx, p.Files)
}

// withShared adds to files of a point what the bucket lists among them need.
func (r *Repository) withShared(ctx context.Context, own []File) ([]File, error) {
	all := map[string]File{}
	for _, f := range own {
		all[f.Path] = f
		if !isBucketList(f) {
			continue
		}
		if err := r.sharedFiles(ctx, f, all); err != nil {
			return nil, err
		}
	}
	files := make([]File, 0, len(all))
	for _, path := range slices.Sorted(maps.Keys(all)) {
		files = append(files, all[path])
	}
	return files, nil
}

// isBucketList tells the plain files that lead to others.
func isBucketList(f File) bool { return strings.HasSuffix(f.Path, ".json") }

// sharedFiles adds what one bucket list leads to. What cannot be read leads
// nowhere; it is found when its own bytes are looked at.
func (r *Repository) sharedFiles(ctx context.Context, list File, into map[string]File) error {
	var bucket BucketList
	if ok, err := r.readVerified(ctx, list.Path, list.SHA256, &bucket); !ok {
		return err
	}
	for _, ref := range bucket.Segments {
		into[segmentPath(ref.ID)] = File{Path: segmentPath(ref.ID), Size: ref.Size, CRC32C: ref.CRC32C, SHA256: ref.SHA256}
		packsPath := segmentPacksPath(ref.ID)
		into[packsPath] = File{Path: packsPath, Size: unknownSize, SHA256: ref.PacksSHA256}
		var packs SegmentPacks
		ok, err := r.readVerified(ctx, packsPath, ref.PacksSHA256, &packs)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		for _, pack := range packs.Packs {
			into[packPath(pack.ID)] = fileOf(packPath(pack.ID), pack.sums())
		}
	}
	return nil
}

// sharedStrictly is sharedFiles where it matters that nothing is left out: what
// cannot be read, or is not as it was written, is an error.
func (r *Repository) sharedStrictly(ctx context.Context, list File, into map[string]File) error {
	read := func(path, sha256 string, into any) error {
		ok, err := r.readVerified(ctx, path, sha256, into)
		if err == nil && !ok {
			err = fault.New(fault.Corrupt, "read "+path, "it is missing, or not as it was written").On(r.URL())
		}
		return err
	}
	var bucket BucketList
	if err := read(list.Path, list.SHA256, &bucket); err != nil {
		return err
	}
	for _, ref := range bucket.Segments {
		if err := read(segmentPacksPath(ref.ID), ref.PacksSHA256, new(SegmentPacks)); err != nil {
			return err
		}
	}
	return r.sharedFiles(ctx, list, into)
}

// unknownSize marks a file whose size is not recorded, only its SHA-256.
const unknownSize = -1

// readVerified reads a small plain file; ok is false where it is not there or
// not what it must be.
func (r *Repository) readVerified(ctx context.Context, path, sha256 string, into any) (ok bool, err error) {
	data, err := r.contents.plain(ctx, path, sha256)
	if errors.Is(err, storage.ErrNotExist) || errors.Is(err, storage.ErrChecksum) || errors.Is(err, seal.ErrAltered) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", path, err)
	}
	return json.Unmarshal(data, into) == nil, nil
}

// Verify reads every file that a point needs, and reports each with what was
// found. It needs no key and changes nothing.
func (r *Repository) Verify(ctx context.Context, p *Point) ([]FileStatus, error) {
	files, err := r.Files(ctx, p)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	statuses := make([]FileStatus, len(files))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	for i, f := range files {
		group.Go(func() error {
			status, err := r.verifyFile(ctx, f)
			mu.Lock()
			defer mu.Unlock()
			statuses[i] = status
			return err
		})
	}
	return statuses, group.Wait()
}

func (r *Repository) verifyFile(ctx context.Context, f File) (FileStatus, error) {
	return verifyFile(f, func() (io.ReadCloser, error) { return r.contents.open(ctx, f, 0, -1) })
}

func verifyFile(f File, open func() (io.ReadCloser, error)) (FileStatus, error) {
	status := FileStatus{File: f}
	body, err := open()
	if errors.Is(err, storage.ErrNotExist) {
		status.Damage = Missing
		return status, nil
	}
	if err != nil {
		return status, fmt.Errorf("read %s: %w", f.Path, err)
	}
	sum := sha256.New()
	n, err := io.Copy(sum, body)
	if err = errors.Join(err, body.Close()); err != nil && !errors.Is(err, storage.ErrChecksum) {
		return status, fmt.Errorf("read %s: %w", f.Path, err)
	}
	switch {
	case f.Size != unknownSize && n < f.Size:
		status.Damage = Truncated
	case err != nil, f.Size != unknownSize && n > f.Size, hex.EncodeToString(sum.Sum(nil)) != f.SHA256:
		status.Damage = Altered
	}
	status.Size = n
	return status, nil
}

// Intact reads files, and reports whether every one is what it must be.
func (r *Repository) Intact(ctx context.Context, files []File) (bool, error) {
	for _, f := range files {
		status, err := r.verifyFile(ctx, f)
		if err != nil || status.Damage != Intact {
			return false, err
		}
	}
	return true, nil
}

// PackFile is a pack as a file.
func PackFile(p PackRef) File { return fileOf(packPath(p.ID), p.sums()) }

// RequireIntact returns a fault.Corrupt error that names the damaged files.
func RequireIntact(point string, statuses []FileStatus) error {
	var damaged []string
	for _, s := range statuses {
		if s.Damage != Intact {
			damaged = append(damaged, string(s.Damage)+": "+s.Path)
		}
	}
	if len(damaged) == 0 {
		return nil
	}
	shown := damaged[:min(3, len(damaged))]
	return fault.New(fault.Corrupt, "read the files of point "+point, "%d of %d are damaged (%s)", len(damaged), len(statuses), strings.Join(shown, ", ")).
		Hint("openim-dr show %s --files lists them; restore an older point, or only what is intact", point)
}

// CheckPresent fails with fault.Corrupt if one of the source's own files, or one
// that it leads to, is not there with its size, and returns how many there are. It
// reads no content. What else the point holds may be damaged: what is intact must
// come back.
func (s *SourceReader) CheckPresent(ctx context.Context, own []File) (int, error) {
	files, err := s.repo.withShared(ctx, own)
	if err != nil {
		return 0, err
	}
	statuses := make([]FileStatus, len(files))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	for i, f := range files {
		group.Go(func() error {
			damage, err := s.repo.contents.look(ctx, f)
			if err != nil {
				return fmt.Errorf("look at %s: %w", f.Path, err)
			}
			statuses[i] = FileStatus{f, damage}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	return len(files), RequireIntact(s.point.Point, statuses)
}
