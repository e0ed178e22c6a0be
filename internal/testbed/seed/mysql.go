package seed

import (
	"context"
	"database/sql"
	"database/sql/driver"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
)

//go:embed sql/server.sql
var serverDDL string

//go:embed sql/chat.sql
var chatDDL string

//go:embed sql/fork.sql
var forkDDL string

//go:embed sql/routines.sql
var routinesDDL string

// Schemas names the two schemas, so that tests can run side by side. Empty names
// are OpenIM's own.
type Schemas struct {
	Server string // openIM_v3
	Chat   string // openim_enterprise

	// Definer is the account, as `name@host`, that routines and views belong to. It
	// is created with rights on both schemas. Empty means whoever connects.
	Definer string
}

func (s Schemas) orDefault() Schemas {
	if s.Server == "" {
		s.Server = "openIM_v3"
	}
	if s.Chat == "" {
		s.Chat = "openim_enterprise"
	}
	return s
}

// schema is one schema with its tables.
type schema struct {
	name      string
	collation string
	ddl       []string
	tables    []table
}

// newSchemas plans both schemas. chat_logs takes what the other tables leave of
// the rows that were asked for.
func newSchemas(names Schemas, p *population) []schema {
	server := schema{names.Server, "utf8mb4_unicode_ci", statements(serverDDL), append(serverTables(p), objectTable(p))}
	chat := schema{names.Chat, "utf8mb4_0900_ai_ci", statements(chatDDL), chatTables(p)}
	if !p.size.Plain {
		chat.ddl = append(chat.ddl, statements(forkDDL)...)
		chat.tables = append(chat.tables, forkTables(p)...)
	}
	left := int64(p.size.Rows)
	for _, t := range append(server.tables[:len(server.tables):len(server.tables)], chat.tables...) {
		left -= t.rows
	}
	server.tables = append(server.tables, messageTable(p, max(left, 500)))
	return []schema{server, chat}
}

// statements splits a script: a statement is a paragraph.
func statements(script string) []string {
	return strings.Split(strings.TrimSpace(script), "\n\n")
}

// MySQL creates both schemas with all their tables and fills them. A schema may
// exist, but must be empty.
func MySQL(ctx context.Context, db *sql.DB, names Schemas, size Size) (Result, error) {
	names = names.orDefault()
	p := newPopulation(size)
	schemas := newSchemas(names, p)
	if err := onSession(ctx, db, func(s session) error { return s.createAll(ctx, schemas) }); err != nil {
		return Result{}, err
	}
	result, err := fill(ctx, db, schemas, size.Seed)
	if err != nil {
		return Result{}, err
	}
	result.markers = p.markers()
	if size.Plain {
		return result, nil
	}
	err = onSession(ctx, db, func(s session) error { return s.createRoutines(ctx, names, size.Seed) })
	return result, err
}

// FreshOpenIM makes what OpenIM itself makes on an empty database: the tables and
// its manager users, nothing else. A restore may overwrite that.
func FreshOpenIM(ctx context.Context, db *sql.DB, names Schemas) error {
	names = names.orDefault()
	p := newPopulation(Size{Plain: true})
	schemas := newSchemas(names, p)
	return onSession(ctx, db, func(s session) error {
		if err := s.createAll(ctx, schemas); err != nil {
			return err
		}
		users := schemas[0].tables[0]
		users.rows = int64(len(managers))
		return s.insert(ctx, newBlock(schemas[0].name, users, 0), 0)
	})
}

func (p *population) markers() []string {
	all := []string{p.messageMarker, p.nameMarker}
	for n := range min(p.users, 20) {
		all = append(all, p.accountPassword(n))
	}
	for n := int64(len(nastyTexts)); n < int64(len(nastyTexts))+4; n++ {
		all = append(all, password(p.size.Seed, fmt.Sprintf("client_config %d", n)))
	}
	return all
}

// session is one connection whose settings let every nasty value in. It is never
// given back to the pool.
type session struct{ conn *sql.Conn }

// onSession does work on a session of its own.
func onSession(ctx context.Context, db *sql.DB, work func(session) error) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect to mysql: %w", err)
	}
	s := session{conn}
	if err = s.prepare(ctx); err == nil {
		err = work(s)
	}
	// ErrBadConn makes the pool throw the connection away, with its settings.
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	return err
}

func (s session) prepare(ctx context.Context) error {
	return s.do(ctx,
		"SET NAMES utf8mb4",
		"SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00', unique_checks = 0, foreign_key_checks = 0",
	)
}

func (s session) do(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		if err := s.define(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", firstWords(statement), err)
		}
	}
	return nil
}

// deadlock is what the server answers to one of two statements that wait for
// each other, such as a CREATE and the global lock of a dump.
const deadlock = 1213

// define runs a statement that may be given again.
func (s session) define(ctx context.Context, statement string) error {
	for {
		_, err := s.conn.ExecContext(ctx, statement)
		var sent *mysql.MySQLError
		if !errors.As(err, &sent) || sent.Number != deadlock {
			return err
		}
	}
}

// firstWords names a statement in an error without the data in it.
func firstWords(statement string) string {
	head, _, _ := strings.Cut(statement, "\n")
	fields := strings.Fields(head)
	return strings.ToLower(strings.Join(fields[:min(3, len(fields))], " "))
}

func (s session) createAll(ctx context.Context, schemas []schema) error {
	for _, schema := range schemas {
		if err := s.create(ctx, schema); err != nil {
			return fmt.Errorf("create schema %q: %w", schema.name, err)
		}
	}
	return nil
}

func (s session) create(ctx context.Context, schema schema) error {
	name := quoteName(schema.name)
	err := s.do(ctx,
		"CREATE DATABASE IF NOT EXISTS "+name,
		"ALTER DATABASE "+name+" CHARACTER SET utf8mb4 COLLATE "+schema.collation,
		"USE "+name)
	if err != nil {
		return err
	}
	return s.do(ctx, schema.ddl...)
}

// createRoutines comes after the rows, which would otherwise fire the trigger.
func (s session) createRoutines(ctx context.Context, names Schemas, seed uint64) error {
	definer := "CURRENT_USER"
	if names.Definer != "" {
		name, host, _ := strings.Cut(names.Definer, "@")
		definer = string(appendQuoted(nil, name)) + "@" + string(appendQuoted(nil, host))
		err := s.do(ctx,
			"CREATE USER IF NOT EXISTS "+definer+" IDENTIFIED BY '"+password(seed, "definer")+"'",
			"GRANT ALL ON "+quoteName(names.Server)+".* TO "+definer,
			"GRANT ALL ON "+quoteName(names.Chat)+".* TO "+definer)
		if err != nil {
			return err
		}
	}
	if err := s.do(ctx, "USE "+quoteName(names.Chat)); err != nil {
		return err
	}
	return s.do(ctx, statements(strings.ReplaceAll(routinesDDL, "{definer}", definer))...)
}
