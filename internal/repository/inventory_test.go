package repository

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Every name that was added is found under its number, and no other one is.
func TestNameTable(t *testing.T) {
	name := rapid.StringMatching(`[a-c/.]{1,12}`)
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(name, 0, 80, rapid.ID[string]).Draw(t, "names")
		slices.Sort(names)
		var table nameTable
		for _, n := range names {
			if err := table.add(n); err != nil {
				t.Fatal(err)
			}
		}
		for i, n := range names {
			if got := table.search(n); got != i || table.at(i) != n {
				t.Fatalf("%q is number %d, %q; want %d", n, got, table.at(got), i)
			}
		}
		probe := name.Draw(t, "probe")
		want, _ := slices.BinarySearch(names, probe)
		if got := table.search(probe); got != want {
			t.Fatalf("%q would be number %d, want %d", probe, got, want)
		}
		from := rapid.IntRange(0, len(names)).Draw(t, "from")
		to := rapid.IntRange(from, len(names)).Draw(t, "to")
		var got []string
		table.each(from, to, func(_ int, n string) error {
			got = append(got, n)
			return nil
		})
		if !slices.Equal(got, names[from:to]) {
			t.Fatalf("from %d to %d: %q, want %q", from, to, got, names[from:to])
		}
	})
}

// So many names that they do not stand in one chunk.
func TestNameTableOfManyNames(t *testing.T) {
	const many = 200_000
	name := func(i int) string { return fmt.Sprintf("packs/%09d/%09d", i, i*7919%1_000_000_007) }
	var table nameTable
	for i := range many {
		if err := table.add(name(i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(table.text) < 2 {
		t.Fatalf("%d chunks", len(table.text))
	}
	next := 0
	err := table.each(0, many, func(i int, got string) error {
		if i != next || got != name(i) {
			return fmt.Errorf("number %d is %q, want number %d, %q", i, got, next, name(next))
		}
		next++
		return nil
	})
	if err != nil || next != many {
		t.Fatalf("%d names: %v", next, err)
	}
	for i := 0; i < many; i += 997 {
		if got := table.search(name(i)); got != i || table.at(i) != name(i) {
			t.Errorf("%q is number %d, %q; want %d", name(i), got, table.at(i), i)
		}
	}
}

func TestNameTableRefusesDisorder(t *testing.T) {
	for _, second := range []string{"a", "b"} {
		var table nameTable
		if err := table.add("b"); err != nil {
			t.Fatal(err)
		}
		if table.add(second) == nil {
			t.Errorf("%q after %q is taken", second, "b")
		}
	}
}

func TestBelow(t *testing.T) {
	v := &inventory{}
	names := []string{"keys/a-b/x", "keys/a/x", "keys/a/y", "keys/a0", "keys/b/x"}
	for _, n := range names {
		if err := v.names.add(n); err != nil {
			t.Fatal(err)
		}
	}
	for dir, want := range map[string][2]int{"keys/a/": {1, 3}, "keys/": {0, 5}, "keys/c/": {5, 5}, "index/": {0, 0}} {
		if from, to := v.below(dir); from != want[0] || to != want[1] {
			t.Errorf("%s: from %d to %d, want %v", dir, from, to, want)
		}
	}
}

// What a point and a pruner write is in place; what is nearly so is nowhere.
func TestLocate(t *testing.T) {
	const (
		point = "20261123T020000Z-k3vq"
		key   = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
		id    = "abcdefghijklmnopqrstuvwxyz"
	)
	tests := map[string]place{
		recordPath(12):                             placeRecord,
		"repository/01.json":                       nowhere,
		digestKeyPath(key[:32]):                    placeDigestKey,
		digestKeyPath("x"):                         nowhere,
		startPath(point):                           placeStart,
		startPath("today"):                         nowhere,
		checkpointPath(point, 3):                   placeCheckpoint,
		wrapPath(key, key[:32]):                    placeWrap,
		wrapPath("k", key[:32]):                    nowhere,
		"keys/" + key + "/readme":                  nowhere,
		manifestPath(point):                        placeManifest,
		pointDir(point) + "details.jsonl.zst.age":  placePointFile,
		pointDir(point) + "main/t/000001.tsv":      nowhere,
		pointDir(point) + "main/users.sql.zst.age": placePointFile,
		pointDir(point) + "media/b.json":           placePointFile,
		pointDir(point) + "cluster/objects.jsonl":  placePointFile,
		pointDir(point) + "cluster/other.jsonl":    nowhere,
		pointDir(point) + "objects.jsonl":          nowhere,
		pointDir(point) + "other.json":             nowhere,
		segmentPath(id):                            placeSegment,
		segmentPacksPath(id):                       placeSegmentPacks,
		segmentPath(id[1:]):                        nowhere,
		packPath(id):                               placePack,
		"packs/zz/" + id + ".tar.age":              nowhere,
		statePath(point, 2):                        placeState,
		"proofs/" + point + "/" + point + ".json":  placeProof,
		"proofs/" + point + "/yesterday.json":      nowhere,
		leaseTermPath(StreamLease("a", "b"), 7):    placeLease,
		"leases/a@b/7.json":                        nowhere,
		RestorePath(point, 1):                      placeRestore,
		"log/20261123T020000Z-abcd.json":           placeLog,
		ProbeDir + id + "/turn":                    placeProbe,
		ProbeDir + id + "/race":                    placeProbe,
		ProbeDir + id + "/more":                    nowhere,
		ProbeDir + "turn":                          nowhere,
		"schedules/prod@nightly/1.json":            placeSchedule,
		"schedules/prod@nightly/01.json":           nowhere,
		"schedules/nightly/1.json":                 nowhere,
		"backup.tar":                               nowhere,
		"":                                         nowhere,
	}
	for path, want := range tests {
		if got := locate(path); got.place != want {
			t.Errorf("%s is %d, want %d", path, got.place, want)
		}
		signature := locate(path + signatureSuffix)
		if want.signed() != (signature.place == want && signature.signature) && want != nowhere {
			t.Errorf("the signature of %s is %+v", path, signature)
		}
	}
}

// A listing is a share of what it describes: some fifty bytes a file.
func TestInventoryIsSmall(t *testing.T) {
	const files = 100_000
	v := &inventory{}
	for i := range files {
		name := pointDir(newPointID(time.Unix(int64(i/400), 0))[:17]+"aaaa") + "main/open+i+m_v3/messages/" + leaseTermPath("", int64(i))[8:]
		if err := v.names.add(name); err != nil {
			t.Fatal(err)
		}
	}
	if perFile := float64(len(v.names.text)+8*len(v.names.whole)) / files; perFile > 30 {
		t.Errorf("a name takes %.1f bytes", perFile)
	}
}

func TestCompareListed(t *testing.T) {
	sum := func(n uint32) *uint32 { return &n }
	want := File{Path: "a", Size: 10, CRC32C: 7}
	tests := map[string]struct {
		size int64
		sum  *uint32
		file File
		kind Damage
	}{
		"as it must be":            {10, sum(7), want, Intact},
		"no checksum at hand":      {10, nil, want, Intact},
		"no checksum recorded":     {10, sum(8), File{Path: "a", Size: 10}, Intact},
		"shorter":                  {9, sum(7), want, Truncated},
		"longer":                   {11, sum(7), want, Altered},
		"of another checksum":      {10, sum(8), want, Altered},
		"of a size not recorded":   {3, nil, File{Path: "a", Size: unknownSize}, Intact},
		"neither size nor content": {9, sum(8), want, Truncated},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			found, damaged := compareListed(tt.file, tt.size, tt.sum)
			if found.Kind != tt.kind || damaged != (tt.kind != Intact) {
				t.Errorf("%v, %+v; want %q", damaged, found, tt.kind)
			}
		})
	}
}

// A repository that lost everything must not fill the memory with findings.
func TestFindingsAreBounded(t *testing.T) {
	var f findings
	for i := range maxFindings + 5 {
		f.add(Finding{Kind: Missing, File: randomName(26)}, newPointID(time.Unix(int64(i), 0)))
	}
	for i := range 20 {
		f.add(Finding{Kind: Altered, File: "pack"}, newPointID(time.Unix(int64(20-i), 0)))
	}
	list, counts := f.list()
	if len(list) != maxFindings+1 || counts[Missing] != maxFindings+5 || counts[Altered] != 1 {
		t.Errorf("%d findings, counted %v", len(list), counts)
	}
	last := list[len(list)-1]
	if last.PointCount != 20 || len(last.Points) != maxFindingPoints || !slices.IsSorted(last.Points) {
		t.Errorf("needed by %d: %v", last.PointCount, last.Points)
	}
}

func TestParseExpectedHead(t *testing.T) {
	const sum = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	got, err := ParseExpectedHead("a=b=7:" + sum)
	if err != nil || got.Stream != "a=b" || got.Seq != 7 || got.SHA256 != sum {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "=1:" + sum, "a", "a=1", "a=0:" + sum, "a=x:" + sum, "a=1:" + sum[1:], "a=1:" + sum + "0"} {
		if _, err := ParseExpectedHead(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
