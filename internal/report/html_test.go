package report

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func page(t *testing.T, r *Report) *element {
	t.Helper()
	data, err := HTML(r)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, data)
}

// reports are one of every outcome.
func reports() map[string]*Report {
	deviating, different, failed, stopped, refused, plan := sample(), sample(), sample(), sample(), sample(), sample()
	equal := sample()
	equal.Sources[0].Deviations = nil
	different.Outcome, different.Equal, different.ExitCode = Different, false, 3
	different.Sources[0].Equal = yes(false)
	different.Sources[0].Differences = []Difference{{Object: "openIM_v3.users", What: "rows", Want: "12", Got: "11"}}
	different.Failure = &Failure{Code: "corrupt", Doing: "compare", Why: "1 differences", Try: "do not use it"}
	for _, r := range []*Report{failed, stopped, refused, plan} {
		r.Equal, r.RTOSeconds, r.ExitCode = false, nil, 1
		for i := range r.Sources {
			r.Sources[i] = Source{Name: r.Sources[i].Name, Kind: r.Sources[i].Kind, Point: r.Sources[i].Point}
		}
	}
	failed.Outcome, failed.Failure = Failed, &Failure{Code: "failed", Doing: "load", Target: "mysql db:3306", Why: "connection lost", Try: "run it again"}
	failed.Sources[0].LoadSeconds = seconds(17)
	stopped.Outcome, stopped.Failure = Stopped, &Failure{Code: "failed", Doing: "restore", Why: "it was stopped"}
	refused.Outcome, refused.Touched, refused.ExitCode, refused.Overwritten = Refused, false, 4, nil
	refused.Refusals = []Refusal{{Code: "occupied", Target: "mysql/db:3306/openIM_v3", Why: "it holds 41 tables", Try: "--overwrite mysql/db:3306/openIM_v3"}}
	plan.Outcome, plan.Touched, plan.ExitCode = Planned, false, 0
	early := &Report{Verb: "restore", Tool: "openim-dr 1.2.3", Began: began, Ended: began.Add(time.Second), Outcome: Failed, ExitCode: 1,
		Failure: &Failure{Code: "failed", Doing: "open storage", Target: "gs://openim-backups/prod", Why: "timeout"}}
	return map[string]*Report{
		"equal": equal, "equal with deviations": deviating, "different": different, "failed": failed, "stopped": stopped,
		"refused": refused, "planned": plan, "failed before anything was known": early,
	}
}

// TestPageSaysWhatHappened: who reads no more than the page knows how it ended
// and what that means.
func TestPageSaysWhatHappened(t *testing.T) {
	want := map[string][]string{
		"equal": {"Equal. Everything was compared with what was captured, and is equal.", "From the word to the last comparison 12 min 34 s objective 10 min 0 s: missed",
			"Changes lost, at most 1 h 15 min objective 1 h 0 min: missed", "Compared 2 0 differences", "Brought back 1.5 GiB 4,700,000 rows, 20,000 objects",
			"Began 2026-11-24 03:15:00 UTC", "Program openim-dr 1.2.3", "Rollback point 20261124T031600Z-roll", "openim/Deployment/openim-api 3 2026-11-24 03:16:00 UTC not reached",
			"Target the sources themselves"},
		"equal with deviations":            {"is equal but for 1 deviation that the settings ask for.", "openim@% main kept existingAccounts: keep"},
		"different":                        {"Not equal. What came back is not what was captured: do not put the target into service.", "openIM_v3.users main rows 12 11", "exit code 3, corrupt"},
		"failed":                           {"Failed. It failed before the comparison had ended. What is at the target is not whole", "To what mysql db:3306", "Why connection lost", "What to do run it again", "17.0 s not begun not compared"},
		"stopped":                          {"Stopped. It was stopped before the comparison had ended.", "Ended after 13 min 0 s the comparison was not reached; the objective is 10 min 0 s"},
		"refused":                          {"Refused. It was refused for safety. Nothing was changed.", "--overwrite mysql/db:3306/openIM_v3"},
		"planned":                          {"Planned. This is a plan. Nothing was changed."},
		"failed before anything was known": {"Nothing at the target was changed.", "To what gs://openim-backups/prod", "Why timeout"},
	}
	for name, r := range reports() {
		t.Run(name, func(t *testing.T) {
			words := page(t, r).all("body")[0].words()
			for _, w := range want[name] {
				if !strings.Contains(words, w) {
					t.Errorf("the page lacks %q:\n%s", w, words)
				}
			}
		})
	}
}

// TestEverythingIsShown puts a word into every part of a report, and finds each
// on the page: what is added to a report is not forgotten there.
func TestEverythingIsShown(t *testing.T) {
	var r Report
	var words []string
	fill(reflect.ValueOf(&r).Elem(), "", func(path string) string {
		word := fmt.Sprintf("word-%d-", len(words))
		words = append(words, word+" "+path)
		return word
	})
	text := strings.ToLower(page(t, &r).text)
	for _, w := range words {
		word, path, _ := strings.Cut(w, " ")
		switch path {
		case ".Deviations.Source", ".Deviations.Object", ".Deviations.What", ".Deviations.Why": // the comparison's are there instead
		case ".Refusals.Code", ".Sources.Deviations.Source": // a word for programs; the source's own name stands there
		default:
			if !strings.Contains(text, word) {
				t.Errorf("%s is not on the page", path)
			}
		}
	}
}

// TestPageEscapesEverything puts markup into every part of a report.
func TestPageEscapesEverything(t *testing.T) {
	var r, harmless Report
	fill(reflect.ValueOf(&r).Elem(), "", func(string) string {
		return `"'><script>alert(1)</script><img src=x onerror=alert(1)></style></title></td></table>&amp;` + "`{{.}}"
	})
	fill(reflect.ValueOf(&harmless).Elem(), "", func(string) string { return "x" })
	got, want := outline(page(t, &r)), outline(page(t, &harmless))
	if got != want {
		t.Errorf("markup from outside has become part of the page:\n%s\nwant\n%s", got, want)
	}
}
