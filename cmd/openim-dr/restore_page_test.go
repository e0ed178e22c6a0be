package main

import (
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/restore"
)

// A plan says whether the state comes back, which one does, and how long it takes.
func TestPlanSaysWhatIsProven(t *testing.T) {
	at, estimate := time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC), 754.4
	tests := map[string]struct {
		member restore.Member
		want   string
	}{
		"proven":     {restore.Member{Proven: &at}, "proven   main: a drill has shown at 2026-11-23 02:00:00Z that just this comes back\n"},
		"nothing is": {restore.Member{}, "proven   main: no drill has shown of any point that it comes back\n"},
		"an older one is": {restore.Member{NewestProven: &restore.Alternative{Point: "P", Time: at, OlderSeconds: 5400}},
			"proven   main: no drill has shown that this comes back, but of point P, of 2026-11-23 02:00:00Z, 1h30m older: latest-proven would restore that\n"},
		"a newer one is": {restore.Member{NewestProven: &restore.Alternative{Point: "P", Time: at, OlderSeconds: -5400}},
			"proven   main: no drill has shown that this comes back, but of point P, of 2026-11-23 02:00:00Z, 1h30m newer\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.member.Source = "main"
			for want, plan := range map[string]*restore.Plan{
				"time     about 12m34s, as drills have measured it\n":                                    {Set: []restore.Member{tt.member}, Estimate: &estimate},
				"time     not known: no proof yet, which would have measured a restore of main, media\n": {Set: []restore.Member{tt.member}, Unmeasured: []string{"main", "media"}},
			} {
				var p page
				writePlan(&p, plan, false)
				if got := p.String(); !strings.Contains(got, tt.want) || !strings.Contains(got, want) {
					t.Errorf("got:\n%s\nwant in it:\n%s%s", got, tt.want, want)
				}
			}
		})
	}
}

// A clock that is behind shows, and no age is less than nothing.
func TestPlanOfAStateThatIsYetToCome(t *testing.T) {
	var p page
	writePlan(&p, &restore.Plan{Set: []restore.Member{{Source: "main", AgeSeconds: -172_302}}}, false)
	for _, want := range []string{" 47h52m ahead ", "yet to come by the clock of this machine\n"} {
		if got := p.String(); !strings.Contains(got, want) || strings.Contains(got, "-47h") {
			t.Errorf("got:\n%s\nwant in it: %s", got, want)
		}
	}
}

// What is not ok stands in full, and what is ok in a line of each source.
func TestPlanFoldsWhatIsOK(t *testing.T) {
	plan := &restore.Plan{Checks: []restore.Check{
		{Check: "keys", Source: "main", OK: true, Detail: "every key of the point opens"},
		{Check: "room", Source: "main", Detail: "it is tight"},
		{Check: "keys", Source: "media", OK: true, Detail: "every key of the point opens"},
		{Check: "files", Source: "main", OK: true, Detail: "every file is there"},
		{Check: "quiesce", OK: true, Detail: "three workloads"},
	}}
	tests := map[string]struct {
		every bool
		want  string
	}{
		"folded": {false, "check    ok  main: 2 checks are ok: keys, files\n" +
			"check    ok  media: 1 check is ok: keys\n" +
			"check    ok  all: 1 check is ok: quiesce\n" +
			"check    NO  main room: it is tight\n" +
			"checks   4 of 5 are ok; --log-level debug prints what each has seen\n"},
		"every one": {true, "check    ok  main keys: every key of the point opens\n" +
			"check    ok  media keys: every key of the point opens\n" +
			"check    ok  main files: every file is there\n" +
			"check    ok  quiesce: three workloads\n" +
			"check    NO  main room: it is tight\n" +
			"checks   4 of 5 are ok\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var p page
			writePlan(&p, plan, tt.every)
			if !strings.Contains(p.String(), tt.want) {
				t.Errorf("got:\n%s\nwant in it:\n%s", p.String(), tt.want)
			}
		})
	}
}
