package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// offers are three points of two sources, and two targets besides the sources.
func offers() restoreChoices {
	return restoreChoices{
		latest: []sourceAge{{"main", 42 * time.Minute}, {"media", 7 * time.Hour}},
		points: []pointChoice{
			{"20261124T020000Z-a2b3", 42 * time.Minute, "hourly-db", []string{"main"}},
			{"20261123T194200Z-k3vq", 7 * time.Hour, "nightly", []string{"main", "media"}},
			{"20261122T194200Z-zzzz", 31 * time.Hour, "nightly", []string{"main", "media"}},
		},
		left:    2,
		targets: []targetChoice{{"", []string{"main", "media"}}, {"dr-site", []string{"main", "media"}}, {"archive", []string{"main"}}},
	}
}

// identityIn writes a private key into a new directory, in a file whose name a
// shell would take apart.
func identityIn(t *testing.T) string {
	t.Helper()
	_, private, err := makeKey("operator", false)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "the operator's.key")
	if err := os.WriteFile(path, private, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// terminals are those that can be drawn on, and those that take lines only.
var terminals = map[string]string{"drawn": "xterm-256color", "in lines": "dumb"}

// TestAnswersAreFlags asks on a real terminal. The command line that is printed
// at the end, read by a real shell, is what the answers say.
func TestAnswersAreFlags(t *testing.T) {
	identity := identityIn(t)
	tests := map[string]struct {
		drawn, lines []exchange
		point        string
		sources      []string
		target       string
	}{
		"the defaults": {
			drawn:   []exchange{form("latest: main 42m old, media 7h0m old", enter), form("What of it?", enter), form("Where to?", enter)},
			lines:   []exchange{prompt("Enter takes 1", "\n"), prompt("What of it?", "0\n"), prompt("Where to?", "\n")},
			point:   repository.Latest,
			sources: []string{"main", "media"},
		},
		"an older point, one source, another place": {
			drawn:   []exchange{form("20261122T194200Z-zzzz", down+down+enter), form("[•] media", down+space+enter), form("dr-site", down+enter)},
			lines:   []exchange{prompt("3. 20261123T194200Z-k3vq 7h0m old main, media (nightly)", "3\n"), prompt("What of it?", "2\n0\n"), prompt("2. dr-site", "2\n")},
			point:   "20261123T194200Z-k3vq",
			sources: []string{"main"},
			target:  "dr-site",
		},
		"a point of one source": {
			drawn:   []exchange{form("20261122T194200Z-zzzz", down+enter), form("the sources themselves", down+enter)},
			lines:   []exchange{prompt("2. 20261124T020000Z-a2b3", "2\n"), prompt("2. dr-site", "2\n")},
			point:   "20261124T020000Z-a2b3",
			sources: []string{"main"},
			target:  "dr-site",
		},
		"nothing at first, then something": {
			drawn: []exchange{form("latest:", enter), form("[•] media", space+down+space+enter), prompt("choose at least one", space+enter), form("the sources themselves", enter)},
			lines: []exchange{prompt("latest:", "\n"), prompt("What of it?", "1\n2\n0\n"), prompt("choose at least one", ""), prompt("What of it?", "2\n0\n"), prompt("Where to?", "\n")},
			point: repository.Latest, sources: []string{"media"},
		},
	}
	for name, tt := range tests {
		for kind, term := range terminals {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Setenv("TERM", term)
				talk, ask, end := tt.drawn, form, enter
				if kind == "in lines" {
					talk, ask, end = tt.lines, prompt, "\n"
				}
				talk = append(talk, ask("Which file holds an operator's private key?", "/no/such/file"+end),
					prompt("no such file", strings.Repeat("\x7f", len("/no/such/file"))+identity+end), prompt("the same without questions:", ""))
				point, flags, command := converse(t, talk)
				want := restoreFlags{asked: true, sources: tt.sources, target: tt.target, identities: []string{identity}}
				if diff := cmp.Diff(want, flags, cmp.AllowUnexported(restoreFlags{})); diff != "" || point != tt.point {
					t.Errorf("point %s, want %s; flags (-want +got):\n%s", point, tt.point, diff)
				}
				requireSameCommand(t, command, tt.point, want)
			})
		}
	}
}

// converse runs the questions in this process, and returns their answers and
// the command line that was printed.
func converse(t *testing.T, talk []exchange) (point string, flags restoreFlags, command string) {
	t.Helper()
	screen, tty := openTerminal(t)
	printed := &copied{File: tty}
	a := newApp(tty, new(bytes.Buffer), tty)
	a.out.stderr = printed
	a.common = commonFlags{config: "/etc/openim-dr/the config.yaml", trust: []string{"RWQ=writer"}}
	done := make(chan error, 1)
	go func() {
		var err error
		point, err = a.askRestore(t.Context(), offers(), &flags)
		done <- err
	}()
	screen.converse(t, 0, talk...)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	_, command, _ = strings.Cut(printed.text.String(), "the same without questions:\n  ")
	return point, flags, strings.TrimSpace(command)
}

// copied keeps what is written to a file.
type copied struct {
	*os.File
	text strings.Builder
}

func (c *copied) Write(p []byte) (int, error) {
	c.text.Write(p)
	return c.File.Write(p)
}

// requireSameCommand has a shell take the command line apart, and this program read it.
func requireSameCommand(t *testing.T, command, point string, want restoreFlags) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `for word in `+command+`; do printf '%s\0' "$word"; done`).Output()
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	a := newApp(strings.NewReader(""), new(bytes.Buffer), new(bytes.Buffer))
	cmd, rest, err := newRoot(a).Find(words[1:])
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err != nil || words[0] != "openim-dr" || cmd.Name() != "restore" || !slices.Equal(cmd.Flags().Args(), []string{point}) {
		t.Fatalf("%v are not understood: %v", words, err)
	}
	got := map[string][]string{}
	for _, name := range []string{"source", "identity", "overwrite", "trust"} {
		got[name], err = cmd.Flags().GetStringArray(name)
		if err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got["source"], want.sources) || !slices.Equal(got["identity"], want.identities) || !slices.Equal(got["overwrite"], want.overwrite) ||
		cmd.Flag("target").Value.String() != want.target || a.common.config != "/etc/openim-dr/the config.yaml" || !slices.Equal(got["trust"], []string{"RWQ=writer"}) {
		t.Errorf("the command line says something else: %s", command)
	}
}

// TestNameMustBeTyped: nothing but the whole name of what will be lost goes on
// (invariant 5).
func TestNameMustBeTyped(t *testing.T) {
	const target, no = "mysql/db:3306/openIM_v3", "that is not its name"
	erase := strings.Repeat("\x7f", 40)
	for kind, term := range terminals {
		for name, tt := range map[string]struct {
			last string
			want error
		}{"the name": {target, nil}, "the end": {ctrlD, errDeclined}} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Setenv("TERM", term)
				ask, end := form, enter
				if kind == "in lines" {
					ask, end = prompt, "\n"
				} else if tt.want != nil {
					tt.last = ctrlC
				}
				if tt.want == nil {
					tt.last += end
				}
				screen, tty := openTerminal(t)
				a := newApp(tty, new(bytes.Buffer), tty)
				done := make(chan error, 1)
				go func() { done <- a.askName(t.Context(), target, "it holds 41 tables (8.2 GiB), which would be lost") }()
				screen.converse(t, 0, ask("type its name again", end), prompt(no, "yes"+end), prompt("", erase+"mysql/db:3306/openIM_v"+end), prompt("", erase+tt.last))
				select {
				case err := <-done:
					if !errors.Is(err, tt.want) {
						t.Errorf("got %v, want %v", err, tt.want)
					}
				case <-time.After(patience):
					t.Error("it does not end")
				}
				if shown, _, _ := screen.screen(); !strings.Contains(shown, squeezed("it holds 41 tables (8.2 GiB), which would be lost")) {
					t.Errorf("it does not say what would be lost:\n%s", shown)
				}
			})
		}
	}
}

// Whoever leaves leaves everything as it was.
func TestLeavingTheQuestions(t *testing.T) {
	tests := map[string]struct {
		term string
		talk []exchange
		stop bool // by a signal
	}{
		"Ctrl-C":                {"xterm-256color", []exchange{form("Which recovery point?", ctrlC)}, false},
		"Ctrl-C later":          {"xterm-256color", []exchange{form("Which recovery point?", enter), form("What of it?", ctrlC)}, false},
		"a signal":              {"xterm-256color", []exchange{form("Which recovery point?", "")}, true},
		"the end of lines":      {"dumb", []exchange{prompt("Enter a number", ctrlD)}, false},
		"the end, with nothing": {"dumb", []exchange{prompt("Enter a number", "\n"), prompt("What of it?", "1\n2\n"), prompt("0 and 2", ctrlD)}, false},
		"a signal, in lines":    {"dumb", []exchange{prompt("Enter a number", "")}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TERM", tt.term)
			screen, tty := openTerminal(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			a := newApp(tty, new(bytes.Buffer), tty)
			done := make(chan error, 1)
			go func() {
				_, err := a.askRestore(ctx, offers(), new(restoreFlags))
				done <- err
			}()
			screen.converse(t, 0, tt.talk...)
			want := errDeclined
			if tt.stop {
				cancel()
				want = errStopped
			}
			select {
			case err := <-done:
				if !errors.Is(err, want) || fault.KindOf(err).ExitCode() != 1 {
					t.Errorf("got %v, want %v", err, want)
				}
			case <-time.After(patience):
				t.Error("it does not end")
			}
		})
	}
}

// TestWhenNothingIsAsked: with a word about what to restore, or for a program,
// nothing is asked; with none, on a terminal, everything is.
func TestWhenNothingIsAsked(t *testing.T) {
	config := setUp(t, `- {name: main, kind: mysql, address: "127.0.0.1:1", user: nobody, schemas: [a]}`)
	points := pointsWithoutServers(t)
	where := []string{"--repository", points["REPO"], "--trust", points["TRUST"]}
	tests := map[string]struct {
		args []string
		asks bool
	}{
		"nothing said":                 {where, true},
		"nothing said, with logs":      {append([]string{"--log-level", "debug", "--no-progress"}, where...), true},
		"a point":                      {append([]string{"latest"}, where...), false},
		"a source":                     {append([]string{"--source", "main"}, where...), false},
		"a plan":                       {append([]string{"--plan"}, where...), false},
		"an identity":                  {append([]string{"--identity", points["IDENTITY"]}, where...), false},
		"for a program":                {append([]string{"-o", "json"}, where...), false},
		"as text, and that said aloud": {append([]string{"-o", "text"}, where...), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Args = append([]string{"openim-dr", "restore"}, tt.args...) // TestMain knows it by its name
			cmd.Env = append(os.Environ(), "OPENIM_DR_CONFIG="+config, "TERM=xterm-256color")
			screen := startOnTerminal(t, cmd)
			if tt.asks {
				screen.converse(t, 0, form("Which recovery point?", ctrlC), prompt("error: not confirmed: nothing was changed", ""))
				if code := exitCode(t, cmd); code != 1 {
					t.Errorf("exit code %d, want 1", code)
				}
				return
			}
			screen.await(t, 0, "error")
			exitCode(t, cmd)
			if shown, _, _ := screen.screen(); strings.Contains(shown, squeezed("Which recovery point?")) {
				t.Errorf("it asked:\n%s", shown)
			}
		})
	}
}

// Ctrl-C on a terminal that takes lines is a signal, and ends the questions too.
func TestSignalInLines(t *testing.T) {
	points := pointsWithoutServers(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Args = []string{"openim-dr", "restore", "--repository", points["REPO"], "--trust", points["TRUST"]}
	cmd.Env = append(os.Environ(), "TERM=dumb")
	screen := startOnTerminal(t, cmd)
	screen.converse(t, 0, prompt("Enter a number", ctrlC), prompt("error: ask: it was stopped: nothing was changed", ""))
	if code := exitCode(t, cmd); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
}

// TestRestoreByAnswers is the night of the incident: no flag is known, the
// database holds wrong data, and its name has to be typed before it is gone.
// Then the command line that was printed does the same without a question.
func TestRestoreByAnswers(t *testing.T) {
	env := testbed.Need(t)
	schema, db := env.NewSchema(t), env.OpenMySQL(t)
	run := func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	run("CREATE TABLE " + schema + ".notes (id int PRIMARY KEY)")
	run("INSERT INTO " + schema + ".notes VALUES (1), (2)")
	t.Setenv("MYSQL_PASSWORD_OF_A_TEST", env.MySQLPassword)
	config := setUp(t, `- {name: main, kind: mysql, address: "`+env.MySQLAddress+`", user: `+env.MySQLUser+`, password: "env:MYSQL_PASSWORD_OF_A_TEST", schemas: [`+schema+`], accounts: none}`)
	requireOutput(t, "stored in", "backup", "--config", config)
	run("UPDATE " + schema + ".notes SET id = id + 10")

	target := "mysql/" + env.MySQLAddress + "/" + schema
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Args = []string{"openim-dr", "restore"}
	cmd.Env = append(os.Environ(), "OPENIM_DR_CONFIG="+config, "TERM=xterm-256color")
	cmd.Dir = filepath.Dir(config) // the key has its usual name there
	screen := startOnTerminal(t, cmd)
	after := screen.converse(t, 0,
		form("Which recovery point?", enter), form("operator.key", enter), prompt("the same without questions:", ""),
		form("To go on, type its name again", "yes"+enter), prompt("that is not its name", "\x7f\x7f\x7f"+target+enter),
		prompt("openim-dr restore latest --source main --identity operator.key --overwrite "+target, ""),
	)
	if got := sumOfNotes(t, env, schema); got != 23 {
		t.Fatalf("the rows add up to %d before the last question, want 23", got)
	}
	screen.converse(t, after, prompt("restore as planned? [yes/no]", "y\n"), prompt("please write yes or no", ""),
		prompt("restore as planned? [yes/no]", "yes\n"), prompt("everything is equal to what was captured", ""))
	if code := exitCode(t, cmd); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if got := sumOfNotes(t, env, schema); got != 3 {
		t.Errorf("the rows add up to %d, want 3", got)
	}
	requireOutput(t, "everything is equal", "restore", "latest", "--config", config, "--source", "main",
		"--identity", filepath.Join(cmd.Dir, "operator.key"), "--overwrite", target)
}

func sumOfNotes(t *testing.T, env *testbed.Env, schema string) (sum int) {
	t.Helper()
	if err := env.OpenMySQL(t).QueryRowContext(t.Context(), "SELECT SUM(id) FROM "+schema+".notes").Scan(&sum); err != nil {
		t.Fatal(err)
	}
	return sum
}
