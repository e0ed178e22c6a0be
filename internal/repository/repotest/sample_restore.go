package repotest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/source"
)

// ServerID implements source.Recognizable.
func (s *Sample) ServerID(ctx context.Context) (string, error) { return s.Server, ctx.Err() }

// Plan implements source.Restorer.
func (s *Sample) Plan(_ context.Context, from *repository.SourceReader, want source.Selection) (*source.Plan, error) {
	plan := &source.Plan{Private: want.Attempt, Steps: []source.Step{{Action: "fill", Target: s.target(), Bytes: from.Summary().Bytes}}}
	if n := len(s.Tables) + len(s.Objects); n > 0 && !want.Attempt.HasBegun(s.target()) {
		plan.Occupied = []source.Occupied{{Target: s.target(), Parts: []string{s.Name}, Holds: fmt.Sprintf("%d things", n)}}
	}
	return plan, nil
}

// Restore implements source.Restorer: it replaces what the sample holds.
func (s *Sample) Restore(ctx context.Context, from *repository.SourceReader, plan *source.Plan, _ progress.Reporter) (repository.Summary, error) {
	attempt := source.Attempt{}
	if plan != nil { // tests of the repository restore without a stage
		attempt, _ = plan.Private.(source.Attempt)
	}
	if err := attempt.Begin(ctx, s.target()); err != nil {
		return repository.Summary{}, err
	}
	var record sampleRecord
	if err := from.Captured(&record); err != nil {
		return repository.Summary{}, err
	}
	s.Tables, s.Objects = map[string]string{}, map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(record.Tables)) {
		rows, err := readAll(from.Open(ctx, "000001.tsv", strings.Split(name, "/")...))
		if err != nil {
			return repository.Summary{}, err
		}
		s.Tables[name] = rows
	}
	list, err := from.BucketList(ctx, record.Bucket)
	if err != nil {
		return repository.Summary{}, err
	}
	for i, ref := range list.Segments {
		if err := s.restoreSegment(ctx, from, ref, i%2 == 0); err != nil {
			return repository.Summary{}, err
		}
	}
	return from.Summary(), nil
}

func readAll(file io.ReadCloser, err error) (string, error) {
	if err != nil {
		return "", err
	}
	content, err := io.ReadAll(file)
	return string(content), errors.Join(err, file.Close())
}

// restoreSegment reads objects one by one or, for every other segment, packs as
// a whole: both ways must lead to the same.
func (s *Sample) restoreSegment(ctx context.Context, from *repository.SourceReader, ref repository.SegmentRef, whole bool) error {
	packs, err := from.SegmentPacks(ctx, ref)
	if err != nil {
		return err
	}
	inPacks := map[string]string{}
	for _, p := range packs {
		if !whole {
			break
		}
		if err := readPack(ctx, from, p.PackRef, inPacks); err != nil {
			return err
		}
	}
	return eachEntry(ctx, from, ref, func(e repository.IndexEntry) (err error) {
		content := inPacks[fmt.Sprint(e.Pack, e.Ordinal)]
		if !whole && e.Pack != "" {
			i := slices.IndexFunc(packs, func(p repository.SegmentPack) bool { return p.ID == e.Pack })
			content, err = readAll(from.OpenExtent(ctx, packs[i].PackRef, e.Key, e.Extent))
		}
		for n := 1; whole && n < e.Members; n++ {
			content += inPacks[fmt.Sprint(e.Pack, e.Ordinal+n)]
		}
		if err == nil && hashOf(content) != e.SHA256 {
			err = fault.New(fault.Corrupt, "restore object", "%q is not the object that was captured", e.Key)
		}
		s.Objects[e.Key] = content
		return err
	})
}

func readPack(ctx context.Context, from *repository.SourceReader, ref repository.PackRef, into map[string]string) (err error) {
	pack, err := from.OpenPack(ctx, ref)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pack.Close()) }()
	for {
		member, content, err := pack.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		plain, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		into[fmt.Sprint(ref.ID, member.Ordinal)] = string(plain)
	}
}

// Compare implements source.Restorer.
func (s *Sample) Compare(ctx context.Context, from *repository.SourceReader, _ *source.Plan, _ progress.Reporter) (*source.Comparison, error) {
	var record sampleRecord
	if err := from.Captured(&record); err != nil {
		return nil, err
	}
	key, err := from.DigestKey(ctx)
	if err != nil {
		return nil, err
	}
	hasher, result := seal.NewHasher(key), new(source.Comparison)
	for name, want := range record.Tables {
		compare(result, name, want.Digest, digest(hasher, s.Tables[name]))
	}
	list, err := from.BucketList(ctx, record.Bucket)
	if err != nil {
		return nil, err
	}
	var sum seal.Digest
	for object, content := range s.Objects {
		sum.Add(digest(hasher, object+"\x00"+content))
	}
	compare(result, record.Bucket, list.Digest, sum)
	return result, nil
}

func compare(result *source.Comparison, name string, want, got seal.Digest) {
	result.Items = append(result.Items, source.Compared{Name: name, Equal: want == got})
	if want != got {
		result.Differences = append(result.Differences, source.Difference{Object: name, What: "digest", Want: want.String(), Got: got.String()})
	}
}
