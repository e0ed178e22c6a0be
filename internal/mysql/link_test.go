package mysql

import (
	"testing"

	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/testbed/network"
	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

// Wherever a login breaks off, the next one is made.
func TestLoginThatBreaksOff(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	for _, mode := range []tlsmode.Mode{tlsmode.Preferred, tlsmode.Disabled} {
		t.Run(string(mode), func(t *testing.T) {
			db := env.OpenMySQL(t)
			schema := env.NewSchema(t)
			as := newAccount(t, db, env.MySQLAddress, reading, "", schema)
			way := network.New(t, as.address, "downstream", network.CutOne, 1<<40)
			client, err := newServer(t, through(way, as), func(s *Settings) { s.TLS = mode }, schema).open(t.Context(), dumpIdle)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			login := func() error {
				conn, err := client.Conn(t.Context())
				if err != nil {
					return err
				}
				return conn.Close()
			}
			before := way.Passed()
			if err := login(); err != nil {
				t.Fatal(err)
			}
			size := way.Passed() - before
			for at := int64(1); at < size; at += size / 12 {
				way.Rearm(at)
				if err := login(); err != nil {
					t.Errorf("a login cut off at byte %d of %d: %v", at, size, err)
				}
				if !way.Struck() {
					t.Errorf("nothing was cut off at byte %d of %d", at, size)
				}
			}
		})
	}
}
