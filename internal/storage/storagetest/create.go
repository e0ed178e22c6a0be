package storagetest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/storage"
)

func testCreate(t *testing.T, s storage.Storage) {
	for name, size := range map[string]int{
		"empty":               0,
		"one byte":            1,
		"small":               1000,
		"one chunk exactly":   256 << 10,
		"many chunks exactly": 1 << 20,
		"large":               Large,
	} {
		t.Run(name+" object is read back as written", func(t *testing.T) {
			key, data := "create/"+strings.ReplaceAll(name, " ", "-"), content(1, size)
			created := mustCreate(t, s, key, data)
			requireContent(t, s, key, data)
			stated, err := s.Stat(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			requireSame(t, stated, created)
		})
	}
	t.Run("nothing is seen before Commit", func(t *testing.T) {
		upload := begin(t, s, t.Context(), "create/half", Large/2)
		defer upload.Abort()
		requireAbsent(t, s, "create/half")
	})
	t.Run("nothing goes into an upload after Commit", func(t *testing.T) {
		upload := begin(t, s, t.Context(), "create/done", 10)
		if _, err := upload.Commit(); err != nil {
			t.Fatal(err)
		}
		if _, err := upload.Write([]byte("more")); err == nil {
			t.Error("Write after Commit succeeds")
		}
		upload.Abort()
		requireContent(t, s, "create/done", content(2, 10))
	})
}

// requireSame compares what two calls said of one object. A driver need not
// know the checksum of an object that it did not just write.
func requireSame(t *testing.T, got, want storage.Info) {
	t.Helper()
	if got.Name != want.Name || got.Size != want.Size || got.Generation != want.Generation || !got.Created.Equal(want.Created) {
		t.Errorf("the object is described as %+v, want %+v", got, want)
	}
	if got.CRC32C != nil && *got.CRC32C != *want.CRC32C {
		t.Errorf("the checksum is %08x, want %08x", *got.CRC32C, *want.CRC32C)
	}
}

// begin starts an upload and writes size bytes.
func begin(t *testing.T, s storage.Writer, ctx context.Context, name string, size int) storage.Upload {
	t.Helper()
	upload, err := s.Create(ctx, name)
	if err != nil {
		t.Fatalf("Create(%q): %v", name, err)
	}
	write(t, upload, content(2, size))
	return upload
}

// Invariant 1: what is not committed does not exist.
func testAbandon(t *testing.T, s storage.Storage) {
	for name, size := range map[string]int{"nothing": 0, "a little": 10, "several chunks": Large} {
		key := "abandon/" + strings.ReplaceAll(name, " ", "-")
		t.Run("Abort after "+name+" leaves nothing", func(t *testing.T) {
			upload := begin(t, s, t.Context(), key, size)
			upload.Abort()
			upload.Abort() // twice is once
			requireAbsent(t, s, key)
			if _, err := upload.Commit(); err == nil {
				t.Error("Commit after Abort succeeds")
			}
			requireAbsent(t, s, key)
		})
		t.Run("a context that ends after "+name+" leaves nothing", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			upload := begin(t, s, ctx, key, size)
			requireAbsent(t, s, key)
			cancel()
			if _, err := upload.Commit(); !errors.Is(err, context.Canceled) {
				t.Errorf("Commit after the context has ended: %v; want Canceled", err)
			}
			upload.Abort()
			requireAbsent(t, s, key)
		})
	}
	t.Run("the name of an abandoned upload is free", func(t *testing.T) {
		begin(t, s, t.Context(), "abandon/again", 1000).Abort()
		mustCreate(t, s, "abandon/again", []byte("other"))
	})
	t.Run("an ended context creates nothing", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		upload, err := s.Create(ctx, "abandon/ended")
		if err == nil {
			_, err = upload.Commit()
			upload.Abort()
		}
		requireIs(t, "Create or Commit", err, context.Canceled)
		requireAbsent(t, s, "abandon/ended")
	})
}

// Invariant 10: nothing is ever overwritten.
func testExists(t *testing.T, s storage.Storage) {
	for name, size := range map[string]int{"small": 100, "large": Large} {
		key, data := "exists/"+name, content(3, size)
		first := mustCreate(t, s, key, data)
		t.Run(name+" create repeated after a lost reply succeeds", func(t *testing.T) {
			again := mustCreate(t, s, key, data)
			requireSame(t, again, first)
		})
		for change, other := range map[string][]byte{
			"of the same size": flipped(data),
			"shorter":          data[:size-1],
			"empty":            nil,
		} {
			t.Run(name+" create of other content, "+change+", is refused", func(t *testing.T) {
				_, err := create(t, s, key, other)
				requireIs(t, "Commit", err, storage.ErrExist)
				requireContent(t, s, key, data)
				stated, err := s.Stat(t.Context(), key)
				if err != nil {
					t.Fatal(err)
				}
				requireSame(t, stated, first)
			})
		}
		t.Run("of "+name+" concurrent creates exactly one wins", func(t *testing.T) {
			race(t, s, "exists/race-"+name, size)
		})
	}
}

func flipped(data []byte) []byte {
	other := append([]byte(nil), data...)
	other[len(other)/2] ^= 1
	return other
}

// race lets uploads of different content meet at Commit.
func race(t *testing.T, s storage.Storage, name string, size int) {
	const writers = 4
	uploads := make([]storage.Upload, writers)
	for i := range uploads {
		upload, err := s.Create(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		defer upload.Abort()
		write(t, upload, content(uint64(100+i), size))
		uploads[i] = upload
	}
	errs := make([]error, writers)
	done := make(chan struct{})
	for i, upload := range uploads {
		go func() {
			_, errs[i] = upload.Commit()
			done <- struct{}{}
		}()
	}
	for range uploads {
		<-done
	}
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Errorf("writers %d and %d both won", winner, i)
		case err == nil:
			winner = i
		default:
			requireIs(t, "the loser's Commit", err, storage.ErrExist)
		}
	}
	if winner < 0 {
		t.Fatal("nobody won")
	}
	requireContent(t, s, name, content(uint64(100+winner), size))
}

func testNames(t *testing.T, s storage.Storage) {
	const escaped = "abcdefghijklmnopqrstuvwxyz0123456789._+=~@-"
	good := map[string]string{
		"every character of escaped names": "names/" + escaped,
		"each of them first":               "names/" + strings.Join(strings.Split(escaped, "")[:36], "/") + "/-/_/+x/=/~/@/..x/.x",
		"upper case":                       "names/RWQabcXYZ",
		"looks like an escape":             "names/%41%2f=2f~2f+",
		"long element":                     "names/" + strings.Repeat("n", 255),
		"long path":                        "names/" + strings.Repeat("directory-0123456789/", 40) + "x",
		"looks like a query":               "names/a?generation=1&b#c",
		"blank":                            "names/a b",
	}
	for name, key := range good {
		t.Run(name, func(t *testing.T) {
			info := mustCreate(t, s, key, []byte(key))
			requireContent(t, s, key, []byte(key))
			if names := list(t, s, key); len(names) != 1 || names[0] != key {
				t.Errorf("List: %q", names)
			}
			if err := s.Delete(t.Context(), info); err != nil {
				t.Error(err)
			}
			requireAbsent(t, s, key)
		})
	}
	for _, key := range []string{"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a/..", "a\x00b", "a\nb", "é", strings.Repeat("n", 256), strings.Repeat("n/", 600) + "n"} {
		t.Run("bad", func(t *testing.T) { refused(t, s, key) })
	}
}

func refused(t *testing.T, s storage.Storage, key string) {
	if upload, err := s.Create(t.Context(), key); err == nil {
		upload.Abort()
		t.Errorf("Create(%q) is not refused", key)
	}
	if _, err := s.Stat(t.Context(), key); err == nil || errors.Is(err, storage.ErrNotExist) {
		t.Errorf("Stat(%q): %v; want a refusal", key, err)
	}
	if _, err := s.Open(t.Context(), key, 0, -1); err == nil || errors.Is(err, storage.ErrNotExist) {
		t.Errorf("Open(%q): %v; want a refusal", key, err)
	}
	if err := s.Delete(t.Context(), storage.Info{Name: key, Generation: "1"}); err == nil {
		t.Errorf("Delete(%q) is not refused", key)
	}
}
