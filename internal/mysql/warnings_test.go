package mysql

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// What does not come back as it was is counted in the manifest; its name
// stands only in the sealed details (invariant 4).
func TestWhatIsLostIsCountedAndNamed(t *testing.T) {
	env := testbed.Need(t)
	db, schema, copied := env.OpenMySQL(t), env.NewSchema(t), env.NewSchema(t)
	run(t, db,
		"CREATE TABLE "+schema+".secret_name (id INT PRIMARY KEY, j JSON)",
		"INSERT INTO "+schema+".secret_name VALUES (1, JSON_ARRAY(x'"+strings.Repeat("5C", 70000)+"')), (2, JSON_ARRAY(1.5, x'41')), (3, NULL)",
		"CREATE TABLE "+schema+".old_name (a INT) ENGINE=MyISAM",
		"CREATE FUNCTION "+schema+".hidden_name() RETURNS ENUM('😀') DETERMINISTIC RETURN 1",
		"CREATE VIEW "+schema+".broken_name AS SELECT a FROM "+schema+".old_name",
		"ALTER TABLE "+schema+".old_name RENAME COLUMN a TO b",
	)
	s := newServer(t, rootOf(env), nil, schema)
	fixture := repotest.New(t)
	point := fixture.Capture(t, "main", Kind, s)

	var manifest repository.Manifest
	paths, err := filepath.Glob(filepath.Join(fixture.Dir(), "points", "*", "manifest.json"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("manifests %v: %v", paths, err)
	}
	data, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	want := []repository.Count{
		{Source: "main", Code: warnEngine, Count: 1}, {Source: "main", Code: warnForeign, Count: 1},
		{Source: "main", Code: warnBrokenView, Count: 1}, {Source: "main", Code: warnReturns, Count: 1},
	}
	if diff := cmp.Diff(want, manifest.Sources[0].Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	repotest.RequireSealed(t, fixture.Dir(), []string{"hidden_name", "broken_name"})

	// The bytes come back all the same, and the comparison says what differs.
	result := bringBack(t, s, point, map[string]string{schema: copied})
	if len(result.Differences) != 1 || result.Differences[0].Object != schema+".secret_name" {
		t.Errorf("differences %v, want one, of the table with the foreign type", result.Differences)
	}
	path := "'$[0]'"
	base64 := func(schema string) string {
		return "(SELECT SUBSTRING_INDEX(JSON_UNQUOTE(JSON_EXTRACT(j, " + path + ")), ':', -1) FROM " + schema + ".secret_name WHERE id = 1)"
	}
	if got := text(t, db, "SELECT "+base64(schema)+" = "+base64(copied)); got != "1" {
		t.Error("the bytes of a foreign type are other bytes")
	}
}
