package mysql

import (
	"strconv"
	"testing"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// Rows of 64 MB come back by LOAD DATA and by INSERT, and large ones in which
// every byte has to be escaped; in a long run these are of 64 MB too.
func TestRowsOf64MBComeBack(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db, schema, copied := env.OpenMySQL(t), env.NewSchema(t), env.NewSchema(t)
	run(t, db,
		"CREATE TABLE "+schema+".large (id INT PRIMARY KEY, b LONGBLOB, t LONGTEXT)",
		"INSERT INTO "+schema+".large VALUES (1, REPEAT(CONCAT(x'000102095C0A27FF61', REPEAT('plain', 203)), 67108864 DIV 1024), 'x'), (2, NULL, REPEAT('\\\\', "+strconv.Itoa(long(1<<20, 67_100_000))+")), (3, '', REPEAT('😀', 100))",
	)
	sums := "SELECT CONCAT_WS(' ', COUNT(*), SUM(LENGTH(b)), SUM(LENGTH(t)), GROUP_CONCAT(SHA2(b, 256), SHA2(t, 256) ORDER BY id)) FROM "
	want := text(t, db, sums+schema+".large")
	s := newServer(t, rootOf(env), nil, schema)
	point := repotest.New(t).Capture(t, "main", Kind, s)
	requireEqual(t, bringBack(t, s, point, map[string]string{schema: copied}))
	if got := text(t, db, sums+copied+".large"); got != want {
		t.Errorf("by LOAD DATA: sums %q, want %q", got, want)
	}

	other := env.StartMySQL(t, "--local-infile=0")
	root := other.Open(t)
	as := newAccount(t, root, other.Address, loading, "", schema)
	requireEqual(t, bringBack(t, newServer(t, as, nil, schema), point, nil))
	if got := text(t, root, sums+schema+".large"); got != want {
		t.Errorf("by INSERT: sums %q, want %q", got, want)
	}
}
