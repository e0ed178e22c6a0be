package mysql

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/testbed/network"
)

// interrupted is a point whose restores are broken off.
type interrupted struct {
	env     *testbed.Env
	fixture *repotest.Fixture
	store   storage.Storage
	server  *Server
	point   string
	schema  string
	sums    map[string]string // of the tables, as the server tells them
}

// newInterrupted seeds what is hard to go on with: a table without a key whose
// rows are all alike, one that knows no transactions, foreign keys, triggers,
// events, and views that lack something.
func newInterrupted(t *testing.T) *interrupted {
	t.Helper()
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	numbers := func(n int) string {
		return fmt.Sprintf(" WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT /*+ SET_VAR(cte_max_recursion_depth = %d) */ ", n, n)
	}
	run(t, conn, "USE "+schema,
		"CREATE TABLE keyless (a INT, b VARCHAR(200))", "INSERT INTO keyless"+numbers(6000)+"1, REPEAT('same', 20) FROM n",
		"CREATE TABLE parent (id INT PRIMARY KEY, name VARCHAR(100), KEY (name))", "INSERT INTO parent"+numbers(3000)+"i, CONCAT('name ', i) FROM n",
		"CREATE TABLE child (id INT PRIMARY KEY AUTO_INCREMENT, parent INT NOT NULL, note TEXT, FULLTEXT KEY (note), FOREIGN KEY (parent) REFERENCES parent (id))",
		"INSERT INTO child (parent, note)"+numbers(3000)+"i, REPEAT('note ', 20) FROM n",
		"CREATE TABLE old_style (id INT PRIMARY KEY, b VARCHAR(200)) ENGINE=MyISAM", "INSERT INTO old_style"+numbers(3000)+"i, REPEAT('m', 80) FROM n",
		"CREATE TABLE gone (id INT)", "CREATE VIEW broken AS SELECT gone.id, parent.name FROM gone JOIN parent ON parent.id = gone.id", "DROP TABLE gone",
		"CREATE VIEW whole AS SELECT id FROM parent",
		"CREATE TRIGGER counts BEFORE INSERT ON child FOR EACH ROW SET NEW.note = CONCAT(NEW.note, '!')",
		"CREATE EVENT often ON SCHEDULE EVERY 1 YEAR DO DELETE FROM keyless",
	)
	f := repotest.New(t)
	server := newServer(t, rootOf(env), smallChunks, schema)
	from := f.Capture(t, "main", Kind, server)
	return &interrupted{env, f, f.Store, server, from.Point().Point, schema, checksums(t, db, schema)}
}

// open opens the point over a storage in which calls go wrong.
func (i *interrupted) open(t *testing.T, plan faulty.Plan) (*repository.SourceReader, *faulty.Store) {
	t.Helper()
	store := faulty.New(i.store, plan)
	i.fixture.Store = store
	return i.fixture.Source(t, i.point, "main"), store
}

func (i *interrupted) plan(t *testing.T, s *Server, from *repository.SourceReader, attempt source.Attempt, target string) *source.Plan {
	t.Helper()
	plan, err := s.Plan(t.Context(), from, source.Selection{Rename: map[string]string{i.schema: target}, Attempt: attempt})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Occupied) > 0 {
		t.Errorf("what the restore has begun is said to be in its way: %v", plan.Occupied)
	}
	return plan
}

// requireRestored goes on with the restore, and requires that it ends well.
func (i *interrupted) requireRestored(t *testing.T, attempt source.Attempt, target string) (chunks []string) {
	t.Helper()
	attempt.Resumed = true
	from, store := i.open(t, faulty.Plan{})
	plan := i.plan(t, i.server, from, attempt, target)
	if _, err := i.server.Restore(t.Context(), from, plan, progress.Discard); err != nil {
		t.Fatalf("go on: %v", err)
	}
	requireEqual(t, compare(t, i.server, from, plan))
	if err := i.server.Finish(t.Context(), from, plan); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(i.sums, checksums(t, i.env.OpenMySQL(t), target)); diff != "" {
		t.Errorf("the server's own checksums differ (-want +got):\n%s", diff)
	}
	return chunksOf(store)
}

// chunksOf lists the chunks that were opened.
func chunksOf(store *faulty.Store) []string {
	var chunks []string
	for _, c := range store.Calls() {
		if c.Kind == faulty.Open && strings.Contains(c.Name, ".tsv") {
			chunks = append(chunks, c.Name)
		}
	}
	return chunks
}

// A restore that ends at whatever moment is gone on with. What was loaded and
// noted is not loaded again, and nothing is loaded twice.
func TestRestoreIsGoneOnWith(t *testing.T) {
	t.Parallel()
	i := newInterrupted(t)
	target := i.env.NewSchema(t)
	from, store := i.open(t, faulty.Plan{})
	plan := i.plan(t, i.server, from, source.Attempt{ID: repository.NewRestoreID(time.Now())}, target)
	before := len(store.Calls())
	if _, err := i.server.Restore(t.Context(), from, plan, progress.Discard); err != nil {
		t.Fatal(err)
	}
	calls, chunks := len(store.Calls()), len(chunksOf(store))
	rounds, spared := long(12, 100), 0
	for round := range rounds {
		at := before + 1 + round*(calls-before)/rounds
		target := i.env.NewSchema(t)
		attempt := source.Attempt{ID: repository.NewRestoreID(time.Now())}
		from, store := i.open(t, faulty.Plan{Fault: faulty.Fail, At: at, Times: -1})
		_, err := i.server.Restore(t.Context(), from, i.plan(t, i.server, from, attempt, target), progress.Discard)
		if !store.Reached() {
			continue // calls in parallel: this run needed fewer
		}
		if !errors.Is(err, faulty.ErrInjected) {
			t.Fatalf("call %d of %d fails, and the restore ends with %v", at, calls, err)
		}
		if round%2 == 1 { // and ends once more
			again := attempt
			again.Resumed = true
			from, _ := i.open(t, faulty.Plan{Fault: faulty.Fail, At: before + (calls-at)/2, Times: -1})
			_, err := i.server.Restore(t.Context(), from, i.plan(t, i.server, from, again, target), progress.Discard)
			if err != nil && !errors.Is(err, faulty.ErrInjected) {
				t.Fatalf("interrupted again it ends with %v", err)
			}
		}
		again := len(i.requireRestored(t, attempt, target))
		spared += chunks - again
	}
	t.Logf("%d restores of %d chunks each were gone on with; %d chunks were there already", rounds, chunks, spared)
	if spared < rounds*chunks/4 {
		t.Errorf("%d of %d chunks were loaded again", rounds*chunks-spared, rounds*chunks)
	}
}

// A process that was cut off from the server, and may only be suspended, can do
// no more once another one goes on: its sessions are ended.
func TestSuspendedRestoreIsFencedOff(t *testing.T) {
	t.Parallel()
	i := newInterrupted(t)
	for _, share := range []int64{10, 40, 80} {
		t.Run(fmt.Sprintf("after %d%%", share), func(t *testing.T) {
			target := i.env.NewSchema(t)
			attempt := source.Attempt{ID: repository.NewRestoreID(time.Now())}
			from, _ := i.open(t, faulty.Plan{})
			way := network.New(t, i.env.MySQLAddress, "upstream", network.StallAll, from.Summary().Bytes*share/100)
			suspended := newServer(t, through(way, rootOf(i.env)), smallChunks, i.schema)
			plan := i.plan(t, suspended, from, attempt, target)
			ctx, wake := context.WithCancel(t.Context())
			defer wake()
			ended := make(chan error, 1)
			go func() {
				_, err := suspended.Restore(ctx, from, plan, progress.Discard)
				ended <- err
			}()
			for !way.Struck() {
				if err := pause(t.Context(), pollInterval); err != nil {
					t.Fatal(err)
				}
			}
			i.requireRestored(t, attempt, target)
			wake()
			if err := <-ended; err == nil {
				t.Error("the suspended process has restored")
			}
			if diff := cmp.Diff(i.sums, checksums(t, i.env.OpenMySQL(t), target)); diff != "" {
				t.Errorf("the suspended process did harm (-want +got):\n%s", diff)
			}
		})
	}
}

// While one restore into a schema has not ended, no other one of a part begins.
func TestRestoreOfAPartWaitsForAnother(t *testing.T) {
	t.Parallel()
	i := newInterrupted(t)
	target := i.env.NewSchema(t)
	attempt := source.Attempt{ID: repository.NewRestoreID(time.Now())}
	from, _ := i.open(t, faulty.Plan{})
	plan := i.plan(t, i.server, from, attempt, target)
	if _, err := i.server.Restore(t.Context(), from, plan, progress.Discard); err != nil {
		t.Fatal(err)
	}
	part := source.Selection{
		Include: []string{i.schema + ".parent"}, Rename: map[string]string{i.schema: target},
		Attempt: source.Attempt{ID: repository.NewRestoreID(time.Now())},
	}
	_, err := i.server.Plan(t.Context(), from, part)
	if e, ok := fault.Outermost(err); !ok || e.Kind != fault.Refused || !strings.Contains(e.Try, "--resume "+attempt.ID) {
		t.Fatalf("got %v (hint: %v)", err, e)
	}
	if err := i.server.Finish(t.Context(), from, plan); err != nil {
		t.Fatal(err)
	}
	if _, err := i.server.Plan(t.Context(), from, part); err != nil {
		t.Errorf("once the other has ended: %v", err)
	}
}

// A restore of the whole may take the place of one that has not ended, and says so.
// It does not while the other one's process lives.
func TestRestoreOverAnother(t *testing.T) {
	t.Parallel()
	i := newInterrupted(t)
	target := i.env.NewSchema(t)
	first := source.Attempt{ID: repository.NewRestoreID(time.Now())}
	from, _ := i.open(t, faulty.Plan{})
	plan := i.plan(t, i.server, from, first, target)
	halt, ended := newStopped(), make(chan error, 1)
	go func() {
		_, err := i.server.Restore(t.Context(), from, plan, halt)
		ended <- err
	}()
	select {
	case <-halt.came:
	case err := <-ended:
		t.Fatal(err)
	}
	whole := source.Selection{Rename: map[string]string{i.schema: target}, Attempt: source.Attempt{ID: repository.NewRestoreID(time.Now())}}
	_, err := i.server.Plan(t.Context(), from, whole)
	if e, ok := fault.Outermost(err); !ok || e.Kind != fault.Busy || !strings.Contains(e.Try, "--resume "+first.ID) || !strings.Contains(e.Try, "KILL ") {
		t.Errorf("while the other one loads: %v (hint: %v)", err, e)
	}
	close(halt.goOn)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	warned := func(selection source.Selection) bool {
		other, err := i.server.Plan(t.Context(), from, selection)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(other.Warnings, func(w string) bool { return strings.Contains(w, "--resume "+first.ID) })
	}
	if !warned(whole) {
		t.Error("nobody is told that the other one is given up")
	}
	again := whole
	again.Attempt = source.Attempt{ID: first.ID, Resumed: true}
	if warned(again) {
		t.Error("a restore that is resumed warns of itself")
	}
	if err := i.server.Finish(t.Context(), from, plan); err != nil {
		t.Fatal(err)
	}
	if warned(whole) {
		t.Error("it warns of a restore that has ended")
	}
}

// What is lost of a table that knows no transactions is found again by whoever goes
// on: such a table is not taken for whole.
func TestLostRowsAreFoundAgain(t *testing.T) {
	t.Parallel()
	i := newInterrupted(t)
	target := i.env.NewSchema(t)
	for _, path := range i.fixture.Paths(t) {
		if strings.Contains(path, "/old_style/000001.tsv") {
			if err := os.Remove(filepath.Join(i.fixture.Dir(), path)); err != nil {
				t.Fatal(err)
			}
		}
	}
	attempt := source.Attempt{ID: repository.NewRestoreID(time.Now())}
	for range 2 {
		damage := new(source.Damage)
		from, _ := i.open(t, faulty.Plan{})
		plan, err := i.server.Plan(t.Context(), from, source.Selection{Rename: map[string]string{i.schema: target}, Attempt: attempt, Damage: damage})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := i.server.Restore(t.Context(), from, plan, progress.Discard); err != nil {
			t.Fatal(err)
		}
		if lost := damage.Lost(); len(lost) != 1 || !strings.HasSuffix(lost[0].Object, ".old_style") {
			t.Errorf("resumed: %v, lost %v", attempt.Resumed, lost)
		}
		attempt.Resumed = true
	}
}

// Half a database is not taken for a whole one: while a restore has not ended no
// point is taken of it but a rollback point, and what the restore notes in a schema
// is no part of that.
func TestDumpOfHalfADatabase(t *testing.T) {
	t.Parallel()
	i := newInterrupted(t)
	target := i.env.NewSchema(t)
	attempt := source.Attempt{ID: repository.NewRestoreID(time.Now())}
	from, _ := i.open(t, faulty.Plan{})
	plan := i.plan(t, i.server, from, attempt, target)
	if _, err := i.server.Restore(t.Context(), from, plan, progress.Discard); err != nil {
		t.Fatal(err)
	}
	i.fixture.Store = i.store
	half := newServer(t, rootOf(i.env), nil, target)
	_, err := i.fixture.TryCapture(t.Context(), t, "main", Kind, half)
	if e, ok := fault.Outermost(err); !ok || e.Kind != fault.Refused || !strings.Contains(e.Try, "--resume "+attempt.ID) {
		t.Errorf("got %v (hint: %v)", err, e)
	}
	if _, _, d := definedIn(t, half, target); len(d.Tables) != len(i.sums) {
		t.Errorf("%d tables are seen, want %d", len(d.Tables), len(i.sums))
	}
	if err := i.server.Finish(t.Context(), from, plan); err != nil {
		t.Fatal(err)
	}
	if _, err := i.fixture.TryCapture(t.Context(), t, "main", Kind, half); err != nil {
		t.Errorf("once it has ended: %v", err)
	}
}
