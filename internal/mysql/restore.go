package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// inLoadSession opens a session as those that load have, and ends it when use does.
func (s *Server) inLoadSession(ctx context.Context, r *restoration, use func(*sql.Conn) error) (err error) {
	client, err := s.open(ctx, loadIdle)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.leave(ctx, err)) }()
	conn, err := client.session(ctx, s.loadSession(r)...)
	if err != nil {
		return err
	}
	defer release(conn)
	return use(conn)
}

// loadSession prepares a session in which everything comes in as it was.
func (s *Server) loadSession(r *restoration) []string {
	statements := []string{
		"SET NAMES utf8mb4",
		"SET SESSION time_zone = '+00:00'",
		"SET SESSION sql_mode = " + quoteText(loadMode),
		"SET SESSION foreign_key_checks = 0",
		"SET SESSION unique_checks = 0",
		"SET SESSION sql_select_limit = 18446744073709551615",
		"SET SESSION sql_safe_updates = 0",
		"SET SESSION completion_type = 0",
		"SET SESSION max_execution_time = 0",
		"SET SESSION cte_max_recursion_depth = 4294967295", // JSON documents are rebuilt by recursion
		"SET SESSION net_read_timeout = 3600",
		"SET SESSION net_write_timeout = 3600",
		"SET SESSION wait_timeout = 86400",
		"SET SESSION lock_wait_timeout = 60",
	}
	if r.binlogOff {
		statements = append(statements, leaveBinlogOut)
	}
	return statements
}

// lenient are switches with which a server refuses tables that were legal
// where they come from. Setting some takes a privilege, and not every version
// knows all.
var lenient = []string{
	"SET SESSION explicit_defaults_for_timestamp = ON",
	"SET SESSION innodb_strict_mode = OFF",
	"SET SESSION sql_require_primary_key = OFF",
	"SET SESSION sql_generate_invisible_primary_key = OFF",
	"SET SESSION restrict_fk_on_non_standard_key = OFF",
}

// Restore loads what the plan chose.
func (s *Server) Restore(ctx context.Context, from *repository.SourceReader, plan *source.Plan, show progress.Reporter) (_ repository.Summary, err error) {
	r, ok := plan.Private.(*restoration)
	if !ok {
		return repository.Summary{}, errors.New("restore: the plan is not of this source")
	}
	client, err := s.open(ctx, loadIdle)
	if err != nil {
		return repository.Summary{}, err
	}
	defer func() { err = errors.Join(err, client.leave(ctx, err)) }()
	l := &load{client: client, from: from, plan: r, marks: &marks{restore: r.attempt.ID, source: s.name, found: map[mark]bool{}}}
	if r.attempt.Resumed {
		if err := l.endFormerSessions(ctx); err != nil {
			return repository.Summary{}, err
		}
	}
	if l.main, err = l.session(ctx); err != nil {
		return repository.Summary{}, err
	}
	defer release(l.main)
	if err := l.holdSchemas(ctx); err != nil {
		return repository.Summary{}, err
	}
	if err := r.attempt.Hold(ctx); err != nil {
		return repository.Summary{}, err
	}
	if l.objects, err = l.session(ctx); err != nil {
		return repository.Summary{}, err
	}
	defer release(l.objects)
	summary, err := l.run(ctx, r, show)
	if _, clear := fault.Outermost(err); err == nil || clear {
		return summary, err // a fault says itself what was being done, and to what
	}
	return summary, fmt.Errorf("restore into %s: %w", s.target(), err)
}

// quick makes building indexes cheaper. A buffer of the default size, 1 MiB for
// all threads together, sorts in so many runs that merging them takes as long
// as all the rest. Every session that builds takes the buffer once. With more
// threads the server gains nothing: two cores are busy.
var quick = []string{
	"SET SESSION innodb_ddl_buffer_size = 134217728",
	"SET SESSION innodb_ddl_threads = 4",
	"SET SESSION innodb_parallel_read_threads = 4",
}

// session opens a session that loads.
func (l *load) session(ctx context.Context) (*sql.Conn, error) {
	conn, err := l.client.session(ctx, l.client.server.loadSession(l.plan)...)
	if err != nil {
		return nil, err
	}
	err = attempt(ctx, conn, slices.Concat(lenient, quick)...)
	if err == nil {
		err = l.marks.hold(ctx, l.client.server, conn)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// load is one restore on its way.
type load struct {
	client  *client
	main    *sql.Conn
	objects *sql.Conn // takes on the session of each object that is created
	from    *repository.SourceReader
	plan    *restoration
	marks   *marks
	insert  bool // rows come in by INSERT, since LOAD DATA is not allowed
	// infileOff says that local_infile was off before restores switched it on.
	infileOff bool
}

func (l *load) run(ctx context.Context, r *restoration, show progress.Reporter) (_ repository.Summary, err error) {
	redo, err := l.withoutRedoLog(ctx)
	if err != nil {
		return repository.Summary{}, err
	}
	defer func() { err = errors.Join(err, redo()) }()
	var sum total
	for _, schema := range r.schemas {
		sum.add(schema.total())
	}
	if err := l.readMarks(ctx); err != nil {
		return repository.Summary{}, err
	}
	if l.infileOff, err = l.infileWasOff(ctx); err != nil {
		return repository.Summary{}, err
	}
	steps := []func() error{func() error { return l.createAccounts(ctx) }}
	if l.marks.ready {
		steps = append(steps, func() error { return l.goOn(ctx) })
	} else {
		steps = append(steps, []func() error{
			func() error { return eachSchema(ctx, r, l.createTables) },
			func() error { return eachSchema(ctx, r, l.createRoutines) },
			func() error { return l.createViews(ctx, r.schemas) },
			func() error { return l.markReady(ctx) },
		}...)
	}
	steps = append(steps, []func() error{
		func() error { return l.withLocalInfile(ctx, func() error { return l.loadRows(ctx, r, show) }) },
		func() error { return eachSchema(ctx, r, l.addReferences) },
		func() error { return eachSchema(ctx, r, l.gatherHistograms) },
		func() error { return eachSchema(ctx, r, l.createActors) },
		func() error { return l.finishAccounts(ctx) },
	}...)
	for _, step := range steps {
		if err := step(); err != nil {
			return repository.Summary{}, err
		}
	}
	return repository.Summary{Rows: sum.Rows, Bytes: sum.Bytes}, nil
}

// eachSchema takes a step for every schema before the next step begins, since
// what stands in one may refer to another.
func eachSchema(ctx context.Context, r *restoration, step func(context.Context, *schemaPlan) error) error {
	for _, schema := range r.schemas {
		if err := step(ctx, schema); err != nil {
			return fmt.Errorf("schema %q: %w", schema.target, err)
		}
	}
	return nil
}

// createTables makes room and creates the tables without what is added later.
func (l *load) createTables(ctx context.Context, schema *schemaPlan) error {
	if err := l.clear(ctx, schema); err != nil {
		return err
	}
	if _, err := l.main.ExecContext(ctx, "USE "+quoteName(schema.target)); err != nil {
		return clean(err)
	}
	for i := range schema.Tables {
		t := &schema.Tables[i]
		parts, err := parseCreateTable(t.Create)
		if err != nil {
			return fmt.Errorf("table %q: %w", t.Name, err)
		}
		if err := l.createTable(ctx, t, parts.base()); err != nil {
			return fmt.Errorf("create table %q: %w", t.Name, err)
		}
	}
	return nil
}

// clear drops what the plan said is there. Invariant 5: what has come since
// then was not agreed to, and is left alone.
func (l *load) clear(ctx context.Context, schema *schemaPlan) error {
	agreed := schema.replaced
	holds, err := l.client.holds(ctx, schema)
	if err != nil {
		return err
	}
	appeared := func(name string) bool { return !slices.Contains(agreed, name) }
	if holds != "" && (!schema.occupied || !schema.whole && slices.ContainsFunc(schema.replaced, appeared)) {
		return fault.New(fault.Refused, "restore into", "what it holds has come since the restore was planned, some of it at least: %s", holds).
			On(l.client.server.schemaTarget(schema.target)).Hint("plan the restore again")
	}
	options := fmt.Sprintf(" CHARACTER SET %s COLLATE %s", schema.CharacterSet, schema.Collation)
	if schema.Encrypted {
		options += " ENCRYPTION 'Y'"
	}
	statements := []string{"DROP DATABASE IF EXISTS " + quoteName(schema.target), "CREATE DATABASE " + quoteName(schema.target) + options}
	if !schema.whole {
		statements = nil
		if !schema.exists { // the statement takes a privilege even where it does nothing
			statements = append(statements, "CREATE DATABASE IF NOT EXISTS "+quoteName(schema.target)+options)
		}
	}
	if err := l.clearing(ctx, schema, statements...); err != nil {
		return err
	}
	if err := l.createMarkTable(ctx, schema); err != nil || schema.whole {
		return err
	}
	statements = nil
	for i := range schema.Tables {
		statements = append(statements, "DROP TABLE IF EXISTS "+quoteName(schema.target)+"."+quoteName(schema.Tables[i].Name))
	}
	return l.clearing(ctx, schema, statements...)
}

// clearing runs statements that make room in a schema.
func (l *load) clearing(ctx context.Context, schema *schemaPlan, statements ...string) error {
	for _, statement := range statements {
		if err := l.define(ctx, statement); isDenied(err) {
			return l.client.server.usage("restore into", "account %q may not create and drop schema %q", l.client.server.settings.User, schema.target).
				Hint("%s", missing{privilege: "ALL", on: quoteName(schema.target) + ".*"}.grant(grantee(ctx, l.client)))
		} else if err != nil {
			return fmt.Errorf("%s: %w", firstWords(statement), clean(err))
		}
	}
	return nil
}

// addReferences adds foreign keys when every table has its rows and indexes.
func (l *load) addReferences(ctx context.Context, schema *schemaPlan) error {
	for i := range schema.Tables {
		t := &schema.Tables[i]
		parts, err := parseCreateTable(t.Create)
		if err != nil {
			return fmt.Errorf("table %q: %w", t.Name, err)
		}
		for _, clauses := range parts.references() {
			err := l.define(ctx, "ALTER TABLE "+quoteName(schema.target)+"."+quoteName(t.Name)+" "+clauses)
			if err != nil && !l.thereAlready(err) {
				return fmt.Errorf("add foreign keys to table %q: %w", t.Name, clean(err))
			}
		}
	}
	return nil
}

// define runs a statement that creates or drops something. Each is atomic, so
// that it can be given again.
func (l *load) define(ctx context.Context, statement string) error {
	return define(ctx, l.main, statement)
}

func define(ctx context.Context, conn *sql.Conn, statement string) error {
	return againAfterDeadlock(func() error {
		_, err := conn.ExecContext(ctx, statement)
		return err
	})
}
