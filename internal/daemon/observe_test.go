package daemon_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/openim-dr/openim-dr/internal/daemon"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/status"
)

// An observer looks at once, every so often, and when it is told to. An outage is said
// once, and ends with the next report.
func TestObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var looked, told []time.Duration
		var log strings.Builder
		o := &daemon.Observer{Every: time.Minute, Log: slog.New(slog.NewTextHandler(&log, nil))}
		o.Look = func(context.Context) (*status.Report, error) {
			since := time.Since(began)
			if looked = append(looked, since); since == time.Minute || since == 2*time.Minute {
				return nil, errors.New("no answer")
			}
			return &status.Report{}, nil
		}
		o.Tell = append(o.Tell, func(context.Context, *status.Report) { told = append(told, time.Since(began)) })
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute-time.Second)
		defer cancel()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			o.Run(ctx)
		}()
		time.Sleep(150 * time.Second)
		o.Again()
		<-ended
		const second = time.Second
		if want := []time.Duration{0, 60 * second, 120 * second, 150 * second, 180 * second}; !slices.Equal(looked, want) {
			t.Errorf("looked after %v, want %v", looked, want)
		}
		if want := []time.Duration{0, 150 * second, 180 * second}; !slices.Equal(told, want) {
			t.Errorf("told after %v, want %v", told, want)
		}
		if n := strings.Count(log.String(), "no answer"); n != 1 {
			t.Errorf("the outage was said %d times", n)
		}
	})
}

// Metrics show the last report and nothing of those before.
func TestStatusMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := daemon.NewStatusMetrics(registry)
	at := time.Unix(1_700_000_000, 0)
	seconds, stored := 3600.0, int64(4096)
	m.Set(&status.Report{
		State: status.Critical, Time: at, Reasons: []status.Reason{{Severity: status.Critical}, {Severity: status.Warning}, {Severity: status.Warning}},
		Objectives: status.Objectives{
			RPO: status.RPO{ObjectiveSeconds: &seconds, Sources: []status.RPOSource{
				{Source: "main", Time: &at, Summary: &repository.Summary{Rows: 20, Documents: 3, Objects: 4, Bytes: 100}}, {Source: "media"},
			}},
			RTO: status.RTO{MeasuredSeconds: &seconds},
		},
		Proofs: []status.Proven{{Source: "main", Proven: &at}, {Source: "media"}},
		Copies: []status.Copy{
			{Name: status.Home, Reachable: true, Stored: &stored, Files: &stored},
			{Name: "eu", Reachable: true, Sources: []status.CopySource{{BehindSeconds: &seconds}}}, {Name: "gone"},
		},
	})
	require := func(want string) {
		t.Helper()
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
		if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
			t.Errorf("metrics that break a convention: %v (%v)", problems, err)
		}
	}
	require(metricText("copy_behind_seconds", "How much older the newest state in a copy is, of the source that is furthest behind.", `{copy="eu"} 3600`) +
		metricText("objective_rpo_seconds", "How old the newest restorable state of a source may be.", " 3600") +
		metricText("place_stored_bytes", "Bytes that the repository or a copy holds.", `{place="repository"} 4096`) +
		metricText("place_stored_files", "Files that the repository or a copy holds.", `{place="repository"} 4096`) +
		metricText("rto_measured_seconds", "How long the newest drill took that has restored every source.", " 3600") +
		metricText("source_captured_bytes", "Bytes before compression in the newest restorable point of a source.", `{source="main"} 100`) +
		metricText("source_captured_objects", "Objects and documents in the newest restorable point of a source.", `{source="main"} 7`) +
		metricText("source_captured_rows", "Rows in the newest restorable point of a source.", `{source="main"} 20`) +
		metricText("source_newest_point_timestamp_seconds", "When the newest restorable state of a source was captured.", `{source="main"} 1.7e+09`) +
		metricText("source_newest_proof_timestamp_seconds", "When a drill has last shown that a source comes back.", `{source="main"} 1.7e+09`) +
		metricText("status", "How things stand: 0 ok, 1 warning, 2 critical.", " 2") +
		metricText("status_reasons", "How many reasons there are why things do not stand well.", `{severity="critical"} 1`, `{severity="warning"} 2`) +
		metricText("status_timestamp_seconds", "When the repository was last looked at.", " 1.7e+09"))
	m.Set(&status.Report{State: status.OK, Time: at})
	require(metricText("status", "How things stand: 0 ok, 1 warning, 2 critical.", " 0") +
		metricText("status_reasons", "How many reasons there are why things do not stand well.", `{severity="critical"} 0`, `{severity="warning"} 0`) +
		metricText("status_timestamp_seconds", "When the repository was last looked at.", " 1.7e+09"))
}

// metricText is a gauge in the format of Prometheus.
func metricText(name, help string, samples ...string) string {
	name = "openim_dr_" + name
	text := "# HELP " + name + " " + help + "\n# TYPE " + name + " gauge\n"
	for _, s := range samples {
		text += name + s + "\n"
	}
	return text
}
