package report

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var began = time.Date(2026, 11, 24, 11, 15, 0, 0, time.FixedZone("CST", 8*3600))

func seconds(s float64) *float64 { return &s }

func yes(b bool) *bool { return &b }

// sample is a restore of two sources that ended equal.
func sample() *Report {
	stopped, rollback := began.Add(time.Minute), "20261124T031600Z-roll"
	return &Report{
		Verb: "restore", Restore: "20261124T031500Z-zzzz", Instance: "openim-prod", Repository: "gs://openim-backups/prod",
		Tool: "openim-dr 1.2.3", Began: began, Ended: began.Add(13 * time.Minute), Outcome: Equal, Touched: true, Equal: true,
		RTOSeconds: seconds(754.25), Objectives: Objectives{RPOSeconds: seconds(3600), RTOSeconds: seconds(600)},
		Points: []Point{
			{Point: "20261124T020000Z-a2b3", Time: began.Add(-75 * time.Minute), AgeSeconds: 4500, Sources: []string{"main"}},
			{Point: "20261124T030000Z-k3vq", Time: began.Add(-15 * time.Minute), AgeSeconds: 900, Sources: []string{"media"}, Proven: &stopped},
		},
		Sources: []Source{
			{
				Name: "main", Kind: "mysql", Point: "20261124T020000Z-a2b3", Counts: Counts{Rows: 4700000, Bytes: 815 << 20},
				LoadSeconds: seconds(500), CompareSeconds: seconds(100), Equal: yes(true),
				Items:      []Compared{{Name: "openIM_v3.users", Counts: Counts{Rows: 12, Bytes: 345}, Equal: true}},
				Deviations: []Deviation{{Object: "openim@%", What: "kept", Why: "existingAccounts: keep"}},
			},
			{
				Name: "media", Kind: "buckets", Point: "20261124T030000Z-k3vq", Counts: Counts{Objects: 20000, Bytes: 714 << 20},
				LoadSeconds: seconds(600), CompareSeconds: seconds(150), Equal: yes(true),
				Items: []Compared{{Name: "openim", Counts: Counts{Objects: 20000, Bytes: 714 << 20}, Equal: true}},
			},
		},
		Steps: []Step{
			{Source: "main", Action: "load tables", Target: "mysql/db:3306/openIM_v3", Counts: Counts{Rows: 4700000, Bytes: 815 << 20}, State: "done", Seconds: seconds(500)},
			{Source: "media", Action: "upload objects", Target: "bucket/s3:8333/openim", Counts: Counts{Objects: 20000, Bytes: 714 << 20}},
		},
		Checks:        []Check{{Check: "keys", Source: "main", OK: true, Detail: "every key of the point opens"}},
		Warnings:      []string{"the binary log stays on"},
		Deviations:    []Deviation{{Source: "main", Object: "announced", What: "kept", Why: "existingAccounts: keep"}},
		Overwritten:   []Overwrites{{Target: "mysql/db:3306/openIM_v3", Held: "41 tables (8.2 GiB)"}},
		RollbackPoint: &rollback,
		Workloads:     []Workload{{Namespace: "openim", Kind: "Deployment", Name: "openim-api", Replicas: 3, Stopped: &stopped}},
	}
}

func TestSums(t *testing.T) {
	r := sample()
	if got := r.Age(); got != 4500 {
		t.Errorf("age %v, want that of the oldest point", got)
	}
	if got := (Counts{Rows: 4700000, Objects: 20000, Bytes: 1529 << 20}); r.Total() != got {
		t.Errorf("total %+v, want %+v", r.Total(), got)
	}
	if got := r.AllDeviations(); len(got) != 1 || got[0].Object != "openim@%" || got[0].Source != "main" {
		t.Errorf("deviations %+v, want that of the comparison", got)
	}
	for i := range r.Sources {
		r.Sources[i].Equal = nil
		r.Sources[i].Deviations = nil
	}
	if got := r.AllDeviations(); len(got) != 1 || got[0].Object != "announced" {
		t.Errorf("deviations %+v, want what the plan announced", got)
	}
}

func TestKept(t *testing.T) {
	tests := map[string]struct {
		measured float64
		promised *float64
		want     string
	}{
		"nothing promised": {1, nil, ""},
		"faster":           {1, seconds(2), "kept"},
		"just so":          {2, seconds(2), "kept"},
		"slower":           {2.1, seconds(2), "missed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Kept(tt.measured, tt.promised); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDuration(t *testing.T) {
	for want, seconds := range map[string]float64{
		"0.0 s": 0, "12.3 s": 12.3, "1 min 0 s": 60, "12 min 34 s": 754.25, "1 h 15 min": 4500, "47 h 59 min": 48*3600 - 1, "2 days 0 h": 48 * 3600,
	} {
		if got := Duration(seconds); got != want {
			t.Errorf("%v seconds are %q, want %q", seconds, got, want)
		}
	}
}

// The document has the names of the result that the command prints, times in
// UTC, and a list wherever there may be one.
func TestJSON(t *testing.T) {
	data, err := JSON(sample())
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"restore": "20261124T031500Z-zzzz", "equal": true, "rtoSeconds": 754.25, "rollbackPoint": "20261124T031600Z-roll",
		"began": "2026-11-24T03:15:00Z", "ended": "2026-11-24T03:28:00Z", "outcome": "equal", "exitCode": 0.0, "touched": true,
	}
	for name, value := range want {
		if diff := cmp.Diff(value, got[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	media := got["sources"].([]any)[1].(map[string]any)
	if media["name"] != "media" || media["objects"] != 20000.0 || media["loadSeconds"] != 600.0 || media["equal"] != true {
		t.Errorf("media is %v", media)
	}
	for _, name := range []string{"items", "differences", "deviations"} {
		if _, is := media[name].([]any); !is {
			t.Errorf("sources[1].%s is %v, want a list", name, media[name])
		}
	}

	data, err = JSON(&Report{Verb: "restore", Outcome: Failed, Failure: &Failure{Why: "no"}})
	if err != nil {
		t.Fatal(err)
	}
	clear(got)
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"points", "sources", "steps", "checks", "warnings", "deviations", "overwritten", "workloads"} {
		if list, is := got[name].([]any); !is || len(list) > 0 {
			t.Errorf("%s is %v, want an empty list", name, got[name])
		}
	}
	if got["rtoSeconds"] != nil || got["error"].(map[string]any)["why"] != "no" {
		t.Errorf("got %s", data)
	}
}
