package mysql

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// What is damaged and not wanted is in nobody's way.
func TestPartBesideDamage(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	origin := env.StartMySQL(t)
	db := origin.Open(t)
	run(t, db, "CREATE DATABASE good", "CREATE TABLE good.t (a INT)", "INSERT INTO good.t VALUES (1), (2)", "CREATE TABLE good.bad (a INT)", "INSERT INTO good.bad VALUES (1)",
		"CREATE DATABASE bad", "CREATE TABLE bad.t (a INT)", "INSERT INTO bad.t VALUES (1)", "CREATE USER somebody")
	f := repotest.New(t)
	s := withAccounts(t, origin, nil, "good", "bad")
	from := f.Capture(t, "main", Kind, s)
	err := filepath.WalkDir(f.Dir(), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (strings.Contains(path, "/bad/") || strings.Contains(path, "/accounts.json") || strings.Contains(path, "/load.sql")) {
			err = os.Remove(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	check := func(want source.Selection) error {
		files, err := s.Needs(from, want)
		if err != nil {
			t.Fatal(err)
		}
		_, err = from.CheckPresent(t.Context(), files)
		return err
	}
	for name, want := range map[string]source.Selection{
		"all":             {},
		"the whole of it": {Include: []string{"good"}},
		"the other one":   {Include: []string{"good.t", "bad.t"}},
		"accounts too":    {Include: []string{"good.t", "*@*"}},
	} {
		if err := check(want); fault.KindOf(err) != fault.Corrupt || err == nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for name, want := range map[string]source.Selection{
		"included":     {Include: []string{"good.t"}},
		"not excluded": {Exclude: []string{"bad", "good.bad"}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := check(want); err != nil {
				t.Fatal(err)
			}
			run(t, db, "DROP DATABASE IF EXISTS copy")
			want.Rename = map[string]string{"good": "copy"}
			requireEqual(t, carryOut(t, s, from, planOf(t, s, from, want)))
			if got := text(t, db, "SELECT COUNT(*) FROM copy.t"); got != "2" {
				t.Errorf("%s rows, want 2", got)
			}
		})
	}
}
