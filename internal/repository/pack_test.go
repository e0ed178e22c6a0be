package repository_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// packed is an object that was added to a pack.
type packed struct {
	key     string
	members []member
	at      repository.Extent
}

type member struct {
	plain      []byte
	compressed bool
}

func (p packed) content() []byte {
	var all []byte
	for _, m := range p.members {
		all = append(all, m.plain...)
	}
	return all
}

// writePack writes objects into one pack and opens the point that holds it.
func writePack(t rapid.TB, ctx context.Context, f *repotest.Fixture, w *repository.Writer, objects []packed) (*repository.SourceReader, repository.PackRef) {
	t.Helper()
	draft, err := w.Begin(ctx, "manual", nil)
	if err != nil {
		t.Fatal(err)
	}
	part := draft.Source("media", repotest.SampleKind, 1)
	pack, err := part.CreatePack(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range objects {
		for _, m := range o.members {
			stored := m.plain
			if m.compressed {
				stored = frame(t, m.plain)
			}
			at, err := pack.Add(o.key, m.compressed, int64(len(stored)), bytes.NewReader(stored))
			if err != nil {
				t.Fatal(err)
			}
			objects[i].at.Join(at)
		}
	}
	ref, err := pack.Commit()
	if err != nil {
		t.Fatal(err)
	}
	part.Summarize(repository.Summary{})
	manifest, err := draft.Commit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	readers := w.Unlock(&repository.Point{Manifest: manifest}, []seal.Identity{f.Operator})
	return readers[0], ref
}

func frame(t rapid.TB, plain []byte) []byte {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true))
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	return encoder.EncodeAll(plain, nil)
}

// noise does not compress.
func noise(n int) []byte {
	p := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(p)
	return p
}

// requireExtents reads every object both ways (invariant 3).
func requireExtents(t rapid.TB, ctx context.Context, from *repository.SourceReader, ref repository.PackRef, objects []packed) {
	t.Helper()
	for _, o := range objects {
		got, err := readExtent(ctx, from, ref, o.key, o.at)
		if err != nil || !bytes.Equal(got, o.content()) {
			t.Fatalf("object %q at %+v: got %d bytes, %v; want %d", o.key, o.at, len(got), err, len(o.content()))
		}
	}
	pack, err := from.OpenPack(ctx, ref)
	if err != nil {
		t.Fatal(err)
	}
	defer pack.Close()
	ordinal := 0
	for _, o := range objects {
		for _, m := range o.members {
			ordinal++
			header, content, err := pack.Next()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(content)
			if err != nil || !bytes.Equal(got, m.plain) || header.Key != o.key || header.Ordinal != ordinal || header.Compressed != m.compressed {
				t.Fatalf("member %d: %+v, %d bytes, %v; want %q, %d bytes", ordinal, header, len(got), err, o.key, len(m.plain))
			}
		}
	}
	if _, _, err := pack.Next(); !errors.Is(err, io.EOF) {
		t.Fatalf("after the last member: %v", err)
	}
}

func readExtent(ctx context.Context, from *repository.SourceReader, ref repository.PackRef, key string, at repository.Extent) ([]byte, error) {
	object, err := from.OpenExtent(ctx, ref, key, at)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(object)
	return got, errors.Join(err, object.Close())
}

func TestPacks(t *testing.T) {
	raw := func(key string, sizes ...int) packed {
		o := packed{key: key}
		for _, n := range sizes {
			o.members = append(o.members, member{noise(n), false})
		}
		return o
	}
	tests := map[string][]packed{
		"one byte":              {raw("a", 1)},
		"nothing but a header":  {raw("a", 0)},
		"several":               {raw("a", 10), raw("b", 600), raw("c", 511), raw("d", 512), raw("e", 513)},
		"of several members":    {raw("a", 10), raw("big", 9000, 9000, 1), raw("b", 3)},
		"beyond age's chunks":   {raw("a", 10), raw("big", 64<<10, 64<<10+1, 200_000), raw("b", 3)},
		"small ones behind":     {raw("big", 300_000), raw("x", 1), raw("y", 2), raw("z", 3)},
		"ends with a chunk":     {raw("big", 64<<10-1536-1024-512)},
		"raw and compressed":    {{key: "mixed", members: []member{{noise(5000), false}, {bytes.Repeat([]byte("x"), 70_000), true}, {nil, true}, {noise(10), false}}}},
		"keys that would hurt":  {raw("../../etc/passwd", 10), raw("/abs", 1), raw("a\nb=c", 2), raw("漢字/ü", 3), raw(string(bytes.Repeat([]byte("k"), 1024)), 4), raw("-rf *", 5), raw("x\xff\xfe", 6)},
		"one key, two contents": {raw("same", 5), raw("same", 7)},
	}
	for name, objects := range tests {
		t.Run(name, func(t *testing.T) {
			f, _ := newFixture(t)
			from, ref := writePack(t, t.Context(), f, f.Writer(t), objects)
			requireExtents(t, t.Context(), from, ref, objects)
		})
	}
}

func TestAnyExtentReadEqualsWhatWasAdded(t *testing.T) {
	f, _ := newFixture(t)
	w := f.Writer(t)
	sizes := rapid.OneOf(rapid.IntRange(0, 40), rapid.IntRange(500, 530), rapid.IntRange(64_000, 67_000), rapid.IntRange(0, 140_000))
	rapid.Check(t, func(r *rapid.T) {
		objects := make([]packed, rapid.IntRange(1, 4).Draw(r, "objects"))
		for i := range objects {
			objects[i].key = fmt.Sprint(i, rapid.StringN(0, 20, -1).Draw(r, "key"))
			for range rapid.IntRange(1, 2).Draw(r, "members") {
				objects[i].members = append(objects[i].members, member{noise(sizes.Draw(r, "size")), rapid.Bool().Draw(r, "compressed")})
			}
		}
		from, ref := writePack(r, t.Context(), f, w, objects)
		requireExtents(r, t.Context(), from, ref, objects)
	})
}

func TestExtentThatIsNotTheObjects(t *testing.T) {
	f, _ := newFixture(t)
	objects := []packed{
		{key: "a", members: []member{{noise(700), false}}},
		{key: "b", members: []member{{noise(800), false}, {noise(900), false}}},
	}
	from, ref := writePack(t, t.Context(), f, f.Writer(t), objects)
	a, b := objects[0].at, objects[1].at
	tests := map[string]struct {
		key string
		at  repository.Extent
	}{
		"another object's":   {"a", b},
		"another's ordinal":  {"b", repository.Extent{Ordinal: 1, Members: 2, Offset: b.Offset, Length: b.Length}},
		"too few members":    {"b", repository.Extent{Ordinal: b.Ordinal, Members: 3, Offset: b.Offset, Length: b.Length}},
		"cut":                {"a", repository.Extent{Ordinal: 1, Members: 1, Offset: a.Offset, Length: a.Length - 512}},
		"in the middle":      {"a", repository.Extent{Ordinal: 1, Members: 1, Offset: a.Offset + 512, Length: a.Length}},
		"beyond the end":     {"b", repository.Extent{Ordinal: 2, Members: 2, Offset: b.Offset, Length: 1 << 40}},
		"before the start":   {"a", repository.Extent{Ordinal: 1, Members: 1, Offset: -512, Length: a.Length}},
		"larger than memory": {"a", repository.Extent{Ordinal: 1, Members: 1, Offset: 1 << 62, Length: 1 << 62}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := readExtent(t.Context(), from, ref, tt.key, tt.at)
			requireKind(t, err, fault.Corrupt)
		})
	}
}

func TestDamagedPackIsFoundBothWays(t *testing.T) {
	f, m := newFixture(t)
	objects := []packed{{key: "a", members: []member{{noise(700), false}}}, {key: "b", members: []member{{noise(90_000), true}}}}
	from, ref := writePack(t, t.Context(), f, f.Writer(t), objects)
	path := "packs/" + ref.ID[:2] + "/" + ref.ID + ".tar.age"
	good := m.Content(path)
	flipped := func(i int) []byte {
		b := bytes.Clone(good)
		b[i] ^= 1
		return b
	}
	damages := map[string][]byte{
		"missing": nil, "empty": {}, "cut in the header": good[:100], "cut in the middle": good[:70_000], "cut at its end": good[:len(good)-1],
		"a bit of the header": flipped(60), "a bit in the middle": flipped(40_000), "a bit at the end": flipped(len(good) - 5),
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			m.Damage(path, damage)
			defer m.Damage(path, good)
			requireKind(t, readWhole(t.Context(), from, ref), fault.Corrupt)
			last := objects[1]
			_, err := readExtent(t.Context(), from, ref, last.key, last.at)
			requireKind(t, err, fault.Corrupt)
		})
	}
}

func TestPackWithAByteTooManyIsFoundWhenItIsReadWhole(t *testing.T) {
	f, m := newFixture(t)
	from, ref := writePack(t, t.Context(), f, f.Writer(t), []packed{{key: "a", members: []member{{noise(700), false}}}})
	path := "packs/" + ref.ID[:2] + "/" + ref.ID + ".tar.age"
	m.Damage(path, append(m.Content(path), 0))
	requireKind(t, readWhole(t.Context(), from, ref), fault.Corrupt)
}

func readWhole(ctx context.Context, from *repository.SourceReader, ref repository.PackRef) error {
	pack, err := from.OpenPack(ctx, ref)
	if err != nil {
		return err
	}
	defer pack.Close()
	for {
		_, content, err := pack.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			_, err = io.Copy(io.Discard, content)
		}
		if err != nil {
			return err
		}
	}
}

func TestMemberOfAnotherSizeIsRefused(t *testing.T) {
	for name, size := range map[string]int64{"more than said": 9, "less than said": 11} {
		t.Run(name, func(t *testing.T) {
			f, _ := newFixture(t)
			pack, err := begin(t, f.Writer(t), "manual").Source("media", repotest.SampleKind, 1).CreatePack(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer pack.Abort()
			if _, err := pack.Add("a", false, size, bytes.NewReader(noise(10))); err == nil {
				t.Error("taken")
			}
		})
	}
}

// What has not changed is not written again, and what was kept still restores.
func TestUnchangedSegmentsAndPacksAreKept(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	s := sample()
	for i := range 20 {
		s.Objects[fmt.Sprintf("k%02d", i)] = fmt.Sprint("content ", i)
	}
	first := mustTake(t, w, "manual", s)
	shared := sharedFiles(m)

	second := mustTake(t, w, "manual", s)
	if got := sharedFiles(m); s.Kept() != 8 || !slices.Equal(got, shared) {
		t.Errorf("kept %d segments and wrote %d shared files, want 8 and none", s.Kept(), len(got)-len(shared))
	}
	if !slices.Equal(second.Keys.Packs, first.Keys.Packs) {
		t.Errorf("the second point needs keys %v, want %v", second.Keys.Packs, first.Keys.Packs)
	}

	s.Objects["k07"] = "changed"
	third := mustTake(t, w, "manual", s)
	if got := sharedFiles(m); s.Kept() != 7 || len(got) != len(shared)+3 {
		t.Errorf("kept %d segments and wrote %d shared files, want 7, and a pack and a segment of two files", s.Kept(), len(got)-len(shared))
	}
	if len(third.Keys.Packs) != 2 {
		t.Errorf("the third point needs keys %v, want both", third.Keys.Packs)
	}
	requireRestores(t, f, third.Point, s)
}

func sharedFiles(m *repotest.Memory) []string {
	return slices.DeleteFunc(m.Names(), func(name string) bool {
		return !bytes.HasPrefix([]byte(name), []byte("index/")) && !bytes.HasPrefix([]byte(name), []byte("packs/"))
	})
}

// requireRestores brings a point back and compares it with what was captured.
func requireRestores(t *testing.T, f *repotest.Fixture, id string, want *repotest.Sample) {
	t.Helper()
	got := &repotest.Sample{Name: want.Name, Bucket: want.Bucket}
	if _, err := got.Restore(t.Context(), f.Source(t, id, want.Name), nil, nil); err != nil {
		t.Fatal(err)
	}
	requireSame(t, got, want)
}

func requireSame(t *testing.T, got, want *repotest.Sample) {
	t.Helper()
	if len(got.Tables) != len(want.Tables) || len(got.Objects) != len(want.Objects) {
		t.Fatalf("got %d tables and %d objects, want %d and %d", len(got.Tables), len(got.Objects), len(want.Tables), len(want.Objects))
	}
	for name, rows := range want.Tables {
		if got.Tables[name] != rows {
			t.Errorf("table %s differs", name)
		}
	}
	for key, content := range want.Objects {
		if got.Objects[key] != content {
			t.Errorf("object %s differs", key)
		}
	}
}

func TestSegmentNeedsItsPacksCommitted(t *testing.T) {
	f, _ := newFixture(t)
	segment, err := begin(t, f.Writer(t), "manual").Source("media", repotest.SampleKind, 1).CreateSegment()
	if err != nil {
		t.Fatal(err)
	}
	if err := segment.Add(repository.IndexEntry{Key: "a", Pack: "somewhere", Extent: repository.Extent{Members: 1}}); err != nil {
		t.Fatal(err)
	}
	_, err = segment.Commit(t.Context(), func(string) (repository.PackRef, bool) { return repository.PackRef{}, false })
	if err == nil {
		t.Error("written, though its pack is not")
	}
}
