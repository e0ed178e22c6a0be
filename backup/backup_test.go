package backup_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/openim-dr/openim-dr/backup"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
)

func fixture(t *testing.T) (*repotest.Fixture, *repotest.Memory) {
	t.Helper()
	memory := repotest.NewMemory()
	return repotest.Over(t, memory), memory
}

func options(log *slog.Logger, sources ...backup.Source) backup.Options {
	return backup.Options{Instance: repotest.Instance, Stream: "manual", Sources: sources, Show: progress.Discard, Log: log}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func of(s *repotest.Sample, phase source.Phase, c source.Capturer) backup.Source {
	return backup.Source{Name: s.Name, Kind: repotest.SampleKind, FormatVersion: 1, Phase: phase, Capturer: c}
}

func points(t *testing.T, f *repotest.Fixture) []*repository.Point {
	t.Helper()
	listing, err := f.Open(t).List(t.Context())
	if err != nil || len(listing.Broken) != 0 {
		t.Fatalf("broken %v, %v", listing.Broken, err)
	}
	return listing.Points
}

func TestRun(t *testing.T) {
	f, _ := fixture(t)
	s := &repotest.Sample{Name: "main", Tables: map[string]string{"s/t": "row\n"}, Objects: map[string]string{"k": "content"}}
	result, err := backup.Run(t.Context(), f.Writer(t), options(quiet(), of(s, source.Databases, s)))
	if err != nil {
		t.Fatal(err)
	}
	taken := points(t, f)
	if len(taken) != 1 || taken[0].Point != result.Point || !taken[0].Eligible() {
		t.Fatalf("points %v, want %s", taken, result.Point)
	}
	if !result.Complete || result.Stream != "manual" || result.Stored <= 0 || len(result.Warnings) != 1 {
		t.Errorf("got %+v", result)
	}
	if got := result.Sources[0]; got.Name != "main" || got.Rows != 1 || got.Objects != 1 || got.Bytes != 4 || got.Stored <= 0 || got.Stored > result.Stored {
		t.Errorf("got %+v", got)
	}
	document, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{`"point":`, `"stream":`, `"complete":`, `"sources":[{"name":`, `"rows":`, `"stored":`, `"seconds":`, `"warnings":[`} {
		if !strings.Contains(string(document), field) {
			t.Errorf("the document %s has no %s", document, field)
		}
	}
}

// Every object that a database refers to is then in the same point.
func TestDatabasesAreCapturedBeforeFiles(t *testing.T) {
	f, _ := fixture(t)
	var order []string
	watched := func(name string, phase source.Phase) backup.Source {
		s := &repotest.Sample{Name: name}
		return of(s, phase, capturer(func(ctx context.Context, draft *repository.SourceDraft) error {
			order = append(order, name)
			return s.Capture(ctx, draft, nil)
		}))
	}
	_, err := backup.Run(t.Context(), f.Writer(t), options(quiet(),
		watched("cluster", source.Configuration), watched("media", source.Files), watched("main", source.Databases), watched("chat", source.Databases)))
	if want := []string{"main", "chat", "media", "cluster"}; err != nil || !slices.Equal(order, want) {
		t.Errorf("order %v, %v; want %v", order, err, want)
	}
}

type capturer func(context.Context, *repository.SourceDraft) error

func (c capturer) Capture(ctx context.Context, draft *repository.SourceDraft, _ progress.Reporter) error {
	return c(ctx, draft)
}

// Invariant 1.
func TestFailedSourceLeavesNoPoint(t *testing.T) {
	lost := errors.New("connection lost")
	tests := map[string]capturer{
		"at once": func(context.Context, *repository.SourceDraft) error { return lost },
		"at its end": func(ctx context.Context, draft *repository.SourceDraft) error {
			return (&repotest.Sample{Name: "main", Tables: map[string]string{"s/t": "row\n"}, Err: lost}).Capture(ctx, draft, nil)
		},
		"in the middle of a file": func(ctx context.Context, draft *repository.SourceDraft) error {
			file, err := draft.Create(ctx, "000001.tsv", "s", "t")
			if err != nil {
				return err
			}
			defer file.Abort()
			_, err = file.Write([]byte("row"))
			return errors.Join(err, lost)
		},
	}
	for name, capture := range tests {
		t.Run(name, func(t *testing.T) {
			f, _ := fixture(t)
			good := &repotest.Sample{Name: "first"}
			_, err := backup.Run(t.Context(), f.Writer(t), options(quiet(), of(good, source.Databases, good), of(&repotest.Sample{Name: "main"}, source.Files, capture)))
			if !errors.Is(err, lost) || !strings.Contains(err.Error(), "capture main") {
				t.Errorf("got %v", err)
			}
			if got := points(t, f); len(got) != 0 {
				t.Errorf("left %v", got)
			}
		})
	}
}

// Invariant 8: losing the lease ends the capture, and leaves no point.
func TestLostLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, memory := fixture(t)
		slow := capturer(func(ctx context.Context, _ *repository.SourceDraft) error {
			for _, name := range memory.Names() {
				if term, ok := strings.CutSuffix(name, "1.json"); ok && strings.HasPrefix(name, "leases/") {
					memory.Plant(term+"2.json", []byte(`{"kind":"lease","term":2,"seconds":60}`))
				}
			}
			<-ctx.Done()
			return ctx.Err()
		})
		_, err := backup.Run(t.Context(), f.Writer(t), options(quiet(), of(&repotest.Sample{Name: "main"}, source.Databases, slow)))
		if fault.KindOf(err) != fault.Busy || !errors.Is(err, repository.ErrLeaseLost) {
			t.Errorf("got %v", err)
		}
		if got := points(t, f); len(got) != 0 {
			t.Errorf("left %v", got)
		}
	})
}

func TestSecondRunOfAStreamIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := fixture(t)
		var inner error
		s := &repotest.Sample{Name: "main"}
		busy := capturer(func(ctx context.Context, draft *repository.SourceDraft) error {
			_, inner = backup.Run(t.Context(), f.Writer(t), options(quiet(), of(s, source.Databases, s)))
			return s.Capture(ctx, draft, nil)
		})
		if _, err := backup.Run(t.Context(), f.Writer(t), options(quiet(), of(s, source.Databases, busy))); err != nil {
			t.Fatal(err)
		}
		if fault.KindOf(inner) != fault.Busy {
			t.Errorf("got %v", inner)
		}
		if got := points(t, f); len(got) != 1 {
			t.Errorf("points %v", got)
		}
	})
}

// Invariant 9: a run that is told to stop does so, and leaves the lease free.
func TestCancelledRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := fixture(t)
		ctx, cancel := context.WithCancel(t.Context())
		s := &repotest.Sample{Name: "main"}
		stopped := capturer(func(ctx context.Context, _ *repository.SourceDraft) error {
			cancel()
			<-ctx.Done()
			return ctx.Err()
		})
		_, err := backup.Run(ctx, f.Writer(t), options(quiet(), of(s, source.Databases, stopped)))
		if !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Failed {
			t.Errorf("got %v", err)
		}
		if _, err := backup.Run(t.Context(), f.Writer(t), options(quiet(), of(s, source.Databases, s))); err != nil {
			t.Errorf("the next run: %v", err)
		}
		if got := points(t, f); len(got) != 1 || got[0].Seq != 1 {
			t.Errorf("points %v", got)
		}
	})
}

// Invariant 4: the log tells what happens, not what is in it.
func TestLogHoldsNoData(t *testing.T) {
	f, _ := fixture(t)
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := &repotest.Sample{Name: "main", Tables: map[string]string{"s/t": "MARKER\n"}, Objects: map[string]string{"MARKER": "MARKER"}}
	if _, err := backup.Run(t.Context(), f.Writer(t), options(logger, of(s, source.Databases, s))); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "point committed") || strings.Contains(log.String(), "MARKER") || strings.Contains(log.String(), "AGE-SECRET-KEY") {
		t.Errorf("the log is %s", log.String())
	}
}
