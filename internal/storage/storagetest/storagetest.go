// Package storagetest is the conformance suite of storage drivers: what the
// interfaces in package storage promise, one subtest per property.
package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// Large is the size of the suite's large objects. A driver that sends chunks
// must be opened with chunks well below it.
const Large = 9<<20 + 3

// Run runs the suite. open returns an empty storage, which the driver's own
// test disposes of with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) storage.Storage) {
	for name, test := range map[string]func(*testing.T, storage.Storage){
		"create":  testCreate,
		"abandon": testAbandon,
		"exists":  testExists,
		"names":   testNames,
		"read":    testRead,
		"list":    testList,
		"dirs":    testDirs,
		"delete":  testDelete,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// content returns bytes that do not repeat, the same for the same seed.
func content(seed uint64, size int) []byte {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(data) // never fails
	return data
}

// create commits one object in pieces.
func create(t *testing.T, s storage.Writer, name string, data []byte) (storage.Info, error) {
	t.Helper()
	upload, err := s.Create(t.Context(), name)
	if err != nil {
		t.Fatalf("Create(%q): %v", name, err)
	}
	defer upload.Abort()
	write(t, upload, data)
	return upload.Commit()
}

func write(t *testing.T, upload storage.Upload, data []byte) {
	t.Helper()
	for piece := range slices.Chunk(data, 100_000) {
		if n, err := upload.Write(piece); n != len(piece) || err != nil {
			t.Fatalf("Write of %d bytes: %d, %v", len(piece), n, err)
		}
	}
}

// mustCreate is create that succeeds, and says the truth.
func mustCreate(t *testing.T, s storage.Storage, name string, data []byte) storage.Info {
	t.Helper()
	info, err := create(t, s, name, data)
	if err != nil {
		t.Fatalf("create %q: %v", name, err)
	}
	if info.CRC32C == nil {
		t.Fatalf("Commit of %q tells no checksum", name)
	}
	if err := info.Check(int64(len(data)), crc32.Checksum(data, storage.Castagnoli())); err != nil {
		t.Fatalf("Commit of %q: %v", name, err)
	}
	if info.Name != name || info.Generation == "" || info.Created.IsZero() {
		t.Fatalf("Commit of %q returns %+v", name, info)
	}
	return info
}

func read(ctx context.Context, s storage.Reader, name string, offset, length int64) ([]byte, error) {
	r, err := s.Open(ctx, name, offset, length)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	return data, errors.Join(err, r.Close())
}

func requireContent(t *testing.T, s storage.Reader, name string, want []byte) {
	t.Helper()
	got, err := read(t.Context(), s, name, 0, -1)
	if err != nil {
		t.Fatalf("read %q: %v", name, err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%q has %d bytes that differ from the %d written", name, len(got), len(want))
	}
}

// requireAbsent asks in every way whether there is something under name.
func requireAbsent(t *testing.T, s storage.Reader, name string) {
	t.Helper()
	if info, err := s.Stat(t.Context(), name); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("Stat(%q): %+v, %v; want ErrNotExist", name, info, err)
	}
	if _, err := s.Open(t.Context(), name, 0, -1); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("Open(%q): %v; want ErrNotExist", name, err)
	}
	if names := list(t, s, name); len(names) > 0 {
		t.Errorf("List(%q): %q; want nothing", name, names)
	}
}

func requireIs(t *testing.T, doing string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v; want %q", doing, err, want)
	}
}

func list(t *testing.T, s storage.Reader, prefix string) []string {
	t.Helper()
	var names []string
	err := s.List(t.Context(), prefix, func(info storage.Info) error {
		names = append(names, info.Name)
		return nil
	})
	if err != nil {
		t.Fatalf("List(%q): %v", prefix, err)
	}
	return names
}

// createMany creates small objects, some at a time.
func createMany(t *testing.T, s storage.Storage, names []string) {
	t.Helper()
	errs := make(chan error)
	const workers = 8
	for w := range workers {
		go func() {
			var err error
			for i := w; i < len(names) && err == nil; i += workers {
				if _, err = storage.Put(t.Context(), s, names[i], []byte(names[i])); err != nil {
					err = fmt.Errorf("create %q: %w", names[i], err)
				}
			}
			errs <- err
		}()
	}
	for range workers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
