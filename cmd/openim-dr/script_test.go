package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
)

// raceOptions keep the race detector from sleeping for a second at the end of
// each of the hundreds of processes that are started here.
const raceOptions = "atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	if err := os.Setenv("GORACE", raceOptions); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){"openim-dr": main, "openim-dr-killed": killedMain})
}

// TestScripts runs what a user could type and needs no server.
func TestScripts(t *testing.T) {
	for _, file := range scripts(t, "script") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			fixture, variables := fixtureWithoutServers(t)
			runScript(t, file, variables, commands{"prove": proving(t, fixture)})
		})
	}
}

func scripts(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d scripts in %s: %v", len(files), dir, err)
	}
	return files
}

type commands map[string]func(ts *testscript.TestScript, neg bool, args []string)

// runScript runs one script with variables and commands besides the common ones.
func runScript(t *testing.T, file string, variables map[string]string, more commands) {
	t.Helper()
	all := commands{"status": requireStatus, "keys": keys, "expand": expand, "capture": capture, "damage": damage}
	maps.Copy(all, more)
	testscript.Run(t, testscript.Params{
		Files:              []string{file},
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", raceOptions)
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, ".cache"))
			for name, value := range variables {
				env.Setenv(name, value)
			}
			return nil
		},
		Cmds: all,
	})
}

// requireStatus runs a program and requires its exit code:
//
//	status 4 openim-dr restore latest
func requireStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE PROGRAM ARGUMENT...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// keys makes one key of every use in the working directory, and sets
// OPERATOR, CATALOG, WRITER and CHIEF to their public halves.
func keys(ts *testscript.TestScript, _ bool, _ []string) {
	made := map[string][2]string{
		"OPERATOR": {"operator", "operator.key"}, "CATALOG": {"catalog", "catalog.key"},
		"WRITER": {"signing", "writer.key"}, "CHIEF": {"signing", "chief.key"},
	}
	for _, variable := range slices.Sorted(maps.Keys(made)) {
		use, file := made[variable][0], made[variable][1]
		ts.Check(ts.Exec("openim-dr", "keygen", use, "--out", file, "-o", "json"))
		var result struct{ Recipient, PublicKey string }
		ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &result))
		ts.Setenv(variable, result.Recipient+result.PublicKey)
	}
}

// expand replaces $NAME in files by the script's variables.
func expand(ts *testscript.TestScript, _ bool, files []string) {
	for _, file := range files {
		text := os.Expand(ts.ReadFile(file), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o600))
	}
}

// damage changes one bit of each file that a pattern matches:
//
//	damage 'repo/packs/*/*'
func damage(ts *testscript.TestScript, _ bool, patterns []string) {
	for _, pattern := range patterns {
		files, err := filepath.Glob(ts.MkAbs(pattern))
		ts.Check(err)
		if len(files) == 0 {
			ts.Fatalf("no file matches %s", pattern)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			ts.Check(err)
			content[len(content)/2] ^= 1
			ts.Check(os.Chmod(file, 0o600))
			ts.Check(os.WriteFile(file, content, 0o600))
		}
	}
}

// capture sets a variable to a value in the JSON of the last output, found by
// keys and indexes:
//
//	capture POINT point
//	capture FIRST 0 id
func capture(ts *testscript.TestScript, _ bool, args []string) {
	var value any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &value))
	for _, step := range args[1:] {
		switch at := value.(type) {
		case map[string]any:
			value = at[step]
		case []any:
			i, err := strconv.Atoi(step)
			ts.Check(err)
			value = at[i]
		}
	}
	text, ok := value.(string)
	if !ok {
		ts.Fatalf("%v is %v, not a text", args[1:], value)
	}
	ts.Setenv(args[0], text)
}

// pointsWithoutServers makes a repository with three points of a source that
// needs no server: what reading verbs do with it can then be scripted.
func pointsWithoutServers(t *testing.T) map[string]string {
	t.Helper()
	_, variables := fixtureWithoutServers(t)
	return variables
}

func fixtureWithoutServers(t *testing.T) (*repotest.Fixture, map[string]string) {
	t.Helper()
	fixture := repotest.New(t)
	points := make([]string, 3)
	for i := range points {
		var err error
		points[i], err = fixture.TryCapture(t.Context(), t, "main", "mysql", notes{})
		if err != nil {
			t.Fatal(err)
		}
	}
	identity := filepath.Join(t.TempDir(), "operator.key")
	if err := os.WriteFile(identity, []byte(fixture.Operator.Secret()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	secret, err := fixture.Signer.Secret()
	if err != nil {
		t.Fatal(err)
	}
	signing := filepath.Join(t.TempDir(), "signing.key")
	if err := os.WriteFile(signing, secret, 0o600); err != nil {
		t.Fatal(err)
	}
	return fixture, map[string]string{
		"REPO": fixture.Dir(), "SIGNING_KEY": signing, "OPERATOR": fixture.Operator.Recipient().String(), "INSTANCE": repotest.Instance, "TRUST": fixture.Signer.PublicKey(), "IDENTITY": identity, "RECIPIENT": fixture.Operator.Recipient().String(),
		"POINT1": points[0], "POINT2": points[1], "POINT3": points[2],
		"CENTURY": points[0][:2],
	}
}

// proving writes the proof of a drill that began at some hour of 2026-11-23:
//
//	prove POINT HOUR passed|failed|sampled
func proving(t *testing.T, fixture *repotest.Fixture) func(ts *testscript.TestScript, neg bool, args []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 3 {
			ts.Fatalf("usage: prove POINT HOUR passed|failed|sampled")
		}
		listing, err := fixture.Open(t).List(t.Context())
		ts.Check(err)
		point, err := listing.Find(args[0])
		ts.Check(err)
		hour, err := strconv.Atoi(args[1])
		ts.Check(err)
		met := true
		proof := repotest.Proof(time.Date(2026, 11, 23, hour, 0, 0, 0, time.UTC), repotest.Taken(point, "main"))
		proof.Comparisons = []repository.ProofCompared{{Source: "main", Name: "notes", Rows: 3, Bytes: 27, Equal: args[2] != "failed"}}
		proof.RTO.Met, proof.RPO.Seconds = &met, 7200
		switch args[2] {
		case "failed":
			proof.Passed, proof.Comparisons[0].Differences = false, 2
		case "sampled":
			proof.Full, proof.Sample = false, &repository.ProofSample{Share: 0.1, Objects: 10, Of: 100, Confidence: 0.99, BadShare: 0.4}
		}
		fixture.AppendProof(t, proof)
	}
}

// notes is a source that holds one small file.
type notes struct{}

func (notes) Capture(ctx context.Context, draft *repository.SourceDraft, _ progress.Reporter) error {
	file, err := draft.Create(ctx, "schema.sql", "notes")
	if err != nil {
		return err
	}
	defer file.Abort()
	if _, err := file.Write([]byte("create table notes (id int)")); err != nil {
		return err
	}
	draft.Captured(map[string]int{"tables": 1})
	draft.Summarize(repository.Summary{Rows: 3, Bytes: 27})
	return file.Commit()
}
