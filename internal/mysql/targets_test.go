package mysql

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// loading is what an account needs to restore a schema with foreign definers.
const loading = "ALL"

func TestRestoreIntoAServerThatForbidsLoadData(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	origin, schema := env.OpenMySQL(t), env.NewSchema(t)
	seedZoo(t, origin, schema)
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), nil, schema))

	other := env.StartMySQL(t, "--local-infile=0", "--sql-require-primary-key=ON", "--sql-generate-invisible-primary-key=ON")
	db := other.Open(t)
	t.Run("by switching it on for the while", func(t *testing.T) {
		root := newServer(t, account{other.Address, other.User, other.Password}, nil, schema)
		requireEqual(t, bringBack(t, root, point, nil))
		if got := text(t, db, "SELECT @@GLOBAL.local_infile"); got != "0" {
			t.Errorf("local_infile is %s after the restore, want it set back to 0", got)
		}
	})
	t.Run("by INSERT where it may not be switched on", func(t *testing.T) {
		as := newAccount(t, db, other.Address, loading, "SYSTEM_USER, SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER, SHOW_ROUTINE, SESSION_VARIABLES_ADMIN, RELOAD", "by_insert")
		run(t, db, "SET GLOBAL log_bin_trust_function_creators = ON")
		requireEqual(t, bringBack(t, newServer(t, as, nil, schema), point, map[string]string{schema: "by_insert"}))
		if diff := cmp.Diff(checksums(t, origin, schema), checksums(t, db, "by_insert")); diff != "" {
			t.Errorf("CHECKSUM TABLE differs (-source +copy):\n%s", diff)
		}
	})
	t.Run("not without the right to set definers", func(t *testing.T) {
		as := newAccount(t, db, other.Address, loading, "SHOW_ROUTINE, SESSION_VARIABLES_ADMIN", "no_definer")
		s := newServer(t, as, nil, schema)
		_, err := s.Plan(t.Context(), point, source.Selection{Rename: map[string]string{schema: "no_definer"}})
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "lacks SET_ANY_DEFINER on *.*") {
			t.Errorf("plan without SET_ANY_DEFINER: %v, want a usage error that names it", err)
		}
	})
}

// Everything can be restored without openim-dr: by the stock client alone.
func TestScriptsRestoreWithTheStockClient(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema, copied := env.OpenMySQL(t), env.NewSchema(t), env.NewSchema(t)
	seedZoo(t, db, schema)
	s := newServer(t, rootOf(env), nil, schema)
	point := repotest.New(t).Capture(t, "main", Kind, s)
	dir := unpack(t, point, schema)

	runClient(t, env, dir, copied, readFile(t, filepath.Join(dir, repository.FileName(schema), schemaFile)))
	load := strings.ReplaceAll(string(readFile(t, filepath.Join(dir, loadFile))), "INTO TABLE `"+schema+"`", "INTO TABLE `"+copied+"`")
	runClient(t, env, dir, copied, []byte(load))
	post := "SET SESSION restrict_fk_on_non_standard_key = OFF;\n" + string(readFile(t, filepath.Join(dir, repository.FileName(schema), postFile)))
	post, _, found := strings.Cut(post, brokenHead)
	if !found {
		t.Error("the zoo has a broken view, and the script does not set it apart")
	}
	runClient(t, env, dir, copied, []byte(post))

	plan, err := s.Plan(t.Context(), point, source.Selection{Rename: map[string]string{schema: copied}})
	if err != nil {
		t.Fatal(err)
	}
	want := []source.Difference{
		{Object: "view " + schema + ".broken_of_broken", What: "missing", Want: "view"},
		{Object: "view " + schema + ".z_broken", What: "missing", Want: "view"},
	}
	got := compare(t, s, point, plan).Differences
	slices.SortFunc(got, func(a, b source.Difference) int { return strings.Compare(a.Object, b.Object) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
}

// unpack writes the plaintext of a source's files as a person would lay it out.
func unpack(t *testing.T, point *repository.SourceReader, schema string) string {
	t.Helper()
	dir := t.TempDir()
	unpackFile(t, point, dir, loadFile)
	for _, name := range []string{definitionFile, schemaFile, postFile} {
		unpackFile(t, point, dir, name, schema)
	}
	d, err := readDefinition(t.Context(), point, schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range d.Tables {
		for _, c := range table.Chunks {
			unpackFile(t, point, dir, c.File, schema, table.Name)
		}
	}
	return dir
}

func unpackFile(t *testing.T, point *repository.SourceReader, dir, name string, dirs ...string) {
	t.Helper()
	file, err := point.Open(t.Context(), name, dirs...)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	data, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		dir = filepath.Join(dir, repository.FileName(d))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func runClient(t *testing.T, env *testbed.Env, dir, schema string, script []byte) {
	t.Helper()
	if out, err := stockClient(t, rootOf(env), dir, script, "--local-infile=1", "--comments", schema); err != nil {
		t.Fatalf("mysql: %v\n%s", err, out)
	}
}

// stockClient runs a script with the stock client.
func stockClient(t *testing.T, as account, dir string, script []byte, args ...string) (output string, err error) {
	t.Helper()
	host, port, err := net.SplitHostPort(as.address)
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"--no-defaults", "--protocol=tcp", "-h", host, "-P", port, "-u", as.user}, args...)
	cmd := exec.CommandContext(t.Context(), "mysql", args...)
	cmd.Env = append(os.Environ(), "MYSQL_PWD="+as.password)
	cmd.Dir = dir
	cmd.Stdin = bytes.NewReader(script)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Invariants 2 and 3: a stored chunk with one wrong bit is not loaded.
func TestDamagedChunkIsNotLoaded(t *testing.T) {
	env := testbed.Need(t)
	db, schema, copied := env.OpenMySQL(t), env.NewSchema(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".t (a INT PRIMARY KEY, b TEXT)", "INSERT INTO "+schema+".t VALUES (1, 'x'), (2, 'y')")
	s := newServer(t, rootOf(env), nil, schema)
	fixture := repotest.New(t)
	point := fixture.Capture(t, "main", Kind, s)
	paths := fixture.Paths(t)
	at := slices.IndexFunc(paths, func(p string) bool { return strings.Contains(p, "000001.tsv") })
	path := filepath.Join(fixture.Dir(), paths[at])
	data := readFile(t, path)
	data[len(data)-20] ^= 1
	if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, data, 0o600)); err != nil {
		t.Fatal(err)
	}

	plan, err := s.Plan(t.Context(), point, source.Selection{Rename: map[string]string{schema: copied}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Restore(t.Context(), point, plan, progress.Discard)
	if fault.KindOf(err) != fault.Corrupt {
		t.Errorf("restore of a damaged chunk: %v, want a corrupt error", err)
	}
	if n := text(t, db, "SELECT COUNT(*) FROM "+copied+".t"); n != "0" {
		t.Errorf("%s rows of the damaged chunk were committed", n)
	}
}

func TestCancelledDumpEndsAtOnce(t *testing.T) {
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	seedWide(t, db, schema)
	as := newAccount(t, db, env.MySQLAddress, reading, "RELOAD", schema)
	defer awaitGone(t, db, as)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := repotest.New(t).TryCapture(ctx, t, "main", Kind, tripped{newServer(t, as, nil, schema), &tripwire{do: cancel}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled dump: %v, want context.Canceled", err)
	}
}

func TestDoctorSaysWhatIsMissingAndHowToFixIt(t *testing.T) {
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, db, "CREATE TABLE "+schema+".old (a INT) ENGINE=MyISAM")
	as := newAccount(t, db, env.MySQLAddress, "SELECT, SHOW VIEW, EVENT", "", schema)
	found := map[string]source.Finding{}
	for _, f := range newServer(t, as, nil, schema, "gone").Examine(t.Context()) {
		found[f.Check+" "+string(f.Severity)] = f
		if f.Severity != source.OK && f.Remedy == "" {
			t.Errorf("%s has no remedy", f.Check)
		}
	}
	for _, want := range []string{"mysql.reachable ok", "mysql.binlog ok", "mysql.local-infile ok", "mysql.privileges error", "mysql.schema ok", "mysql.schema error", "mysql.engine warning"} {
		if _, ok := found[want]; !ok {
			t.Errorf("no finding %q among %v", want, found)
		}
	}
}
