package daemon_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/openim-dr/openim-dr/internal/daemon"
	"github.com/openim-dr/openim-dr/internal/status"
)

func get(t *testing.T, handler http.Handler, path, accept string) (status int, body string) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	request.Header.Set("Accept", accept)
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	data, err := io.ReadAll(recorder.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return recorder.Code, string(data)
}

// A daemon is alive whatever is wrong, and ready when nothing is.
func TestProbes(t *testing.T) {
	health := new(daemon.Health)
	handler := daemon.Handler(health, prometheus.NewRegistry())
	require := func(path string, status int, body string) {
		t.Helper()
		if got, text := get(t, handler, path, ""); got != status || text != body {
			t.Errorf("%s answers %d %q, want %d %q", path, got, text, status, body)
		}
	}
	require("/readyz", http.StatusOK, "ok\n")
	health.Set("repository", errors.New("no answer"))
	health.Set(daemon.ConfigurationPart, errors.New("line 3: unknown key"))
	require("/readyz", http.StatusServiceUnavailable, "configuration: line 3: unknown key\nrepository: no answer\n")
	require("/livez", http.StatusOK, "ok\n")
	health.Set("repository", nil)
	health.Set(daemon.ConfigurationPart, nil)
	require("/readyz", http.StatusOK, "ok\n")
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/livez", strings.NewReader(""))
	recorder := httptest.NewRecorder()
	if handler.ServeHTTP(recorder, request); recorder.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST is answered by %d", recorder.Code)
	}
}

// What is wrong stands in reports as well, with what to do, and whoever makes them is
// told when that changes.
func TestHealthIsPartOfReports(t *testing.T) {
	changes := 0
	health := &daemon.Health{Changed: func() { changes++ }}
	health.Set(daemon.ConfigurationPart, nil)
	health.Set(daemon.ConfigurationPart, errors.New("line 3:\n  unknown key"))
	health.Set(daemon.ConfigurationPart, errors.New("line 3:\n  unknown key"))
	health.Set("schedule nightly", errors.New("no answer"))
	want := []status.Reason{
		{Severity: status.Warning, Code: status.DaemonConfiguration, Text: "configuration: line 3: unknown key"},
		{Severity: status.Warning, Code: status.DaemonSchedule, Subject: "nightly", Text: "schedule nightly: no answer"},
	}
	if diff := cmp.Diff(want, health.Reasons()); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	health.Set(daemon.ConfigurationPart, errors.New("line 5"))
	health.Set(daemon.ConfigurationPart, nil)
	if changes != 4 {
		t.Errorf("it was told of %d changes, want 4", changes)
	}
	r := &status.Report{State: status.OK}
	if r.Add(health.Reasons()...); r.State != status.Warning || r.Reasons[0].Code.Advice() == "" {
		t.Errorf("the report is %+v", r)
	}
}

// Metrics are named as the conventions want, and exist in both formats.
func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		registry := prometheus.NewRegistry()
		d := w.daemon(w.schedule("hourly", "@hourly", time.Minute))
		d.Metrics = daemon.NewMetrics(registry)
		stop := start(t, d)
		time.Sleep(90 * time.Minute)
		defer stop()
		if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
			t.Errorf("metrics that break a convention: %v (%v)", problems, err)
		}
		handler := daemon.Handler(d.Health, registry)
		if _, body := get(t, handler, "/metrics", "application/openmetrics-text; version=1.0.0"); !strings.HasSuffix(body, "# EOF\n") {
			t.Errorf("as OpenMetrics:\n%s", body)
		}
		_, body := get(t, handler, "/metrics", "")
		for _, want := range []string{
			"openim_dr_leader 1",
			`openim_dr_schedule_attempts_total{result="ok",schedule="hourly"} 1`,
			`openim_dr_schedule_passed_total{schedule="hourly",why="missed"} 0`,
			`openim_dr_schedule_running{schedule="hourly"} 0`,
			`openim_dr_schedule_last_success_timestamp_seconds{schedule="hourly"} 9.4668846e+08`, // 01:01
			`openim_dr_schedule_next_timestamp_seconds{schedule="hourly"} 9.46692e+08`,
		} {
			if !strings.Contains(body, want) {
				t.Errorf("there is no %s in:\n%s", want, body)
			}
		}
	})
}
