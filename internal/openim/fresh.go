package openim

import (
	"context"
	"crypto/md5"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/openim-dr/openim-dr/internal/quantity"
)

const (
	usersTable  = "users"
	adminsTable = "admins"
)

// serverTables are what open-im-server 3.0 to 3.4 creates when it starts.
var serverTables = []string{
	usersTable, "friends", "friend_requests", "blacks", "groups", "group_members", "group_requests",
	"conversations", "chat_logs", "object", "logs",
}

// chatTables are what the chat server of that time creates.
var chatTables = []string{
	adminsTable, "accounts", "attributes", "registers", "user_login_records", "verify_codes", "applets", "client_config",
	"forbidden_accounts", "invitation_registers", "ip_forbiddens", "limit_user_login_ips",
	"register_add_friends", "register_add_groups", "logs",
}

// managers are the users that the server creates for itself by default.
var managers = []string{"openIM123456", "openIM654321", "openIMAdmin"}

// maxAdmins is more than any chat server creates by itself.
const maxAdmins = 10

// Recognise looks into a MySQL schema. Where it holds only what OpenIM creates
// by itself on an empty database, which a restore may well overwrite, the
// sentence says so; where it holds anything else, or nothing at all, the
// sentence is empty.
func Recognise(ctx context.Context, db *sql.DB, schema string) (string, error) {
	tables, err := tablesOf(ctx, db, schema)
	if err != nil {
		return "", fmt.Errorf("look for OpenIM's tables in schema %q: %w", schema, err)
	}
	if !within(tables, serverTables) && !within(tables, chatTables) {
		return "", nil
	}
	if other, err := otherObjects(ctx, db, schema); err != nil || other {
		return "", err
	}
	accounts, err := accountsOf(ctx, db, schema, tables)
	if err != nil || accounts == nil {
		return "", err
	}
	return sentence(len(tables), accounts), nil
}

// sentence says what was found, such as "11 tables, 3 manager users".
func sentence(tables int, a *accounts) string {
	parts := []string{quantity.Count(tables, "table", "tables")}
	if a.managers > 0 {
		parts = append(parts, quantity.Count(a.managers, "manager user", "manager users"))
	}
	if a.admins > 0 {
		parts = append(parts, quantity.Count(a.admins, "administrator", "administrators")+" with the initial password")
	}
	return "only what OpenIM creates by itself on an empty database: " + strings.Join(parts, ", ")
}

// within reports whether there are tables, and all of them known ones.
func within(tables, known []string) bool {
	unknown := func(name string) bool { return !slices.Contains(known, name) }
	return len(tables) > 0 && !slices.ContainsFunc(tables, unknown)
}

// tablesOf lists tables and views, in any case in which the server keeps them.
func tablesOf(ctx context.Context, db *sql.DB, schema string) ([]string, error) {
	rows, err := db.QueryContext(ctx, "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = ?", schema)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err reports what matters
	var tables []string
	for rows.Next() {
		var name, kind string
		if err := rows.Scan(&name, &kind); err != nil {
			return nil, err
		}
		if kind != "BASE TABLE" {
			name = kind // OpenIM creates no views, so this is an unknown table
		}
		tables = append(tables, name)
	}
	return tables, rows.Err()
}

// otherObjects reports whether the schema holds routines, triggers or events.
// OpenIM creates none.
func otherObjects(ctx context.Context, db *sql.DB, schema string) (found bool, err error) {
	const query = `SELECT EXISTS (SELECT 1 FROM information_schema.routines WHERE routine_schema = ?)
		OR EXISTS (SELECT 1 FROM information_schema.triggers WHERE trigger_schema = ?)
		OR EXISTS (SELECT 1 FROM information_schema.events WHERE event_schema = ?)`
	if err := db.QueryRowContext(ctx, query, schema, schema, schema).Scan(&found); err != nil {
		return false, fmt.Errorf("look for routines, triggers and events in schema %q: %w", schema, err)
	}
	return found, nil
}

// accounts counts the rows that OpenIM creates by itself.
type accounts struct{ managers, admins int }

// erBadField is the server's error where a table has no column of that name.
const erBadField = 1054

// accountsOf returns nil where some table holds a row of another kind.
func accountsOf(ctx context.Context, db *sql.DB, schema string, tables []string) (*accounts, error) {
	found := &accounts{}
	for _, table := range tables {
		var fresh bool
		var err error
		switch table {
		case usersTable:
			found.managers, fresh, err = countManagers(ctx, db, schema)
		case adminsTable:
			found.admins, fresh, err = countAdmins(ctx, db, schema)
		default:
			fresh, err = isEmpty(ctx, db, schema, table)
		}
		var refused *mysql.MySQLError
		if errors.As(err, &refused) && refused.Number == erBadField {
			return nil, nil // somebody else's table of that name
		}
		if err != nil {
			return nil, fmt.Errorf("look into %s.%s: %w", schema, table, err)
		}
		if !fresh {
			return nil, nil
		}
	}
	return found, nil
}

func isEmpty(ctx context.Context, db *sql.DB, schema, table string) (bool, error) {
	var found bool
	err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+quoted(schema, table)+")").Scan(&found)
	return !found, err
}

// countManagers counts the users, all of whom must be managers.
func countManagers(ctx context.Context, db *sql.DB, schema string) (int, bool, error) {
	// One row more than there are managers is enough to know.
	ids, err := column(ctx, db, "SELECT user_id FROM "+quoted(schema, usersTable)+" LIMIT ?", len(managers)+1)
	if err != nil {
		return 0, false, err
	}
	stranger := func(id string) bool { return !slices.Contains(managers, id) }
	return len(ids), !slices.ContainsFunc(ids, stranger), nil
}

// countAdmins counts the chat server's administrators, all of whom must still
// have the password that the chat server gave them: the MD5 of the account.
func countAdmins(ctx context.Context, db *sql.DB, schema string) (int, bool, error) {
	pairs, err := column(ctx, db, "SELECT CONCAT(account, ' ', password) FROM "+quoted(schema, adminsTable)+" LIMIT ?", maxAdmins+1)
	if err != nil {
		return 0, false, err
	}
	changed := func(pair string) bool {
		account, password, _ := strings.Cut(pair, " ")
		initial := md5.Sum([]byte(account))
		return password != hex.EncodeToString(initial[:])
	}
	return len(pairs), len(pairs) <= maxAdmins && !slices.ContainsFunc(pairs, changed), nil
}

// column reads one column; NULL is the empty string.
func column(ctx context.Context, db *sql.DB, query string, args ...any) ([]string, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err reports what matters
	var values []string
	for rows.Next() {
		var value sql.NullString
		if err := rows.Scan(&value); err != nil {
			return nil, err
		}
		values = append(values, value.String)
	}
	return values, rows.Err()
}

func quoted(schema, table string) string {
	escape := strings.NewReplacer("`", "``")
	return "`" + escape.Replace(schema) + "`.`" + escape.Replace(table) + "`"
}
