package verify

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// mostCopied bounds a file that is held in memory in another one's place.
const mostCopied = 8 << 20

// victim is a file of a point, and how a restore reads it.
type victim struct {
	kind string
	file repository.File
	read func(ctx context.Context, from *repository.SourceReader) error
}

// victims picks, by chance, one small file of each kind that the source has in its
// point: a file of its own, a segment of the index, and a pack.
func (r *run) victims(ctx context.Context, m Member) ([]victim, error) {
	from := r.reader(m.Source)
	var victims []victim
	if own := r.smallest(from.Files()); len(own) > 0 {
		victims = append(victims, ownFile(own[0]))
	}
	segments, err := from.Segments(ctx)
	if err != nil || len(segments) == 0 {
		return victims, err
	}
	segment := segments[rand.IntN(len(segments))]
	victims = append(victims, victim{"a segment of the index", repository.SegmentFile(segment), func(ctx context.Context, from *repository.SourceReader) error {
		return readSegment(ctx, from, segment)
	}})
	packs, err := from.SegmentPacks(ctx, segment)
	if err != nil || len(packs) == 0 {
		return victims, err
	}
	// One pack may be a single object of many gigabytes, and it is read whole.
	pack := slices.MinFunc(packs, func(a, b repository.SegmentPack) int { return cmp.Compare(a.Size, b.Size) }).PackRef
	return append(victims, victim{"a pack", repository.PackFile(pack), func(ctx context.Context, from *repository.SourceReader) error {
		return readPack(ctx, from, pack)
	}}), nil
}

// smallest returns the smallest sealed files in an order of chance.
func (r *run) smallest(files []repository.File) []repository.File {
	files = slices.DeleteFunc(files, func(f repository.File) bool { return !f.Sealed() || f.Size == 0 || f.Size > mostCopied })
	slices.SortFunc(files, func(a, b repository.File) int { return int(a.Size - b.Size) })
	files = files[:min(len(files), 64)]
	rand.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	return files
}

func ownFile(file repository.File) victim {
	return victim{"a file", file, func(ctx context.Context, from *repository.SourceReader) error {
		opened, err := from.OpenFile(ctx, file)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, opened)
		return errors.Join(err, opened.Close())
	}}
}

func readSegment(ctx context.Context, from *repository.SourceReader, ref repository.SegmentRef) error {
	segment, err := from.Segment(ctx, ref)
	for err == nil {
		_, err = segment.Next()
	}
	if errors.Is(err, io.EOF) {
		return segment.Close()
	}
	return err
}

func readPack(ctx context.Context, from *repository.SourceReader, ref repository.PackRef) error {
	pack, err := from.OpenPack(ctx, ref)
	for err == nil {
		var content io.Reader
		if _, content, err = pack.Next(); err == nil {
			_, err = io.Copy(io.Discard, content)
		}
	}
	if errors.Is(err, io.EOF) {
		return pack.Close()
	}
	return err
}

// fileTests are the damages to the files of one source in its point.
func (r *run) fileTests(ctx context.Context, m Member) ([]selfTest, error) {
	victims, err := r.victims(ctx, m)
	if err != nil {
		return nil, err
	}
	var tests []selfTest
	for _, v := range victims {
		tests = append(tests, selfTest{"a flipped byte in " + v.kind + " of " + m.Source, func(ctx context.Context) (bool, string, error) {
			at := rand.Int64N(v.file.Size)
			return r.readDamaged(ctx, m, v, flipped{r.Store, v.file.Path, at, 1 << rand.IntN(8)})
		}})
		tests = append(tests, selfTest{"a missing file: " + v.kind + " of " + m.Source, func(ctx context.Context) (bool, string, error) {
			from, err := r.overlaid(ctx, m, altered{r.Store, v.file.Path, nil})
			if err != nil {
				return false, "", err
			}
			own := from.Files()
			if slices.Contains(own, v.file) {
				own = []repository.File{v.file}
			}
			_, err = from.CheckPresent(ctx, own)
			return found(err)
		}})
	}
	if own := r.smallest(r.reader(m.Source).Files()); len(own) > 1 {
		tests = append(tests, selfTest{"a file of " + m.Source + " in the place of another", func(ctx context.Context) (bool, string, error) {
			content, err := storage.Get(ctx, r.Store, own[1].Path, mostCopied)
			if err != nil {
				return false, "", err
			}
			return r.readDamaged(ctx, m, ownFile(own[0]), altered{r.Store, own[0].Path, content})
		}})
	}
	return tests, nil
}

// readDamaged reads a file, as a restore does, from a private copy.
func (r *run) readDamaged(ctx context.Context, m Member, v victim, store storage.Reader) (bool, string, error) {
	from, err := r.overlaid(ctx, m, store)
	if err != nil {
		return false, "", err
	}
	return found(v.read(ctx, from))
}

// overlaid reads a source of a point from a private copy of the storage.
func (r *run) overlaid(ctx context.Context, m Member, store storage.Reader) (*repository.SourceReader, error) {
	repo, err := repository.Open(ctx, store, repository.Options{Trust: r.Trust})
	if err != nil {
		return nil, err
	}
	from, _ := repository.SourceOf(repo.Unlock(m.Point, r.Identities), m.Source)
	return from, nil
}

// found reads an error as the answer to a damage.
func found(err error) (bool, string, error) {
	switch {
	case err == nil:
		return false, "it was read without an error", nil
	case fault.KindOf(err) == fault.Corrupt:
		return true, "reading it failed, as it must", nil
	default:
		return false, "", err
	}
}

// pointTests are the damages to what makes a point.
func (r *run) pointTests(point *repository.Point) []selfTest {
	path, signaturePath := repository.ManifestFiles(point.Point)
	return []selfTest{
		{"a manifest that says something else, of point " + point.Point, func(ctx context.Context) (bool, string, error) {
			content, err := storage.Get(ctx, r.Store, path, mostManifest)
			if err != nil {
				return false, "", err
			}
			seq := fmt.Appendf(nil, "\"seq\": %d", point.Seq)
			stale := bytes.Replace(content, seq, fmt.Appendf(nil, "\"seq\": %d", point.Seq+1), 1)
			return r.distrusted(ctx, point, altered{r.Store, path, stale})
		}},
		{"a manifest of another point in the place of " + point.Point, func(ctx context.Context) (bool, string, error) {
			other := r.otherPoint(point)
			if other == nil {
				return false, "", errNothingToDamage
			}
			otherPath, _ := repository.ManifestFiles(other.Point)
			content, err := storage.Get(ctx, r.Store, otherPath, mostManifest)
			if err != nil {
				return false, "", err
			}
			return r.distrusted(ctx, point, altered{r.Store, path, content})
		}},
		{"a forged signature of point " + point.Point, func(ctx context.Context) (bool, string, error) {
			signature, err := r.forge(ctx, path)
			if err != nil {
				return false, "", err
			}
			return r.distrusted(ctx, point, altered{r.Store, signaturePath, signature})
		}},
	}
}

// mostManifest bounds a manifest.
const mostManifest = 1 << 30

// otherPoint returns a point that stands for an old one, or nil.
func (r *run) otherPoint(point *repository.Point) *repository.Point {
	for _, p := range r.Set.listing.Points {
		if p.Point != point.Point {
			return p
		}
	}
	return nil
}

// forge signs a file with a key that nobody trusts.
func (r *run) forge(ctx context.Context, path string) ([]byte, error) {
	content, err := storage.Get(ctx, r.Store, path, mostManifest)
	if err != nil {
		return nil, err
	}
	forger, err := seal.GenerateSigner()
	if err != nil {
		return nil, err
	}
	return forger.Sign(content, path)
}

// distrusted reports whether a point from a private copy is not trusted.
func (r *run) distrusted(ctx context.Context, point *repository.Point, store storage.Reader) (bool, string, error) {
	repo, err := repository.Open(ctx, store, repository.Options{Trust: r.Trust})
	if err != nil {
		return false, "", err
	}
	read, err := repo.Point(ctx, point.Point)
	if err != nil {
		return found(err)
	}
	if read.Untrusted == nil {
		return false, "it passes as signed by " + read.Signer, nil
	}
	return true, "it was not trusted, as it must be", nil
}
