package kube

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openim-dr/openim-dr/internal/kube/document"
	"github.com/openim-dr/openim-dr/internal/kube/document/documenttest"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// large is a source of many ConfigMaps of which nobody has to ask a server. Every
// hundredth holds what version says.
type large struct {
	objects int
	content bool // not the list alone
	version string
}

// write writes one of them, and returns its digest.
func (l large) write(i int, name string, documents *document.Writer, digests *digester) (seal.Digest, error) {
	u := documenttest.ObjectWith(strings.Repeat("line\n", 100))
	u.SetName(name)
	if i%100 == 0 {
		u.Object["data"] = map[string]any{"value": l.version}
	}
	digest, err := digests.digest(u, "large")
	if err != nil {
		return digest, err
	}
	return digest, documents.Write(u)
}

func (l large) Capture(ctx context.Context, draft *repository.SourceDraft, _ progress.Reporter) error {
	list, err := draft.CreateObjects(ctx)
	if err != nil {
		return err
	}
	defer list.Abort()
	file, err := draft.Create(ctx, fileName("large"))
	if err != nil {
		return err
	}
	defer file.Abort()
	documents, digests := document.NewWriter(file), newDigester(draft.DigestKey())
	captured := CapturedNamespace{Name: "large", Objects: int64(l.objects), Kinds: map[string]int64{"ConfigMap": int64(l.objects)}}
	for i := range l.objects {
		name := fmt.Sprintf("object-%06d", i)
		id, err := digests.id("large", key{schema.GroupKind{Kind: "ConfigMap"}, name})
		if err != nil {
			return err
		}
		digest := id
		if l.content {
			if digest, err = l.write(i, name, documents, digests); err != nil {
				return err
			}
		} else if i%100 == 0 {
			if digest, err = digests.id(l.version, key{name: name}); err != nil {
				return err
			}
		}
		captured.Digest.Add(digest)
		if err := list.Add(&repository.ObjectEntry{Namespace: "large", Kind: "ConfigMap", ID: id, Digest: digest, By: "helm"}); err != nil {
			return err
		}
	}
	if err := file.Commit(); err != nil {
		return err
	}
	draft.Summarize(repository.Summary{Documents: captured.Objects})
	if err := draft.Captured(Captured{DigestVersion: digestVersion, Namespaces: []CapturedNamespace{captured}}); err != nil {
		return err
	}
	return list.Commit()
}

// watched looks at the memory in use while it is read from.
type watched struct {
	storage.Storage

	mu   sync.Mutex
	peak uint64
}

func (w *watched) look() {
	var m runtime.MemStats
	runtime.GC() // what is not needed any more does not count
	runtime.ReadMemStats(&m)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peak = max(w.peak, m.HeapAlloc)
}

func (w *watched) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	r, err := w.Storage.Open(ctx, name, offset, length)
	return &watchedReader{r, w, 0}, err
}

type watchedReader struct {
	io.ReadCloser
	of   *watched
	read int
}

// Read looks once in each 256 KiB, and at the end.
func (r *watchedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if r.read>>18 != (r.read+n)>>18 || err != nil {
		r.of.look()
	}
	r.read += n
	return n, err
}

// Invariant 7: two points are compared in little memory, however many objects they
// hold.
func TestManyObjectsAreComparedInLittleMemory(t *testing.T) {
	tests := map[string]struct {
		objects int
		content bool
		limit   uint64 // bytes
		compare func(context.Context, *repository.SourceReader, *repository.SourceReader) ([]Change, error)
	}{
		"by their lists": {50_000, false, 12 << 20, ListChanges},
		"by their content": {1_500, true, 6 << 20, func(ctx context.Context, from, to *repository.SourceReader) ([]Change, error) {
			return ReadChanges(ctx, from, to, Reading{})
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			fixture := repotest.New(t)
			before := fixture.Capture(t, "cluster", Kind, large{tt.objects, tt.content, "one"}).Point().Point
			after := fixture.Capture(t, "cluster", Kind, large{tt.objects, tt.content, "two"}).Point().Point
			store := &watched{Storage: fixture.Store}
			fixture.Store = store
			from, to := fixture.Source(t, before, "cluster"), fixture.Source(t, after, "cluster")
			var start runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&start)
			changes, err := tt.compare(t.Context(), from, to)
			if err != nil || len(changes) != tt.objects/100 {
				t.Fatalf("%d changes, want %d: %v", len(changes), tt.objects/100, err)
			}
			if used := store.peak - min(store.peak, start.HeapAlloc); used > tt.limit || used == 0 {
				t.Errorf("%d bytes of memory, want at most %d", used, tt.limit)
			} else {
				t.Logf("%d bytes of memory at the most", used)
			}
		})
	}
}
