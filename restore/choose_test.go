package restore_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/restore"
)

func TestChooseByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := repotest.Over(t, repotest.NewMemory())
		var ids []string
		began := time.Now()
		for range 3 {
			time.Sleep(time.Hour)
			ids = append(ids, mustBackUp(t, f, small()))
		}
		tests := map[string]struct {
			at   time.Time
			want string
		}{
			"the newest":                   {time.Time{}, ids[2]},
			"between two":                  {began.Add(150 * time.Minute), ids[1]},
			"at the moment of one's end":   {began.Add(2 * time.Hour), ids[1]},
			"long after the last":          {began.Add(48 * time.Hour), ids[2]},
			"in another zone":              {began.Add(150 * time.Minute).In(time.FixedZone("", 8*3600)), ids[1]},
			"just before the first's end":  {began.Add(time.Hour - time.Nanosecond), ""},
			"before there was any at all ": {began.Add(-time.Hour), ""},
		}
		for name, tt := range tests {
			r := request(f, "", &repotest.Sample{Name: "main"})
			r.At = tt.at
			p, err := restore.MakePlan(t.Context(), f.Open(t), r)
			switch {
			case tt.want == "":
				requireKind(t, err, fault.Usage, "the oldest was at", "openim-dr restore --at "+began.Add(time.Hour).UTC().Format(time.RFC3339)+" --source main --plan")
			case err != nil:
				t.Errorf("%s: %v", name, err)
			case p.Set[0].Point != tt.want:
				t.Errorf("%s: got %s, want %s", name, p.Set[0].Point, tt.want)
			}
		}
	})
}

func TestMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := repotest.Over(t, repotest.NewMemory())
		mustBackUp(t, f, small())
		time.Sleep(time.Hour)
		for limit, refused := range map[time.Duration]bool{0: false, 59 * time.Minute: true, 2 * time.Hour: false} {
			r := request(f, "latest", &repotest.Sample{Name: "main"})
			r.MaxAge = limit
			err := plan(t, f, r).Refused()
			if (err != nil) != refused {
				t.Errorf("no older than %s: %v", limit, err)
			}
			if refused {
				requireKind(t, err, fault.Refused, "1h0m0s old", "--max-age")
			}
		}
	})
}

// A rollback point is never a default, whatever its age.
func TestRollbackPointIsNoDefault(t *testing.T) {
	f, _ := fixture(t)
	want := mustBackUp(t, f, small())
	rollback := mustBackUpTo(t, f, "rollback", small())
	for _, ref := range []string{"", "latest"} {
		if got := plan(t, f, request(f, ref, &repotest.Sample{Name: "main"})).Set[0].Point; got != want {
			t.Errorf("%q is %s, want %s", ref, got, want)
		}
	}
	if got := plan(t, f, request(f, rollback, &repotest.Sample{Name: "main"})).Set[0].Point; got != rollback {
		t.Errorf("named, it is %s", got)
	}
	listing, err := f.Open(t).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	point, err := listing.Find(rollback)
	if err != nil || point.Held == nil || point.Held.Until.Sub(point.Started) != 14*24*time.Hour {
		t.Errorf("held %+v, %v", point.Held, err)
	}
}

// Files that are older than the rows which refer to them are named, with what
// to do.
func TestFilesOlderThanDatabases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := repotest.Over(t, repotest.NewMemory())
		mustBackUp(t, f, &repotest.Sample{Name: "media", Objects: map[string]string{"k": "v"}})
		time.Sleep(time.Hour)
		mustBackUp(t, f, small())
		r := request(f, "latest", &repotest.Sample{Name: "main"}, &repotest.Sample{Name: "media"})
		r.Sources[0].Phase, r.Sources[1].Phase = source.Databases, source.Files
		says := func(w string) bool { return strings.Contains(w, "--source media --missing-only") }
		if p := plan(t, f, r); !slices.ContainsFunc(p.Warnings, says) {
			t.Errorf("warnings %v", p.Warnings)
		}
		mustBackUp(t, f, small(), &repotest.Sample{Name: "media", Objects: map[string]string{"k": "v"}})
		if p := plan(t, f, r); slices.ContainsFunc(p.Warnings, says) {
			t.Errorf("of one point, and yet: %v", p.Warnings)
		}
	})
}
