package repository_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
)

func progressOf(bucket string) repository.BucketProgress {
	return repository.BucketProgress{Source: "main", Bucket: bucket, Order: "path", Layers: [][]repository.SegmentRef{{{ID: "of-" + bucket, Entries: 7}}}}
}

// interrupt begins a run, says what it has captured, and leaves it.
func interrupt(t *testing.T, w *repository.Writer, stream string, buckets ...string) *repository.Draft {
	t.Helper()
	draft := begin(t, w, stream)
	for _, b := range buckets {
		if err := draft.Source("main", repotest.SampleKind, 1).Checkpoint(t.Context(), progressOf(b)); err != nil {
			t.Fatal(err)
		}
	}
	return draft
}

// requireContinued begins a run and says what it finds of some buckets.
func requireContinued(t *testing.T, draft *repository.Draft, buckets map[string]bool) {
	t.Helper()
	source := draft.Source("main", repotest.SampleKind, 1)
	for bucket, want := range buckets {
		got, ok := source.Continued(bucket)
		if ok != want {
			t.Errorf("bucket %s is continued: %t, want %t", bucket, ok, want)
		} else if ok {
			if diff := cmp.Diff(progressOf(bucket), got); diff != "" {
				t.Error(diff)
			}
		}
	}
}

func TestRunGoesOnFromTheOneThatDidNotEnd(t *testing.T) {
	f, m := newFixture(t)
	w := f.Writer(t)
	first := interrupt(t, w, "manual", "a")
	second := interrupt(t, w, "manual", "b")
	requireContinued(t, second, map[string]bool{"a": true, "b": false})
	begin(t, w, "manual") // dies before it says anything
	fourth := begin(t, w, "manual")
	requireContinued(t, fourth, map[string]bool{"a": true, "b": true, "c": false})

	var start repository.Start
	if err := json.Unmarshal(m.Content("runs/"+fourth.Point()+"/start.json"), &start); err != nil || start.Continues != second.Point() {
		t.Errorf("the start pins %q (%v), want %s, not %s", start.Continues, err, second.Point(), first.Point())
	}
}

func TestNothingToGoOnFrom(t *testing.T) {
	t.Run("after a point of the stream", func(t *testing.T) {
		f, _ := newFixture(t)
		w := f.Writer(t)
		interrupt(t, w, "manual", "a")
		mustTake(t, w, "manual", sample())
		requireContinued(t, begin(t, w, "manual"), map[string]bool{"a": false})
	})
	t.Run("in another stream, whose run may be alive", func(t *testing.T) {
		f, _ := newFixture(t)
		w := f.Writer(t)
		interrupt(t, w, "hourly", "a")
		requireContinued(t, begin(t, w, "manual"), map[string]bool{"a": false})
	})
	forgeries := map[string]func(m *repotest.Memory, path string){
		"altered": func(m *repotest.Memory, path string) {
			m.Damage(path, bytes.ReplaceAll(m.Content(path), []byte("of-a"), []byte("mine")))
		},
		"cut":      func(m *repotest.Memory, path string) { m.Damage(path, m.Content(path)[:100]) },
		"unsigned": func(m *repotest.Memory, path string) { m.Damage(path, withoutSignature(t, m.Content(path))) },
		"of another place": func(m *repotest.Memory, path string) {
			m.Plant(strings.Replace(path, "checkpoint-1", "checkpoint-2", 1), m.Content(path))
		},
	}
	for name, forge := range forgeries {
		t.Run(name, func(t *testing.T) {
			f, m := newFixture(t)
			w := f.Writer(t)
			dead := interrupt(t, w, "manual", "a")
			forge(m, "runs/"+dead.Point()+"/checkpoint-1.json")
			requireContinued(t, begin(t, w, "manual"), map[string]bool{"a": false})
		})
	}
}

func withoutSignature(t *testing.T, data []byte) []byte {
	t.Helper()
	var c repository.Checkpoint
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	c.Signature = ""
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
