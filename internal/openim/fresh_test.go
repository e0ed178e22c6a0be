package openim_test

import (
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/openim"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/testbed/seed"
)

// Statements that make a schema more than what OpenIM creates by itself, or
// leave it at that. %s is the schema that they run in.
func TestRecognise(t *testing.T) {
	env := testbed.Need(t)
	const (
		server = "only what OpenIM creates by itself on an empty database: 11 tables, 3 manager users"
		chat   = "only what OpenIM creates by itself on an empty database: 14 tables"
	)
	tests := map[string]struct {
		server, chat         string // a statement to run there first
		wantServer, wantChat string
	}{
		"after the first start":    {"", "", server, chat},
		"before version 3.3.2":     {"DROP TABLE `logs`", "", strings.Replace(server, "11", "10", 1), chat},
		"before the managers":      {"DELETE FROM users", "", strings.TrimSuffix(server, ", 3 manager users"), chat},
		"a user":                   {"INSERT INTO users (user_id) VALUES ('1')", "INSERT INTO accounts (user_id) VALUES ('1')", "", ""},
		"a user with another case": {"UPDATE users SET user_id = 'OPENIMADMIN' WHERE user_id = 'openIMAdmin'", "", "", chat},
		"a message":                {"INSERT INTO chat_logs (server_msg_id) VALUES ('1')", "", "", chat},
		"a row in a reserved word": {"INSERT INTO `groups` (group_id) VALUES ('1')", "", "", chat},
		"a table of a fork":        {"CREATE TABLE fork (a INT)", "CREATE TABLE fork (a INT)", "", ""},
		"tables of another kind":   {"ALTER TABLE users RENAME COLUMN user_id TO id", "ALTER TABLE admins DROP COLUMN password", "", ""},
		"a view":                   {"CREATE VIEW v AS SELECT 1", "", "", chat},
		"a routine":                {"CREATE PROCEDURE p() SELECT 1", "", "", chat},
		"an event":                 {"CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1", "", "", chat},
		"an administrator as created": {
			"", "INSERT INTO admins (account, password, level) VALUES ('chatAdmin', '625031fc4e4f2de6b187e6bfa3697784', 100)",
			server, chat + ", 1 administrator with the initial password",
		},
		"an administrator with a password": {
			"", "INSERT INTO admins (account, password, level) VALUES ('chatAdmin', '7231578792cc86a1580a5bd819235990', 100)",
			server, "",
		},
		"an administrator without one": {
			"", "INSERT INTO admins (account, password, level) VALUES ('chatAdmin', NULL, 100)",
			server, "",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			db := env.OpenMySQL(t)
			names := seed.Schemas{Server: env.NewSchema(t), Chat: env.NewSchema(t)}
			if err := seed.FreshOpenIM(t.Context(), db, names); err != nil {
				t.Fatal(err)
			}
			for schema, statement := range map[string]string{names.Server: tt.server, names.Chat: tt.chat} {
				if statement == "" {
					continue
				}
				conn, err := db.Conn(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				for _, s := range []string{"USE `" + schema + "`", statement} {
					if _, err := conn.ExecContext(t.Context(), s); err != nil {
						t.Fatalf("%s: %v", s, err)
					}
				}
			}
			for schema, want := range map[string]string{names.Server: tt.wantServer, names.Chat: tt.wantChat} {
				if got, err := openim.Recognise(t.Context(), db, schema); err != nil || got != want {
					t.Errorf("recognised %q, %v; want %q", got, err, want)
				}
			}
		})
	}
}

func TestRecogniseSaysNothingOfAnEmptySchema(t *testing.T) {
	env := testbed.Need(t)
	if got, err := openim.Recognise(t.Context(), env.OpenMySQL(t), env.NewSchema(t)); err != nil || got != "" {
		t.Errorf("recognised %q, %v; want nothing", got, err)
	}
}
