package mysql

import (
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

// Values and rows around the packet size of the target come back on both
// paths, or the restore says which setting is in the way. Nothing is cut.
func TestSmallPackets(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	db := env.OpenMySQL(t)
	small := env.StartMySQL(t, "--max-allowed-packet=1M")
	target := small.Open(t)
	tests := map[string]struct {
		rows      []string // expressions for text, bytes and JSON
		byInsert  string   // what is said where rows come in by INSERT; empty: they come
		byLoading string
	}{
		"just below":              {[]string{"REPEAT('x', 1048576 - 1024), NULL, NULL"}, "", ""},
		"two that fit one by one": {[]string{"REPEAT('x', 500000), NULL, NULL", "REPEAT('y', 1000000), NULL, NULL"}, "", ""},
		"many":                    {slices.Repeat([]string{"REPEAT('x', 200000), NULL, NULL"}, 20), "", ""},
		"just above":              {[]string{"REPEAT('x', 1048576 + 1), NULL, NULL"}, "max_allowed_packet", ""},
		"all escapes":             {[]string{"NULL, REPEAT('\\0', 700000), NULL"}, "max_allowed_packet", ""},
		"a row far above":         {[]string{"REPEAT('x', 1000000), REPEAT(UNHEX('00FF275C090A'), 500000), NULL"}, "max_allowed_packet", ""},
		"JSON just below":         {[]string{"NULL, NULL, JSON_QUOTE(REPEAT('x', 1048576 - 1024))"}, "", ""},
		"JSON just above":         {[]string{"NULL, NULL, JSON_QUOTE(REPEAT('x', 1048576 + 1))"}, "max_allowed_packet", "max_allowed_packet"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			schema := env.NewSchema(t)
			run(t, db, "CREATE TABLE "+schema+".t (id INT AUTO_INCREMENT PRIMARY KEY, a LONGTEXT, b LONGBLOB, c JSON)")
			for _, values := range tt.rows {
				run(t, db, "INSERT INTO "+schema+".t (a, b, c) VALUES ("+values+")")
			}
			point := repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), nil, schema))
			want := checksums(t, db, schema)

			for path, says := range map[string]string{"LOAD DATA": tt.byLoading, "INSERT": tt.byInsert} {
				as := account{small.Address, small.User, small.Password}
				run(t, target, "SET GLOBAL local_infile = ON")
				if path == "INSERT" {
					run(t, target, "SET GLOBAL local_infile = OFF")
					as = newAccount(t, target, small.Address, "ALL", "SHOW_ROUTINE", schema)
				}
				run(t, target, "DROP DATABASE IF EXISTS "+schema)
				requirePacket(t, path, newServer(t, as, nil, schema), point, says)
				if says != "" {
					continue
				}
				if diff := cmp.Diff(want, checksums(t, target, schema)); diff != "" {
					t.Errorf("%s: CHECKSUM TABLE differs (-source +copy):\n%s", path, diff)
				}
			}
		})
	}
}

func requirePacket(t *testing.T, path string, s *Server, point *repository.SourceReader, says string) {
	t.Helper()
	plan, err := s.Plan(t.Context(), point, source.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(plan.Warnings, func(w string) bool { return strings.Contains(w, "max_allowed_packet of the target is 1.0 MiB") }) {
		t.Errorf("the plan does not warn of the target's packet size: %v", plan.Warnings)
	}
	_, err = s.Restore(t.Context(), point, plan, progress.Discard)
	switch {
	case says == "" && err != nil:
		t.Errorf("%s: %v", path, err)
	case says == "":
		requireEqual(t, compare(t, s, point, plan))
	case fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), says):
		t.Errorf("%s: %v, want a usage error about %s", path, err, says)
	}
}

// A dump of a server whose rows are larger than its packets is whole.
func TestDumpOfRowsBeyondThePacketSize(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	small := env.StartMySQL(t, "--max-allowed-packet=1M")
	db := small.Open(t)
	run(t, db, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, a LONGTEXT, b LONGBLOB, c LONGTEXT, d DOUBLE)",
		"INSERT INTO app.t VALUES (1, REPEAT('a', 1048000), REPEAT(UNHEX('00FF'), 500000), NULL, 0.1)",
		"UPDATE app.t SET c = REPEAT('ü', 500000)")
	root := newServer(t, account{small.Address, small.User, small.Password}, nil, "app")
	point := repotest.New(t).Capture(t, "main", Kind, root)
	requireEqual(t, bringBack(t, root, point, map[string]string{"app": "copy"}))
	run(t, db, "RENAME TABLE copy.t TO app.copied")
	sums := checksums(t, db, "app")
	if sums["t"] != sums["copied"] {
		t.Errorf("CHECKSUM TABLE: %v", sums)
	}
}
