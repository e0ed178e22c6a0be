package storagetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/openim-dr/openim-dr/internal/storage"
)

func testRead(t *testing.T, s storage.Storage) {
	data := content(4, Large)
	info := mustCreate(t, s, "read/object", data)
	mustCreate(t, s, "read/empty", nil)
	size := int64(len(data))

	for name, r := range map[string]struct{ offset, length int64 }{
		"all, open end":           {0, -1},
		"all":                     {0, size},
		"first byte":              {0, 1},
		"start":                   {0, 1000},
		"middle":                  {5_000_001, 70_000},
		"to the end":              {size - 1234, 1234},
		"to the open end":         {size - 1234, -1},
		"last byte":               {size - 1, 1},
		"nothing at the start":    {0, 0},
		"nothing in the middle":   {77, 0},
		"nothing at the end":      {size, 0},
		"nothing at the open end": {size, -1},
	} {
		t.Run("range: "+name, func(t *testing.T) {
			end := r.offset + r.length
			if r.length < 0 {
				end = size
			}
			got, err := read(t.Context(), s, "read/object", r.offset, r.length)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, data[r.offset:end]) {
				t.Errorf("got %d bytes that are not the %d of the range", len(got), end-r.offset)
			}
		})
	}
	for name, r := range map[string]struct{ offset, length int64 }{
		"starts beyond the end":          {size + 1, -1},
		"starts and ends beyond the end": {size + 1, 5},
		"ends beyond the end":            {size - 5, 6},
		"is negative":                    {-1, 5},
	} {
		t.Run("a range that "+name+" is an error", func(t *testing.T) {
			if got, err := read(t.Context(), s, "read/object", r.offset, r.length); err == nil {
				t.Errorf("got %d bytes and no error", len(got))
			}
		})
	}
	t.Run("an empty object has no bytes", func(t *testing.T) {
		requireContent(t, s, "read/empty", nil)
		got, err := read(t.Context(), s, "read/empty", 0, 0)
		if err != nil || len(got) != 0 {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
	})
	t.Run("a missing object is ErrNotExist of Open itself", func(t *testing.T) {
		requireAbsent(t, s, "read/missing")
		requireAbsent(t, s, "nowhere/at/all")
		_, err := s.Open(t.Context(), "read/missing", 5, 10)
		requireIs(t, "Open", err, storage.ErrNotExist)
	})
	t.Run("a directory is no object", func(t *testing.T) {
		_, err := s.Stat(t.Context(), "read")
		requireIs(t, "Stat", err, storage.ErrNotExist)
		_, err = s.Open(t.Context(), "read", 0, -1)
		requireIs(t, "Open", err, storage.ErrNotExist)
	})
	t.Run("a reader knows its generation", func(t *testing.T) {
		r, err := s.Open(t.Context(), "read/object", 10, 10)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if g, ok := r.(storage.Generational); !ok || g.Generation() != info.Generation {
			t.Errorf("reader is not one of generation %q", info.Generation)
		}
	})
	t.Run("a context that ends, ends the read", func(t *testing.T) { endRead(t, s) })
	t.Run("small objects are read and put whole", func(t *testing.T) { testWhole(t, s) })
}

func endRead(t *testing.T, s storage.Storage) {
	ctx, cancel := context.WithCancel(t.Context())
	r, err := s.Open(ctx, "read/object", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	cancel()
	_, err = io.Copy(io.Discard, r)
	requireIs(t, "reading on", err, context.Canceled)

	_, err = s.Stat(ctx, "read/object")
	requireIs(t, "Stat", err, context.Canceled)
	_, err = s.Open(ctx, "read/object", 0, -1)
	requireIs(t, "Open", err, context.Canceled)
	err = s.List(ctx, "read/", func(storage.Info) error { return fmt.Errorf("delivered") })
	requireIs(t, "List", err, context.Canceled)
}

func testWhole(t *testing.T, s storage.Storage) {
	data := content(5, 1000)
	for range 2 { // the second time as after a lost reply
		if _, err := storage.Put(t.Context(), s, "read/whole", data); err != nil {
			t.Fatal(err)
		}
	}
	_, err := storage.Put(t.Context(), s, "read/whole", data[1:])
	requireIs(t, "Put of other content", err, storage.ErrExist)
	got, err := storage.Get(t.Context(), s, "read/whole", 1000)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("Get: %d bytes, %v", len(got), err)
	}
	if _, err := storage.Get(t.Context(), s, "read/whole", 999); err == nil {
		t.Error("Get returns more than its limit")
	}
	_, err = storage.Get(t.Context(), s, "read/missing", 999)
	requireIs(t, "Get", err, storage.ErrNotExist)
}
