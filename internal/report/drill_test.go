package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/repository"
)

func drillElement(t *testing.T, d *Drill) *element {
	t.Helper()
	var b bytes.Buffer
	if err := d.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	return parse(t, b.Bytes())
}

// drillJSON returns the document as a reader of JSON sees it.
func drillJSON(t *testing.T, d *Drill) map[string]any {
	t.Helper()
	data, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	return document
}

// TestDrillSaysWhatWasProven: who reads no more than the page knows what was
// shown, how it stands to the objectives, and what to do if it was not.
func TestDrillSaysWhatWasProven(t *testing.T) {
	slow := passedDrill()
	slow.Proof.RTO.Seconds, slow.Proof.RTO.Met = 2150.5, yes(false)
	untested := passedDrill()
	untested.Proof.SelfTest = nil
	tests := map[string]struct {
		drill *Drill
		want  []string
		never []string
	}{
		"passed": {passedDrill(), []string{
			"Restore drill of openim-prod 2026-12-01 05:00:12 UTC Passed: what was backed up comes back On 1 December 2026 at 05:00 UTC, 3 sources were restored from 2 recovery points into empty scratch servers and read again: " +
				"25 tables with 5,345,707 rows and 5 accounts; 1 bucket with 20,043 objects; 2 namespaces with 81 documents. All of it equals what was captured. " +
				"These recovery points are proven by it: 20261201T020000Z-k3vq, 20261201T040700Z-a2b3.",
			"Time to restore (RTO) 12 min 34 s within the objective of 30 min", "Age of the data (RPO) 3 h 0 min within the objective of 4 h newest row: 14.0 s before the capture",
			"Compared, and equal 29 of 29 no difference", "Self-test: damages found 6 of 6 the drill’s own checks work",
			"a forged signature no trusted signer yes", "minisign -V -P RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3 -m 20261201T052105Z.json",
			"root@localhost main kept", "mysql:8.4",
		}, []string{"Why it failed", "What to look at", "proves nothing", "99.9 %"}},
		"failed": {failedDrill(), []string{
			"Failed: do not rely on these recovery points", "2 of 29 parts did not come back as captured.", "35 min 50 s beyond the objective of 30 min", "27 of 29 3 differences",
			"Of 6 damages that the drill made on purpose its own checks did not find 1: a forged signature.", "Source main: 2 of 26 parts did not come back as captured: openIM_v3.chat_logs, openIM_v3.users.",
			"openim-dr check --read-data 20261201T040700Z-a2b3", "Of 19,877 objects checked for source main, 312 are referred to by the database and are in no bucket of the set (tolerated: 0).",
			`The assertion "there are users" did not hold: 0, want 1.`, "A restore takes 35 min 50 s, and the objective is 30 min.", "No more than one key opens 20261201T020000Z-k3vq",
			"the newest points that a drill has proven are those of 2026-11-01 05:00:12 UTC: main 20261101T040700Z-a2b3.", "What did not come back as it was captured: all of them", "The first 3 of 312",
		}, []string{"proven by it", "All of it equals"}},
		"not begun": {brokenDrill(), []string{
			"Failed: the drill could not be brought to its end On 1 December 2026 at 05:00 UTC, 3 sources were to be restored from 2 recovery points into empty scratch servers. Nothing was compared.",
			"not reached not held against the objective of 30 min", "nothing was compared", "It could not go on (start the scratch server of main mysql:8.4): no space left on device.", "Free 12 GiB below /var/lib/docker, then drill again",
			"No earlier drill that is known here has proven any point.", "the trend begins with the next one", "Record none could be written",
		}, []string{"proven by it", "equals what was captured", "minisign -V"}},
		"sampled": {sampledDrill(), []string{
			"Passed in part: this proves nothing", "Only a sample was restored: 2,305 of 20,043 objects, drawn at random. It is recorded, but proves no point",
			"As none of those is bad, it is 99.9 % sure that fewer than 0.3 % of all are bad.", "12 min 31 s for the sample; 13 min 31 s for all of it, projected",
		}, []string{"proven by it"}},
		"slow, but passed": {slow, []string{"Passed: what was backed up comes back", "beyond the objective of 30 min", "What to look at", "objectives.rto"}, []string{"Why it failed"}},
		"not tested":       {untested, []string{"none the drill did not test itself", "nothing shows that the checks of this drill find any"}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			words := drillElement(t, tt.drill).all("body")[0].words()
			for _, w := range tt.want {
				if !strings.Contains(words, w) {
					t.Errorf("the page lacks %q:\n%s", w, words)
				}
			}
			for _, w := range tt.never {
				if strings.Contains(words, w) {
					t.Errorf("the page has %q", w)
				}
			}
		})
	}
}

// TestDrillBelievesNoPassBesideAFailure (invariant 11): whatever says that it
// passed, one bad line in a list makes the page say that it failed.
func TestDrillBelievesNoPassBesideAFailure(t *testing.T) {
	for name, spoil := range map[string]func(*Drill){
		"a difference":           func(d *Drill) { d.Proof.Comparisons[3].Equal = false },
		"a damage not found":     func(d *Drill) { d.Proof.SelfTest[0].Found = false },
		"missing objects":        func(d *Drill) { d.Proof.Truth[0].Passed = false },
		"an assertion":           func(d *Drill) { d.Proof.Assertions[1].Passed = false },
		"an error":               func(d *Drill) { d.Failure = &Failure{Why: "connection lost"} },
		"nothing to be compared": func(d *Drill) { d.Proof.Comparisons = nil },
	} {
		t.Run(name, func(t *testing.T) {
			d := passedDrill()
			spoil(d)
			root := drillElement(t, d)
			if words := root.words(); !strings.Contains(words, "Failed:") || strings.Contains(words, "proven by it") || !strings.Contains(root.all("title")[0].words(), ": failed") {
				t.Errorf("the page says\n%s", words)
			}
		})
	}
}

// TestConfidenceNeedsAGoodSample: from a sample with a bad object nothing
// follows for the others.
func TestConfidenceNeedsAGoodSample(t *testing.T) {
	d := sampledDrill()
	d.Proof.Passed = false
	bucket := &d.Proof.Comparisons[slices.IndexFunc(d.Proof.Comparisons, func(c repository.ProofCompared) bool { return c.Source == "media" })]
	bucket.Equal, bucket.Differences = false, 1
	words := drillElement(t, d).words()
	if strings.Contains(words, "it is 99.9 % sure") || !strings.Contains(words, "this does not hold here") {
		t.Errorf("the page is sure:\n%s", words)
	}
}

// The document has the names that the command line promises, times in UTC, and
// a list wherever there may be one.
func TestDrillJSON(t *testing.T) {
	got := drillJSON(t, passedDrill())
	want := map[string]any{
		"proof": "proofs/20261201T040700Z-a2b3/20261201T052105Z.json", "drill": "20261201T050012Z-q7mz", "passed": true, "full": true,
		"seconds": 1253.0, "started": "2026-12-01T05:00:12Z", "scratch": "docker", "instance": "openim-prod",
	}
	for name, value := range want {
		if diff := cmp.Diff(value, got[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if rto, rpo := got["rto"].(map[string]any), got["rpo"].(map[string]any); rto["seconds"] != 754.25 || rto["met"] != true || rpo["seconds"] != 10812.0 || rpo["dataSeconds"] != 14.0 {
		t.Errorf("rto %v, rpo %v", rto, rpo)
	}
	if set := got["set"].([]any); set[0].(map[string]any)["started"] != "2026-12-01T04:07:12Z" {
		t.Errorf("set %v", set)
	}
	if trend := got["trend"].([]any); len(trend) != 11 || trend[4].(map[string]any)["rtoSeconds"] != 698.0 {
		t.Errorf("trend %v: the fifth was of a sample, and is projected", trend)
	}
	got = drillJSON(t, &Drill{})
	for _, name := range []string{"set", "servers", "comparisons", "differences", "truth", "references", "assertions", "selfTest", "deviations", "warnings", "heads", "trend"} {
		if list, is := got[name].([]any); !is || len(list) > 0 {
			t.Errorf("%s is %v, want an empty list", name, got[name])
		}
	}
}

// Both formats can be written to a file, as those of a restore.
func TestWriteDrill(t *testing.T) {
	for name, begins := range map[string]string{"d.json": "{", "d.html": "<!doctype html>"} {
		path := filepath.Join(t.TempDir(), name)
		if err := WriteDrill(path, passedDrill()); err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(path); err != nil || !bytes.HasPrefix(data, []byte(begins)) {
			t.Errorf("%s: wrote %.20q, %v", name, data, err)
		}
	}
}

// TestEverythingOfADrillIsShown is TestEverythingIsShown for a drill.
func TestEverythingOfADrillIsShown(t *testing.T) {
	var d Drill
	var words []string
	fill(reflect.ValueOf(&d).Elem(), "", func(path string) string {
		word := fmt.Sprintf("word-%d-", len(words))
		words = append(words, word+" "+path)
		return word
	})
	text := strings.ToLower(drillElement(t, &d).text)
	for _, w := range words {
		word, path, _ := strings.Cut(w, " ")
		switch {
		// Of earlier drills their outcome is shown; the header is for programs, and
		// the place of a proof is among the records.
		case strings.HasPrefix(path, ".Earlier.") && path != ".Earlier.Drill", strings.HasPrefix(path, ".Proof.Header."), path == ".Proof.Point":
		case !strings.Contains(text, word):
			t.Errorf("%s is not on the page", path)
		}
	}
}

// TestDrillEscapesEverything puts markup into every part of a drill.
func TestDrillEscapesEverything(t *testing.T) {
	var d, harmless Drill
	const markup = `"'><script>alert(1)</script><img src=x onerror=alert(1)></style></title></td></table></svg>&amp;` + "`{{.}}"
	fill(reflect.ValueOf(&d).Elem(), "", func(string) string { return markup })
	fill(reflect.ValueOf(&harmless).Elem(), "", func(string) string { return strings.Repeat("x", len(markup)) }) // as much room is needed
	got, want := outline(drillElement(t, &d)), outline(drillElement(t, &harmless))
	if got != want {
		t.Errorf("markup from outside has become part of the page:\n%s\nwant\n%s", got, want)
	}
}

// TestTrendKeepsTheNewest: a picture of a hundred drills shows the last ones.
func TestTrendKeepsTheNewest(t *testing.T) {
	d := passedDrill()
	d.Earlier = earlierDrills(100)
	page := &drillPage{Drill: d}
	trend := newTrend(d.Earlier, page)
	if len(trend.Drills) != trendDrills || trend.Hidden != 101-trendDrills || trend.Drills[0].RTOPath != fmt.Sprintf("trend.%d.rtoSeconds", 101-trendDrills) {
		t.Errorf("%d drills, %d hidden, the first is %+v", len(trend.Drills), trend.Hidden, trend.Drills[0])
	}
	if last := trend.Drills[trendDrills-1]; last.Drill != d.Proof.Drill || last.RTO != 754.25 {
		t.Errorf("the last is %+v, want this drill", last)
	}
	if len(trend.Dates) > 8 || trend.Dates[0].Text != "2026-12-01" {
		t.Errorf("dates %+v", trend.Dates)
	}
}

// TestPicturesStayInside: whatever the times, nothing is drawn outside of the
// picture or with a length below zero.
func TestPicturesStayInside(t *testing.T) {
	tests := map[string]struct{ restore, objective, load float64 }{
		"usual": {754.25, 1800, 402.5}, "far objective": {12, 86400, 8}, "no objective": {12, 0, 8}, "objective missed": {7000, 60, 6500},
		"milliseconds": {.02, 60, .01}, "weeks": {40 * 86400, 86400, 39 * 86400}, "parts longer than the whole": {10, 5, 400}, "nothing loaded": {10, 5, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := passedDrill()
			d.Proof.RTO = repository.ProofRTO{Seconds: tt.restore, ObjectiveSeconds: tt.objective, Parts: []repository.ProofPart{
				{Source: "main", Part: "load", Seconds: tt.load}, {Source: "a source with a long name and 名字 of its own", Part: "another part", Seconds: 1},
			}}
			p := newTimings(&d.Proof)
			for _, b := range p.Bars {
				if b.X < p.Left || b.W < 1 || b.X+b.W > p.Width || b.Y < 0 || b.Y+b.H > p.Height {
					t.Errorf("a bar at %+v", b)
				}
			}
			if len(p.Ticks) < 2 || len(p.Ticks) > ticksAtMost+1 {
				t.Errorf("%d ticks", len(p.Ticks))
			}
			for _, panel := range newTrend(d.Earlier, &drillPage{Drill: d}).Panels {
				for _, m := range panel.Marks {
					if m.X < trendLeft || m.X > pictureWidth-trendRight || m.Y < panel.Top || m.Y > panel.Bottom {
						t.Errorf("a mark at %+v in %v to %v", m, panel.Top, panel.Bottom)
					}
				}
			}
		})
	}
}

func TestShortDuration(t *testing.T) {
	for want, seconds := range map[string]float64{"0": 0, "0.2 s": .2, "45 s": 45, "90 min": 5400, "4 h": 14400, "2 d": 2 * 86400} {
		if got := shortDuration(seconds); got != want {
			t.Errorf("%v seconds are %q, want %q", seconds, got, want)
		}
	}
}

// A drill is written within a moment, however many tables there are.
func TestDrillOfAThousandTables(t *testing.T) {
	root := drillElement(t, manyTables(1000))
	rows := 0
	for _, table := range root.all("table") {
		if table.attributes["class"] == "compact" {
			rows = len(table.all("tbody")[0].children)
		}
	}
	if rows != 1004 {
		t.Errorf("%d rows, want those of 1000 tables and 4 other parts", rows)
	}
}
