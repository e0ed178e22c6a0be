package mysql

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

// A source behind a socket is dumped and restored like any other, and its
// target is spelled with the socket's path.
func TestSocket(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "socket") // short: a socket's path has 107 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	server := testbed.Need(t).StartMySQLWith(t, []testbed.Mount{{Host: dir, Container: "/shared"}}, "--socket=/shared/mysqld.sock")
	db := server.Open(t)
	run(t, db, "CREATE DATABASE app", "CREATE TABLE app.t (a INT)", "INSERT INTO app.t VALUES (1)")
	socket := filepath.Join(dir, "mysqld.sock")
	root := account{"unix:" + socket, server.User, server.Password}

	s := newServer(t, root, nil, "app")
	point := repotest.New(t).Capture(t, "main", Kind, s)
	plan, err := s.Plan(t.Context(), point, source.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "mysql/unix:" + socket + "/app"; len(plan.Occupied) != 1 || plan.Occupied[0].Target != want {
		t.Errorf("occupied targets %v, want %s", plan.Occupied, want)
	}
	requireEqual(t, bringBack(t, s, point, map[string]string{"app": "copy"}))

	for mode, want := range map[tlsmode.Mode]bool{tlsmode.Preferred: false, tlsmode.Required: true} {
		if got, err := cipher(t, newServer(t, root, func(s *Settings) { s.TLS = mode }, "app")); err != nil || (got != "") != want {
			t.Errorf("%s over a socket: cipher %q, error %v, want it secured: %v", mode, got, err, want)
		}
	}
	_, err = cipher(t, newServer(t, account{"unix:" + dir + "/gone.sock", "root", ""}, nil, "app"))
	requireRefusal(t, err, "the socket cannot be opened")
	_, err = cipher(t, newServer(t, account{root.address, "root", "wrong"}, nil, "app"))
	requireRefusal(t, err, "or its password is wrong")
	if text(t, db, "SELECT COUNT(*) FROM copy.t") != "1" {
		t.Errorf("the copy behind %s has not the one row", socket)
	}
}
