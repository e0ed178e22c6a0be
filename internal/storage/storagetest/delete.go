package storagetest

import (
	"context"
	"testing"

	"github.com/openim-dr/openim-dr/internal/storage"
)

func testDelete(t *testing.T, s storage.Storage) {
	t.Run("the generation that was created", func(t *testing.T) {
		info := mustCreate(t, s, "delete/created", []byte("content"))
		if err := s.Delete(t.Context(), info); err != nil {
			t.Fatal(err)
		}
		requireAbsent(t, s, "delete/created")
	})
	t.Run("the generation that was listed", func(t *testing.T) {
		mustCreate(t, s, "delete/listed", []byte("content"))
		err := s.List(t.Context(), "delete/", func(info storage.Info) error { return s.Delete(t.Context(), info) })
		if err != nil {
			t.Fatal(err)
		}
		requireAbsent(t, s, "delete/listed")
	})
	t.Run("the generation that was stated", func(t *testing.T) {
		mustCreate(t, s, "delete/stated", []byte("content"))
		info, err := s.Stat(t.Context(), "delete/stated")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Delete(t.Context(), info); err != nil {
			t.Fatal(err)
		}
		requireAbsent(t, s, "delete/stated")
	})
	t.Run("what is gone is no error", func(t *testing.T) {
		info := mustCreate(t, s, "delete/gone", []byte("content"))
		for range 2 {
			if err := s.Delete(t.Context(), info); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("another generation is refused and stays", func(t *testing.T) { deleteChanged(t, s) })
	t.Run("only the object named", func(t *testing.T) {
		mustCreate(t, s, "delete/x/a", []byte("a"))
		mustCreate(t, s, "delete/x/ab", []byte("ab"))
		info := mustCreate(t, s, "delete/x/b/c", []byte("c"))
		if err := s.Delete(t.Context(), info); err != nil {
			t.Fatal(err)
		}
		requireContent(t, s, "delete/x/a", []byte("a"))
		requireContent(t, s, "delete/x/ab", []byte("ab"))
		mustCreate(t, s, "delete/x/b/c", []byte("anew"))
	})
	t.Run("an ended context deletes nothing", func(t *testing.T) {
		info := mustCreate(t, s, "delete/kept", []byte("content"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		requireIs(t, "Delete", s.Delete(ctx, info), context.Canceled)
		requireContent(t, s, "delete/kept", []byte("content"))
	})
}

// deleteChanged replaces an object behind the back of one who has seen it, many
// times in quick succession: a generation must be told from the next one by
// more than a clock that ticks slowly.
func deleteChanged(t *testing.T, s storage.Storage) {
	const name = "delete/changed"
	old := mustCreate(t, s, name, []byte("0"))
	for i := range 50 {
		seen, err := s.Stat(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Delete(t.Context(), seen); err != nil {
			t.Fatal(err)
		}
		data := []byte{byte('a' + i%26)}
		anew := mustCreate(t, s, name, data)
		if anew.Generation == seen.Generation {
			t.Fatalf("round %d: another object has the same generation %s", i, seen.Generation)
		}
		requireIs(t, "Delete of the last generation", s.Delete(t.Context(), seen), storage.ErrChanged)
		requireIs(t, "Delete of the first generation", s.Delete(t.Context(), old), storage.ErrChanged)
		requireContent(t, s, name, data)
	}
}
