package mysql

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/testbed/network"
	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

// impatient makes a silent server end a run soon.
func impatient(s *Settings) {
	smallChunks(s)
	s.Idle = 800 * time.Millisecond
}

// plainly does the same without TLS, where rows are read from the wire itself.
func plainly(s *Settings) {
	impatient(s)
	s.TLS = tlsmode.Disabled
}

// endsWithin is the time in which every run has to end, however it does.
const endsWithin = time.Minute

// spread returns n places that are drawn evenly over total bytes.
func spread(random *rand.Rand, n int, total int64) []int64 {
	places := make([]int64, n)
	for i := range places {
		places[i] = (int64(i)*total + random.Int64N(total)) / int64(n)
	}
	return places
}

func seeded(t *testing.T, total int64) *rand.Rand {
	t.Logf("seed %d, over %d bytes", total, total)
	return rand.New(rand.NewPCG(uint64(total), 1))
}

// tablesOf returns what the manifest says of the rows of all tables.
func tablesOf(t *testing.T, point *repository.SourceReader) map[string]string {
	t.Helper()
	var captured Captured
	if err := point.Captured(&captured); err != nil {
		t.Fatal(err)
	}
	tables := map[string]string{}
	for _, schema := range captured.Schemas {
		for _, table := range schema.Tables {
			tables[table.Name] = fmt.Sprintf("%d rows, %d bytes, %s", table.Rows, table.Bytes, table.Digest)
		}
	}
	return tables
}

// Invariants 2 and 9: whatever the network does to a dump, wherever, it ends,
// and either fails or holds exactly what it would hold otherwise.
func TestNetworkFaultsInADump(t *testing.T) {
	env := alone(t, testbed.Need(t))
	db, schema, copied := env.OpenMySQL(t), env.NewSchema(t), env.NewSchema(t)
	seedLarge(t, db, schema, 3000)
	root := newServer(t, rootOf(env), smallChunks, schema)
	fixture := repotest.New(t)
	calm := network.New(t, env.MySQLAddress, "downstream", network.None, 0)
	want := tablesOf(t, fixture.Capture(t, "main", Kind, newServer(t, through(calm, rootOf(env)), smallChunks, schema)))
	total := calm.Passed()
	random := seeded(t, total)
	for _, f := range network.Faults {
		t.Run(string(f), func(t *testing.T) {
			succeeded, failed := 0, 0
			for i, at := range spread(random, long(2, 40), total) {
				rough := network.New(t, env.MySQLAddress, "downstream", f, at)
				ctx, cancel := context.WithTimeout(t.Context(), endsWithin)
				s := newServer(t, through(rough, rootOf(env)), []func(*Settings){impatient, plainly}[i%2], schema)
				id, err := fixture.TryCapture(ctx, t, "main", Kind, s)
				if ctx.Err() != nil {
					t.Fatalf("%s at byte %d: the dump did not end: %v", f, at, err)
				}
				cancel()
				rough.Close()
				if err != nil {
					failed++
					t.Logf("at byte %d: %v", at, err)
					continue
				}
				succeeded++
				point := fixture.Source(t, id, "main")
				if diff := cmp.Diff(want, tablesOf(t, point)); diff != "" {
					t.Errorf("%s at byte %d: the dump differs from an undisturbed one (-want +got):\n%s", f, at, diff)
				}
				if succeeded == 1 || at%5 == 0 {
					run(t, db, "DROP DATABASE "+copied)
					requireEqual(t, bringBack(t, root, point, map[string]string{schema: copied}))
				}
			}
			t.Logf("%d dumps succeeded, %d failed", succeeded, failed)
			if f != network.ResetAll && f != network.StallAll && succeeded == 0 {
				t.Error("no dump got over it")
			}
		})
	}
}

// The same for a comparison: it never takes a fault of the network for a
// difference, nor a table that it has not read for an equal one.
func TestNetworkFaultsInAComparison(t *testing.T) {
	env := alone(t, testbed.Need(t))
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	seedLarge(t, db, schema, 3000)
	root := newServer(t, rootOf(env), smallChunks, schema)
	point := repotest.New(t).Capture(t, "main", Kind, root)
	plan, err := root.Plan(t.Context(), point, source.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	calm := network.New(t, env.MySQLAddress, "downstream", network.None, 0)
	requireEqual(t, compare(t, newServer(t, through(calm, rootOf(env)), smallChunks, schema), point, plan))
	total := calm.Passed()
	random := seeded(t, total)
	for _, f := range network.Faults {
		for _, at := range spread(random, long(1, 20), total) {
			rough := network.New(t, env.MySQLAddress, "downstream", f, at)
			ctx, cancel := context.WithTimeout(t.Context(), endsWithin)
			found, err := newServer(t, through(rough, rootOf(env)), impatient, schema).Compare(ctx, point, plan, progress.Discard)
			if ctx.Err() != nil {
				t.Fatalf("%s at byte %d: the comparison did not end: %v", f, at, err)
			}
			cancel()
			rough.Close()
			if err == nil && !found.Equal() {
				t.Errorf("%s at byte %d: differences %v", f, at, found.Differences)
			}
		}
	}
}

// Invariant 3, for a load: never a chunk twice, never one too few and success.
// That includes a COMMIT whose answer is lost.
func TestNetworkFaultsInALoad(t *testing.T) {
	env := alone(t, testbed.Need(t))
	db, schema, copied := env.OpenMySQL(t), env.NewSchema(t), env.NewSchema(t)
	seedLarge(t, db, schema, 1000)
	root := newServer(t, rootOf(env), smallChunks, schema)
	point := repotest.New(t).Capture(t, "main", Kind, root)
	rename := map[string]string{schema: copied}
	restore := func(ctx context.Context, s *Server) error {
		plan, err := root.Plan(t.Context(), point, source.Selection{Rename: rename})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Restore(ctx, point, plan, progress.Discard)
		return err
	}
	for _, direction := range []string{"upstream", "downstream"} {
		calm := network.New(t, env.MySQLAddress, direction, network.None, 0)
		if err := restore(t.Context(), newServer(t, through(calm, rootOf(env)), smallChunks, schema)); err != nil {
			t.Fatal(err)
		}
		total := calm.Passed()
		random := seeded(t, total)
		for _, f := range network.Faults {
			t.Run(direction+" "+string(f), func(t *testing.T) {
				for _, at := range spread(random, long(1, 30), total) {
					rough := network.New(t, env.MySQLAddress, direction, f, at)
					ctx, cancel := context.WithTimeout(t.Context(), endsWithin)
					err := restore(ctx, newServer(t, through(rough, rootOf(env)), impatient, schema))
					if ctx.Err() != nil {
						t.Fatalf("%s at byte %d: the restore did not end: %v", f, at, err)
					}
					cancel()
					rough.Close()
					if err != nil {
						t.Logf("at byte %d: %v", at, err)
						continue
					}
					plan, err := root.Plan(t.Context(), point, source.Selection{Rename: rename})
					if err != nil {
						t.Fatal(err)
					}
					requireEqual(t, compare(t, root, point, plan))
				}
			})
		}
	}
	if err := restore(t.Context(), root); err != nil {
		t.Fatalf("restore after all: %v", err)
	}
	if diff := cmp.Diff(checksums(t, db, schema), checksums(t, db, copied)); diff != "" {
		t.Errorf("CHECKSUM TABLE differs (-source +copy):\n%s", diff)
	}
}

// A server that is restarted takes the snapshot, or the load, with it.
func TestServerRestartsInTheMidst(t *testing.T) {
	t.Parallel() // with a server of its own
	env := testbed.Need(t)
	server := env.StartMySQL(t)
	db := server.Open(t)
	run(t, db, "CREATE DATABASE d")
	seedWide(t, db, "d")
	as := account{server.Address, server.User, server.Password}
	fixture := repotest.New(t)
	point := fixture.Capture(t, "main", Kind, newServer(t, as, nil, "d"))

	wire := &tripwire{do: func() { server.Restart(t) }}
	_, err := fixture.TryCapture(t.Context(), t, "main", Kind, tripped{newServer(t, as, nil, "d"), wire})
	if fault.KindOf(err) != fault.Failed || err == nil {
		t.Errorf("dump whose server was restarted: %v, want a failure", err)
	}

	s := newServer(t, as, nil, "d")
	rename := source.Selection{Rename: map[string]string{"d": "copied"}}
	plan, err := s.Plan(t.Context(), point, rename)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Restore(t.Context(), point, plan, &tripwire{do: func() { server.Restart(t) }})
	if fault.KindOf(err) != fault.Failed || err == nil {
		t.Errorf("restore whose server was restarted: %v, want a failure", err)
	}

	requireEqual(t, bringBack(t, newServer(t, as, nil, "d"), point, rename.Rename))
}

// A server's own settings must not cut a stream short, nor a storage that is
// slower than its network timeouts.
func TestHostileGlobalSettingsAndSlowStorage(t *testing.T) {
	t.Parallel() // with a server of its own
	env := testbed.Need(t)
	server := env.StartMySQL(t, "--net-write-timeout=1", "--net-read-timeout=1", "--wait-timeout=1", "--interactive-timeout=1", "--lock-wait-timeout=1")
	db := server.Open(t)
	run(t, db, "CREATE DATABASE d")
	seedWide(t, db, "d")
	run(t, db, "SET GLOBAL max_execution_time = 1", "SET GLOBAL sql_select_limit = 10", "SET GLOBAL sql_safe_updates = ON", "SET GLOBAL completion_type = 'RELEASE'")
	run(t, db, "CREATE TABLE d.noise (id INT PRIMARY KEY, body MEDIUMTEXT)",
		"INSERT INTO d.noise WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 800) SELECT i, CONCAT(HEX(RANDOM_BYTES(1024)), HEX(RANDOM_BYTES(1024)), HEX(RANDOM_BYTES(1024)), HEX(RANDOM_BYTES(1024))) FROM n")
	store := &slowStore{Memory: repotest.NewMemory()}
	fixture := repotest.Over(t, store)
	s := newServer(t, account{server.Address, server.User, server.Password}, nil, "d")
	store.rests.Store(2)
	point := fixture.Capture(t, "main", Kind, s)
	if left := store.rests.Load(); point.Summary().Rows != 8800 || left > 0 {
		t.Errorf("%d rows, want 8800; %d rests of the storage are left", point.Summary().Rows, left)
	}
	store.rests.Store(2)
	requireEqual(t, bringBack(t, s, point, map[string]string{"d": "copied"}))
	if left := store.rests.Load(); left > 1 {
		t.Errorf("%d rests of the storage are left, want it to have rested in the midst of a load", left)
	}
}

// slowStore is a storage that rests for longer than a server's network
// timeouts, in the midst of rows.
type slowStore struct {
	*repotest.Memory
	rests atomic.Int64 // to come
}

func (s *slowStore) rest(ctx context.Context, name string) error {
	if !strings.HasSuffix(name, ".tsv.zst.age") || s.rests.Add(-1) < 0 {
		return nil
	}
	return pause(ctx, 2500*time.Millisecond)
}

type slowUpload struct {
	storage.Upload
	rest func() error
}

func (s *slowStore) Create(ctx context.Context, name string) (storage.Upload, error) {
	upload, err := s.Memory.Create(ctx, name)
	return &slowUpload{upload, func() error { return s.rest(ctx, name) }}, err
}

func (u *slowUpload) Commit() (storage.Info, error) {
	if err := u.rest(); err != nil {
		return storage.Info{}, err
	}
	return u.Upload.Commit()
}

type slowFile struct {
	io.ReadCloser
	read int
	rest func() error
}

func (s *slowStore) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	file, err := s.Memory.Open(ctx, name, offset, length)
	return &slowFile{ReadCloser: file, rest: sync.OnceValue(func() error { return s.rest(ctx, name) })}, err
}

func (f *slowFile) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if f.read += n; f.read > 256<<10 && err == nil {
		err = f.rest()
	}
	return n, err
}
