package dir

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/storagetest"
)

func open(t *testing.T) *Store { return openAt(t, t.TempDir()) }

func openAt(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Storage { return open(t) })
}

// TestDirsPassOverWhatIsNone: what somebody else has put there is neither followed nor
// waited for, as a pipe would have whoever opens it wait.
func TestDirsPassOverWhatIsNone(t *testing.T) {
	path := t.TempDir()
	in := func(name string) string { return filepath.Join(path, "state", name) }
	for _, err := range []error{
		os.MkdirAll(in("a"), 0o700), os.WriteFile(in("a/object"), []byte("x"), 0o600), os.Mkdir(in("empty"), 0o700),
		os.WriteFile(in("file"), nil, 0o600), syscall.Mkfifo(in("pipe"), 0o600), os.Symlink("a", in("link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s := openAt(t, path)
	type result struct {
		names []string
		err   error
	}
	done := make(chan result, 1)
	go func() { // ends with its one call, unless that is what fails
		names, err := s.Dirs(t.Context(), "state/", storage.Span{})
		done <- result{names, err}
	}()
	select {
	case r := <-done:
		if diff := cmp.Diff([]string{"a"}, r.names); diff != "" || r.err != nil {
			t.Errorf("%v, directories (-want +got):\n%s", r.err, diff)
		}
	case <-time.After(time.Minute):
		t.Fatal("it waits for somebody to write into the pipe")
	}
}
