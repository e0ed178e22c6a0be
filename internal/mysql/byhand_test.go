package mysql

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/runbook"
)

// TestByHandQuotes runs the blocks of a page with functions that only print
// what they are given. Whatever stands in a manifest, which anybody may have
// written where nobody vouches for it, is data and no command.
func TestByHandQuotes(t *testing.T) {
	for _, nasty := range []string{"plain", "it's", "$(echo no)", "`echo no`", "a b", `"q"`, "x; echo no", "100%", "ünï", "line\nfeed", "'; echo no; '", "*"} {
		captured, err := json.Marshal(Captured{
			Version: nasty, Variables: map[string]string{"lower_case_table_names": nasty},
			Schemas:  []CapturedSchema{{Name: nasty, CharacterSet: nasty, Collation: nasty, Tables: []CapturedTable{{Name: nasty, Rows: 3, Chunks: 1}}}},
			Accounts: &CapturedAccounts{Count: 1},
		})
		if err != nil {
			t.Fatal(err)
		}
		part, err := ByHand(runbook.Source{Name: nasty, Dir: "points/x/main", Prefix: "MAIN", Captured: captured, Rename: func(name string) string { return name + "'" }}, nil)
		if err != nil {
			t.Fatal(err)
		}
		dir := repository.FileName(nasty)
		want := [][]string{
			{"sql_look", nasty + "'"},
			{"sql_create", "1", nasty, dir, nasty + "'", nasty, nasty},
			{"sql_load", "1", nasty + "'", quoteName(nasty), dir + "/" + dir, "3"},
			{"sql_count", nasty + "'", quoteName(nasty), quoteText(nasty), "3"},
			{"sql_rows", "1", nasty + "'", quoteName(nasty), dir + "/" + dir, "0"},
			{"sql_finish", "1", nasty + "'", dir},
		}
		if got := runBlocks(t, part); !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("with the name %q the blocks call\n%q, want\n%q", nasty, got, want)
		}
	}
}

// runBlocks returns the calls that the blocks of a part make.
func runBlocks(t *testing.T, part *runbook.Part) [][]string {
	t.Helper()
	script := "WORK=$(mktemp -d)\nask() { case $1 in *read_only*) echo 0 ;; *local_infile*) echo 1 ;; esac; }\nsql() { :; }\nopened() { : > \"$2\"; }\nmysql() { echo MariaDB; }\nescaped() { cat; }\n" +
		"stop() { echo stopped >&2; exit 1; }\n"
	for _, name := range []string{"sql_look", "sql_create", "sql_load", "sql_count", "sql_rows", "sql_finish"} {
		script += name + "() { printf '%s\\0' " + name + " \"$@\" >&3; printf '\\001' >&3; }\n"
	}
	for _, v := range part.Variables {
		script += v.Name + "=" + runbook.Quote(v.Value) + "\n"
	}
	for _, b := range part.Sections[0].Blocks {
		if step, ok := b.(runbook.Step); ok {
			script += "mkdir -p \"$WORK/MAIN/1\"\n" + string(step.Body)
		}
	}
	cmd := exec.Command("sh", "-eu", "-c", "exec 3>&1 >/dev/null\n"+script+"rm -rf \"$WORK\"\n")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sh: %v: %s\n%s", err, stderr.String(), script)
	}
	var calls [][]string
	for call := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x01"), "\x01") {
		calls = append(calls, strings.Split(strings.TrimSuffix(call, "\x00"), "\x00"))
	}
	return calls
}
