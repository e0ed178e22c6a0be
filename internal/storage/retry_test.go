package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/dir"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
)

// quick repeats without noticeable pauses, and gives a stalled call up soon.
var quick = storage.Policy{
	Elapsed: 5 * time.Second, Initial: time.Millisecond, Longest: 2 * time.Millisecond,
	Idle: 200 * time.Millisecond, UploadIdle: 200 * time.Millisecond,
}

// shaky is a directory with some objects, seen through Retry over a storage in
// which calls go wrong by plan.
func shaky(t *testing.T, plan faulty.Plan) (storage.Storage, *faulty.Store) {
	t.Helper()
	plain, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if _, err := storage.Put(t.Context(), plain, fmt.Sprintf("objects/%d", i), content(i)); err != nil {
			t.Fatal(err)
		}
	}
	store := faulty.New(plain, plan)
	return storage.Retry(store, quick), store
}

func content(i int) []byte { return bytes.Repeat([]byte{byte('a' + i)}, 100_000) }

func listed(t *testing.T, s storage.Reader) []string {
	t.Helper()
	var names []string
	err := s.List(t.Context(), "objects/", func(i storage.Info) error {
		names = append(names, i.Name)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return names
}

func TestReadsOutlastPassingFaults(t *testing.T) {
	for _, fault := range []faulty.Fault{faulty.Fail, faulty.FailAfter, faulty.Hang} {
		for at := 1; at <= 6; at++ {
			t.Run(fmt.Sprintf("%s at call %d", fault, at), func(t *testing.T) {
				s, store := shaky(t, faulty.Plan{Fault: fault, At: at})
				if names := listed(t, s); !slices.Equal(names, []string{"objects/0", "objects/1", "objects/2", "objects/3", "objects/4"}) {
					t.Errorf("listed %v", names)
				}
				if info, err := s.Stat(t.Context(), "objects/2"); err != nil || info.Size != 100_000 {
					t.Errorf("stat: %v, %v", info, err)
				}
				body, err := s.Open(t.Context(), "objects/3", 10, 90_000)
				if err != nil {
					t.Fatal(err)
				}
				defer body.Close()
				if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, content(3)[10:90_010]) {
					t.Errorf("read %d bytes, %v", len(got), err)
				}
				if !store.Reached() {
					t.Error("the fault was not reached")
				}
			})
		}
	}
}

// TestEveryWaitEnds: a storage that never answers is given up (invariant 9).
func TestEveryWaitEnds(t *testing.T) {
	impatient := quick
	impatient.Elapsed = 500 * time.Millisecond
	_, store := shaky(t, faulty.Plan{Fault: faulty.Hang, At: 1, Times: -1})
	s := storage.Retry(store, impatient)
	upload, err := s.Create(t.Context(), "new")
	if err == nil {
		_, err = upload.Write([]byte("x"))
		upload.Abort()
	}
	_, statErr := s.Stat(t.Context(), "objects/1")
	_, openErr := s.Open(t.Context(), "objects/1", 0, -1)
	for what, err := range map[string]error{
		"create": err, "stat": statErr, "open": openErr,
		"list":   s.List(t.Context(), "", func(storage.Info) error { return nil }),
		"delete": s.Delete(t.Context(), storage.Info{Name: "objects/1", Generation: "1"}),
	} {
		if err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want an error that says that nothing moved", what, err)
		}
	}
}

func TestLastingErrorsAreNotRepeated(t *testing.T) {
	for _, lasting := range []error{storage.ErrDenied, storage.ErrNotExist, storage.ErrChecksum} {
		s, store := shaky(t, faulty.Plan{Fault: faulty.Fail, At: 1, Times: -1, Err: lasting})
		if _, err := s.Stat(t.Context(), "objects/1"); !errors.Is(err, lasting) {
			t.Errorf("%v, want %v", err, lasting)
		}
		if n := len(store.Calls()); n != 1 {
			t.Errorf("%v: called %d times, want once", lasting, n)
		}
	}
}

// TestPutOutlastsALostReply: what an attempt left behind is found to be equal.
func TestPutOutlastsALostReply(t *testing.T) {
	for _, fault := range []faulty.Fault{faulty.Fail, faulty.FailAfter} {
		for at := 1; at <= 4; at++ { // create, write, write, commit
			_, store := shaky(t, faulty.Plan{Fault: fault, At: at})
			info, err := storage.Put(t.Context(), store, "put/new", []byte("con"), []byte("tent"))
			if err != nil || info.Size != 7 || !store.Reached() {
				t.Errorf("%s at call %d: %v, %v", fault, at, info, err)
			}
			if got, err := storage.Get(t.Context(), store, "put/new", 100); err != nil || string(got) != "content" {
				t.Errorf("%s at call %d: read back %q, %v", fault, at, got, err)
			}
		}
	}
}

// TestPutSeesDamage: the driver vouches only for the bytes that reached it.
func TestPutSeesDamage(t *testing.T) {
	for _, fault := range []faulty.Fault{faulty.Truncate, faulty.Flip} {
		_, store := shaky(t, faulty.Plan{Fault: fault, At: 1})
		if _, err := storage.Put(t.Context(), store, "put/new", []byte("content")); !errors.Is(err, storage.ErrChecksum) {
			t.Errorf("%s: %v, want %v", fault, err, storage.ErrChecksum)
		}
	}
}

func TestGetRefusesAGiant(t *testing.T) {
	s, _ := shaky(t, faulty.Plan{})
	if _, err := storage.Get(t.Context(), s, "objects/1", 99_999); err == nil {
		t.Error("an object larger than the limit was read")
	}
	if got, err := storage.Get(t.Context(), s, "objects/1", 100_000); err != nil || len(got) != 100_000 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
