package storagetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// listed are names whose byte order is not that of a walk through sorted
// directories: "/" lies between "." and "0".
var listed = []string{
	"list/A",
	"list/Z/z",
	"list/a!",
	"list/a-b",
	"list/a-c/x",
	"list/a.txt",
	"list/a/a",
	"list/a/b",
	"list/a/b-c",
	"list/a/b0",
	"list/a/c/d",
	"list/a/c0",
	"list/a0",
	"list/aa/b",
	"list/ab",
	"list/a~",
	"list/b",
	"list2",
	"lisu/a",
}

func testList(t *testing.T, s storage.Storage) {
	if names := list(t, s, ""); len(names) != 0 {
		t.Fatalf("the storage is not empty: %q", names)
	}
	shuffled := slices.Clone(listed)
	slices.Reverse(shuffled)
	infos := map[string]storage.Info{}
	for i, name := range shuffled {
		infos[name] = mustCreate(t, s, name, content(6, i))
	}

	for name, prefix := range map[string]string{
		"all":                           "",
		"in the middle of an element":   "lis",
		"whole element, no slash":       "list",
		"directory":                     "list/",
		"file and directories alike":    "list/a",
		"files by their common start":   "list/a-",
		"directory in directory":        "list/a/",
		"element below a directory":     "list/a/b",
		"one file":                      "list/a.txt",
		"below a file":                  "list/b/",
		"element that goes on too long": "list/a0x",
		"nothing":                       "none/",
		"nothing in the middle":         "list/q",
	} {
		t.Run("prefix: "+name, func(t *testing.T) {
			want := slices.DeleteFunc(slices.Clone(listed), func(n string) bool { return !strings.HasPrefix(n, prefix) })
			if got := list(t, s, prefix); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
	for _, prefix := range []string{"/", "../", "list/../", "list//", "a\x00"} {
		t.Run("bad prefix is refused", func(t *testing.T) {
			if err := s.List(t.Context(), prefix, func(storage.Info) error { return nil }); err == nil {
				t.Errorf("List(%q) is not refused", prefix)
			}
		})
	}
	t.Run("objects are described as by Commit", func(t *testing.T) {
		err := s.List(t.Context(), "list/", func(info storage.Info) error {
			requireSame(t, info, infos[info.Name])
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	t.Run("creation times are near", func(t *testing.T) {
		if age := time.Since(infos["list/b"].Created).Abs(); age > time.Hour {
			t.Errorf("an object made now is %s away", age)
		}
	})
	t.Run("an error of fn ends the listing and comes back as it is", func(t *testing.T) {
		stop, calls := errors.New("stop"), 0
		err := s.List(t.Context(), "", func(storage.Info) error {
			calls++
			if calls == 3 {
				return stop
			}
			return nil
		})
		if err != stop || calls != 3 { //nolint:errorlint // as it is
			t.Errorf("after %d calls: %v; want stop after 3", calls, err)
		}
	})
	t.Run("more than a page, and its directories", func(t *testing.T) { listMany(t, s) })
	t.Run("while objects are created and deleted", func(t *testing.T) { listBusy(t, s) })
}

func many(prefix string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s%05d/x", prefix, i)
	}
	return names
}

func listMany(t *testing.T, s storage.Storage) {
	want := many("many/", 2345)
	createMany(t, s, want)
	if got := list(t, s, "many/"); !slices.Equal(got, want) {
		t.Errorf("got %d names, want %d", len(got), len(want))
	}
	got, err := s.Dirs(t.Context(), "many/", storage.Span{})
	for i := range got {
		got[i] = "many/" + got[i] + "/x"
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %d directories, want %d: %v", len(got), len(want), err)
	}
}

// listBusy lists while others come and go: what stays is seen exactly once.
func listBusy(t *testing.T, s storage.Storage) {
	stay := many("busy/", 300)
	createMany(t, s, stay)
	n := 0
	var got []string
	err := s.List(t.Context(), "busy/", func(info storage.Info) error {
		if n++; n%10 == 0 {
			passing, err := storage.Put(t.Context(), s, fmt.Sprintf("%s-passing-%d", info.Name, n), []byte("x"))
			if err != nil {
				return err
			}
			if n%20 == 0 {
				err = s.Delete(t.Context(), passing)
			}
			if err != nil {
				return err
			}
		}
		if !strings.Contains(info.Name, "passing") {
			got = append(got, info.Name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, stay) {
		t.Errorf("saw %d of the %d objects that stayed", len(got), len(stay))
	}
}

func testDirs(t *testing.T, s storage.Storage) {
	for i, name := range listed {
		mustCreate(t, s, name, content(6, i))
	}
	gone := mustCreate(t, s, "list/gone/x", content(6, 0))
	if err := s.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string][]string{
		"":          {"list", "lisu"},
		"list/":     {"Z", "a", "a-c", "aa"},
		"list/a/":   {"c"},
		"list/a-c/": nil,
		"none/":     nil,
	} {
		got, err := s.Dirs(t.Context(), dir, storage.Span{})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Dirs(%q): %q, %v; want %q", dir, got, err, want)
		}
	}
	for span, want := range map[storage.Span][]string{
		{From: "a"}:              {"a", "a-c", "aa"},
		{From: "a-"}:             {"a-c", "aa"}, // and the key of "a/" comes after that of "a-c/"
		{From: "a-c", To: "a-c"}: {"a-c"},
		{To: "a"}:                {"Z", "a"},
		{To: "a-c"}:              {"Z", "a", "a-c"},
		{From: "a", To: "a-b"}:   {"a"},
		{From: "b"}:              nil,
	} {
		got, err := s.Dirs(t.Context(), "list/", span)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Dirs of %+v: %q, %v; want %q", span, got, err, want)
		}
	}
	for _, dir := range []string{"list", "/", "../", "list//", "a\x00/"} {
		if _, err := s.Dirs(t.Context(), dir, storage.Span{}); err == nil {
			t.Errorf("Dirs(%q) is not refused", dir)
		}
	}
}
