package storage_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/dir"
)

// holding is a driver that can hold objects, too.
type holding struct{ storage.Storage }

func (holding) SetHold(context.Context, string, bool) (bool, error) { return true, nil }

// Every call is counted once by its class, and what a driver can do besides stays.
func TestCounted(t *testing.T) {
	store, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	counts := map[storage.Class]int{}
	count := func(c storage.Class) { counts[c]++ }
	counted, ctx := storage.Counted(store, count), t.Context()
	info, err := storage.Put(ctx, counted, "a/b", []byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := storage.Get(ctx, counted, "a/b", 100)
	if err != nil || string(data) != "content" {
		t.Fatalf("got %q, %v", data, err)
	}
	_, missing := counted.Stat(ctx, "nothing")
	_, err = counted.Dirs(ctx, "", storage.Span{})
	listed := counted.List(ctx, "", func(storage.Info) error { return nil })
	if !errors.Is(missing, storage.ErrNotExist) || errors.Join(err, listed, counted.Delete(ctx, info)) != nil {
		t.Errorf("%v, %v, %v", missing, err, listed)
	}
	want := map[storage.Class]int{storage.WriteRequest: 1, storage.ReadRequest: 2, storage.ListRequest: 2, storage.DeleteRequest: 1}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
	if _, holds := counted.(storage.Holder); holds {
		t.Error("a driver that holds nothing holds something")
	}
	holder, holds := storage.Counted(holding{store}, count).(storage.Holder)
	if !holds {
		t.Fatal("a driver that holds objects does not any more")
	}
	if changed, err := holder.SetHold(ctx, "a/b", true); !changed || err != nil || counts[storage.WriteRequest] != 2 {
		t.Errorf("got %v, %v, and %d writes", changed, err, counts[storage.WriteRequest])
	}
}
