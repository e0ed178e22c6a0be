package mysql

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// markTable stands in every schema that a restore writes to, from before it
// writes anything there until the comparison has ended. It says how far the
// restore has come, so that it goes on from there after whatever has ended it.
// Its comment names the restore. A chunk's mark commits in one transaction with
// the chunk's rows: it is loaded exactly once, also into a table without a key.
// A dump does not see the table.
const markTable = "openim_dr_restore"

// markComment opens the comment of the table; the restore's id follows.
const markComment = "openim-dr restores this schema: "

// mark is one line of the table: a chunk that is loaded; where the names are
// empty, that the schema is ready for rows; or what infileMark says.
type mark struct{ schema, table, chunk string }

// marks is what a restore has noted at the target. It is safe for concurrent
// use once read.
type marks struct {
	restore string // its id; empty: it notes nothing, and cannot be resumed
	source  string // of which this is the target: two may be on one server
	found   map[mark]bool
	// ready says that an earlier process has made every schema ready for rows.
	ready    bool
	sessions atomic.Int64 // opened so far, see hold
}

func (p *schemaPlan) markTable() string { return quoteName(p.target) + "." + quoteName(markTable) }

// lookForMarks finds out which schemas an earlier process of the restore has
// begun to write to. A restore of a part does not begin where another has not
// ended: whatever that one does next could hurt this one. One of the whole gives
// the other up, and says so.
func (c *client) lookForMarks(ctx context.Context, plan *source.Plan, attempt source.Attempt, schemas []*schemaPlan) error {
	for _, schema := range schemas {
		records, err := queryRecords(ctx, c, "SELECT TABLE_COMMENT AS comment FROM information_schema.TABLES WHERE TABLE_NAME = "+
			quoteText(markTable)+" AND TABLE_SCHEMA = "+quoteText(schema.target))
		if err != nil {
			return err
		}
		comment := ""
		if len(records) > 0 {
			comment = records[0].text("comment")
		}
		of, ours := strings.CutPrefix(comment, markComment)
		if !attempt.Resumed || ours && of != attempt.ID { // else an earlier process may have left sessions behind, which are ended
			if err := c.requireNobody(ctx, schema, of); err != nil {
				return err
			}
		}
		switch {
		case len(records) == 0:
			schema.marked = attempt.Resumed && attempt.Loaded // and finished, all but the last word
		case !ours && !schema.whole:
			return c.server.usage("restore into", "schema %q holds a table %s, which is the name of the restore's own notes", schema.target, markTable).
				Hint("give that table another name")
		case ours && attempt.Resumed && of == attempt.ID:
			schema.marked = true
		case ours && !schema.whole:
			return fault.New(fault.Refused, "restore into", "restore %s into it has not ended", of).On(c.server.schemaTarget(schema.target)).
				Hint("go on with it: openim-dr restore --resume %s; or, to give it up, DROP TABLE %s", of, schema.markTable())
		case ours:
			plan.Warnings = append(plan.Warnings, fmt.Sprintf("%s: restore %s into it has not ended, and this one gives it up; to go on with that one instead: openim-dr restore --resume %s",
				c.server.schemaTarget(schema.target), of, of))
		}
	}
	return nil
}

// requireNobody refuses a schema that another process restores just now. Of is that
// restore, where it is known.
func (c *client) requireNobody(ctx context.Context, schema *schemaPlan, of string) error {
	r, err := queryRecord(ctx, c, "SELECT IS_USED_LOCK("+quoteText(schema.lock())+") AS id")
	if err != nil || !r.has("id") {
		return err
	}
	refusal := fault.New(fault.Busy, "restore into", "another restore writes to it, in session %s of the server", r.text("id")).On(c.server.schemaTarget(schema.target))
	gone := "should its process be gone, KILL " + r.text("id")
	if of == "" {
		return refusal.Hint("wait for that one, or end it; %s", gone)
	}
	return refusal.Hint("wait for it, or end it and go on with it: openim-dr restore --resume %s; %s", of, gone)
}

// createMarkTable comes before anything else that is written to a schema.
func (l *load) createMarkTable(ctx context.Context, schema *schemaPlan) error {
	if l.marks.restore == "" {
		return nil
	}
	statements := []string{
		"CREATE TABLE IF NOT EXISTS " + schema.markTable() + " (`table` VARCHAR(64) NOT NULL, chunk VARCHAR(64) NOT NULL, PRIMARY KEY (`table`, chunk))" +
			" ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT=" + quoteText(markComment+l.marks.restore),
		"TRUNCATE TABLE " + schema.markTable(), // of an attempt that had loaded nothing yet
	}
	for _, statement := range statements {
		if err := l.define(ctx, statement); err != nil {
			return fmt.Errorf("note the restore in schema %q: %w", schema.target, clean(err))
		}
	}
	if l.infileOff { // the table that said so may just have been dropped
		return l.note(ctx, l.main, "INSERT", infileMark(schema))
	}
	return nil
}

// readMarks reads what an earlier process has noted. Its sessions have ended by
// then, so that nothing is added any more.
func (l *load) readMarks(ctx context.Context) error {
	l.marks.ready = len(l.plan.schemas) > 0
	for _, schema := range l.plan.schemas {
		if !schema.marked {
			l.marks.ready = false
			continue
		}
		records, err := queryRecords(ctx, l.main, "SELECT `table` AS name, chunk FROM "+schema.markTable())
		if err != nil {
			return fmt.Errorf("read how far the restore of schema %q has come: %w", schema.target, err)
		}
		for _, r := range records {
			l.marks.found[mark{schema.target, r.text("name"), r.text("chunk")}] = true
		}
		l.marks.ready = l.marks.ready && l.marks.found[mark{schema: schema.target}]
	}
	return nil
}

// markReady notes that everything is there but the rows and what comes after
// them.
func (l *load) markReady(ctx context.Context) error {
	for _, schema := range l.plan.schemas {
		if err := l.note(ctx, l.main, "INSERT IGNORE", mark{schema: schema.target}); err != nil { // two may go into one schema
			return err
		}
	}
	return nil
}

// note writes a mark, by INSERT or INSERT IGNORE.
func (l *load) note(ctx context.Context, conn *sql.Conn, insert string, m mark) error {
	if l.marks.restore == "" {
		return nil
	}
	_, err := conn.ExecContext(ctx, insert+" INTO "+quoteName(m.schema)+"."+quoteName(markTable)+" VALUES ("+quoteText(m.table)+", "+quoteText(m.chunk)+")")
	if err != nil {
		return fmt.Errorf("note how far the restore has come: %w", clean(err))
	}
	return nil
}

// goOn makes the schemas, which an earlier process has left half filled, ready
// to go on. What may be there in part is removed: rows of tables that know no
// transactions, and what is created after the rows.
func (l *load) goOn(ctx context.Context) error {
	for _, schema := range l.plan.schemas {
		for i := range schema.Tables {
			if err := l.startAgain(ctx, schema, &schema.Tables[i]); err != nil {
				return err
			}
		}
		var statements []string
		if schema.whole { // a routine or trigger may have been created under another collation
			statements = append(statements, "ALTER DATABASE "+quoteName(schema.target)+" COLLATE "+schema.Collation)
		}
		for _, o := range schema.Triggers {
			statements = append(statements, "DROP TRIGGER IF EXISTS "+quoteName(schema.target)+"."+quoteName(o.Name))
		}
		for _, o := range schema.Events {
			statements = append(statements, "DROP EVENT IF EXISTS "+quoteName(schema.target)+"."+quoteName(o.Name))
		}
		for _, statement := range statements {
			if err := l.define(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", firstWords(statement), clean(err))
			}
		}
	}
	return nil
}

// startAgain makes a table anew that knows no transactions and is not whole.
func (l *load) startAgain(ctx context.Context, schema *schemaPlan, t *table) error {
	if t.transactional() || l.marks.found[schema.wholeMark(t)] {
		return nil
	}
	parts, err := parseCreateTable(t.Create)
	if err != nil {
		return fmt.Errorf("table %q: %w", t.Name, err)
	}
	for _, statement := range []string{"DROP TABLE IF EXISTS " + quoteName(schema.target) + "." + quoteName(t.Name), "USE " + quoteName(schema.target)} {
		if err := l.define(ctx, statement); err != nil {
			return fmt.Errorf("make table %q anew, which cannot be gone on with: %w", schema.target+"."+t.Name, clean(err))
		}
	}
	if err := l.createTable(ctx, t, parts.base()); err != nil {
		return fmt.Errorf("create table %q: %w", t.Name, err)
	}
	return nil
}

func (t *table) transactional() bool { return t.Engine == "InnoDB" }

// wholeMark says of a table that knows no transactions that all of its rows are
// loaded: of less nothing is known.
func (p *schemaPlan) wholeMark(t *table) mark { return mark{p.target, t.Name, ""} }

// mostHolds bounds the sessions of one restore.
const mostHolds = 256

// holdTime is how long a session that was ended is waited for: the server first
// rolls back what it was doing.
const holdTime = 60

// hold marks a session as one of the restore, by a named lock that the server
// keeps until the session ends. So a process that goes on with the restore finds
// what an earlier one has left behind, which is no more than suspended perhaps.
func (m *marks) hold(ctx context.Context, s *Server, conn *sql.Conn) error {
	if m.restore == "" {
		return nil
	}
	n := m.sessions.Add(1) - 1
	r, err := queryRecord(ctx, conn, fmt.Sprintf("SELECT GET_LOCK(%s, %d) AS got", quoteText(m.lock(n)), holdTime))
	if err != nil {
		return err
	}
	if n >= mostHolds || r.number("got") != 1 {
		return fault.New(fault.Busy, "restore into", "another process goes on with restore %s", m.restore).On(s.target()).
			Hint("wait for it; or end it, and then go on: openim-dr restore --resume %s", m.restore)
	}
	return nil
}

// lock names the lock of a session. The server takes 64 characters.
func (m *marks) lock(n int64) string {
	sum := sha256.Sum256([]byte(m.restore + "\x00" + m.source))
	return fmt.Sprintf("openim-dr %x %d", sum[:16], n) // 51 characters at most
}

// endFormerSessions ends the sessions that an earlier process of the restore
// has left at the server. Whatever that process was, it can do no more.
func (l *load) endFormerSessions(ctx context.Context) error {
	text := strings.TrimSuffix(l.marks.lock(0), "0")
	records, err := queryRecords(ctx, l.client, fmt.Sprintf("WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM n WHERE i < %d)"+
		" SELECT IS_USED_LOCK(CONCAT(%s, i)) AS id FROM n", mostHolds-1, quoteText(text)))
	if err != nil {
		return fmt.Errorf("look for sessions of the process before: %w", err)
	}
	for _, r := range records {
		if r.text("id") == "" {
			continue
		}
		_, err := l.client.ExecContext(ctx, "KILL "+r.text("id"))
		if err != nil && !isServer(err, erNoSuchThread) {
			return fmt.Errorf("end session %s of the process before: %w", r.text("id"), clean(err))
		}
	}
	return nil
}

// requireNoRestore refuses to take half a database for a whole one, but as a
// rollback point, which is of whatever is there.
func (d *dump) requireNoRestore(ctx context.Context) error {
	if d.draft.Stream() == repository.RollbackStream {
		return nil
	}
	records, err := queryRecords(ctx, d.coordinator, "SELECT TABLE_SCHEMA AS name, TABLE_COMMENT AS comment FROM information_schema.TABLES WHERE TABLE_NAME = "+
		quoteText(markTable)+" AND TABLE_SCHEMA IN ("+quoteTexts(append([]string{""}, d.names...))+")")
	if err != nil {
		return err
	}
	for _, r := range records {
		if id, ours := strings.CutPrefix(r.text("comment"), markComment); ours {
			return fault.New(fault.Refused, "dump", "restore %s into schema %q has not ended: half of it may be there", id, r.text("name")).On(d.server.target()).
				Hint("end it: openim-dr restore --resume %s; or, to give it up, DROP TABLE %s.%s", id, quoteName(r.text("name")), quoteName(markTable))
		}
	}
	return nil
}

// holdSchemas keeps other restores out of the schemas as long as the main session
// lives.
func (l *load) holdSchemas(ctx context.Context) error {
	if l.marks.restore == "" {
		return nil
	}
	for _, schema := range l.plan.schemas {
		r, err := queryRecord(ctx, l.main, fmt.Sprintf("SELECT GET_LOCK(%s, %d) AS got", quoteText(schema.lock()), holdTime))
		if err != nil {
			return err
		}
		if r.number("got") != 1 {
			return fault.New(fault.Busy, "restore into", "another restore writes to it").On(l.client.server.schemaTarget(schema.target)).Hint("wait for that one, or end it")
		}
	}
	return nil
}

// lock names the lock of who restores the schema.
func (p *schemaPlan) lock() string {
	sum := sha256.Sum256([]byte(p.target))
	return fmt.Sprintf("openim-dr schema %x", sum[:16])
}

// Finish removes what a restore has noted in the schemas.
func (s *Server) Finish(ctx context.Context, _ *repository.SourceReader, plan *source.Plan) error {
	r, ok := plan.Private.(*restoration)
	if !ok || r.attempt.ID == "" {
		return nil
	}
	return s.inLoadSession(ctx, r, func(conn *sql.Conn) error {
		for _, schema := range r.schemas {
			if err := define(ctx, conn, "DROP TABLE IF EXISTS "+schema.markTable()); err != nil {
				return fmt.Errorf("remove the restore's notes from schema %q: %w", schema.target, clean(err))
			}
		}
		return nil
	})
}
