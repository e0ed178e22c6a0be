package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// Whether LOAD DATA LOCAL is allowed is a variable of the whole server. A restore
// that finds it off switches it on for as long as it loads. It notes that before, in
// its mark tables, so that whoever goes on after a kill sets it back; and others
// that load at the same time take the note over, so that the last one of them does.
const (
	// infileTurn is the lock of whoever looks at the variable in order to set it.
	infileTurn = "openim-dr local_infile"
	// infileLoads and a number are the locks of those who load just now.
	infileLoads = "openim-dr loads "
	// mostLoads bounds them.
	mostLoads = 64
	// turnTime is how long a turn is waited for, which takes a few statements.
	turnTime = 5
)

// infileMark says that local_infile was off before a restore switched it on.
func infileMark(schema *schemaPlan) mark { return mark{schema.target, "", "local_infile"} }

// withLocalInfile loads with LOAD DATA LOCAL, where that may be.
func (l *load) withLocalInfile(ctx context.Context, load func() error) (err error) {
	if len(l.plan.schemas) == 0 {
		return load()
	}
	lock, err := l.enterLoad(ctx)
	if err != nil {
		return fmt.Errorf("allow LOAD DATA LOCAL: %w", clean(err))
	}
	defer func() { err = errors.Join(err, l.leaveLoad(ctx, lock)) }()
	return load()
}

// enterLoad joins those who load, and switches the variable on. It returns the lock
// that the main session holds meanwhile.
func (l *load) enterLoad(ctx context.Context) (lock string, err error) {
	if err := l.takeTurn(ctx, l.main); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, releaseLock(ctx, l.main, infileTurn)) }()
	if lock, err = l.joinLoads(ctx); err != nil {
		return "", err
	}
	noted, err := l.infileWasOff(ctx) // by those who have begun meanwhile
	if err != nil {
		return "", err
	}
	r, err := queryRecord(ctx, l.main, "SELECT @@GLOBAL.local_infile AS is_on")
	if err != nil {
		return "", err
	}
	if l.infileOff = l.infileOff || noted || r.number("is_on") == 0; !l.infileOff {
		return lock, nil
	}
	for _, schema := range l.plan.schemas {
		if err := l.note(ctx, l.main, "INSERT IGNORE", infileMark(schema)); err != nil {
			return "", err
		}
	}
	if r.number("is_on") == 1 {
		return lock, nil
	}
	_, err = l.main.ExecContext(ctx, "SET GLOBAL local_infile = ON")
	if isDenied(err) || isServer(err, erOptionPrevents, erReadOnlyVariable) {
		l.insert, l.infileOff = true, false
		return lock, l.forgetInfile(ctx, l.main)
	}
	return lock, err
}

// leaveLoad sets the variable back, unless others load still: then the last of them
// does. It works after a cancellation, and over a connection of its own, since a
// cancelled statement has taken its connection with it.
func (l *load) leaveLoad(ctx context.Context, lock string) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	defer func() {
		if err != nil {
			err = fmt.Errorf("set local_infile back to OFF: %w", clean(err))
		}
	}()
	conn, err := l.client.session(ctx, l.client.server.loadSession(l.plan)...)
	if err != nil {
		return err
	}
	defer release(conn) // which gives the turn back
	if err := l.takeTurn(ctx, conn); err != nil {
		return err
	}
	_ = releaseLock(ctx, l.main, lock) // a session that is lost gives it back by itself
	if !l.infileOff {
		return nil
	}
	others, err := l.loadsOfOthers(ctx, conn, lock)
	if err == nil && !others {
		_, err = conn.ExecContext(ctx, "SET GLOBAL local_infile = OFF")
	}
	if err != nil {
		return err
	}
	return l.forgetInfile(ctx, conn)
}

func (l *load) takeTurn(ctx context.Context, conn *sql.Conn) error {
	r, err := queryRecord(ctx, conn, fmt.Sprintf("SELECT GET_LOCK(%s, %d) AS got", quoteText(infileTurn), turnTime))
	if err == nil && r.number("got") != 1 {
		return fault.New(fault.Failed, "set local_infile on", "another process does so for more than %d seconds", turnTime).On(l.client.server.target()).Hint("try again")
	}
	return err
}

func releaseLock(ctx context.Context, conn *sql.Conn, name string) error {
	_, err := conn.ExecContext(ctx, "DO RELEASE_LOCK("+quoteText(name)+")")
	return clean(err)
}

// joinLoads takes the first lock that nobody has.
func (l *load) joinLoads(ctx context.Context) (lock string, err error) {
	for n := range mostLoads {
		lock := fmt.Sprint(infileLoads, n)
		r, err := queryRecord(ctx, l.main, "SELECT GET_LOCK("+quoteText(lock)+", 0) AS got")
		if err != nil || r.number("got") == 1 {
			return lock, err
		}
	}
	return "", fault.New(fault.Busy, "load into", "%d restores do so already", mostLoads).On(l.client.server.target()).Hint("wait for one of them")
}

// loadsOfOthers reports whether anybody but the holder of a lock loads.
func (l *load) loadsOfOthers(ctx context.Context, q querier, lock string) (bool, error) {
	names := make([]string, 0, mostLoads)
	for n := range mostLoads {
		if name := fmt.Sprint(infileLoads, n); name != lock {
			names = append(names, "IS_USED_LOCK("+quoteText(name)+")")
		}
	}
	r, err := queryRecord(ctx, q, "SELECT COALESCE("+strings.Join(names, ", ")+") AS id")
	return err == nil && r.has("id"), err
}

// infileWasOff reports whether a restore that has not ended notes that it has
// switched the variable on: this one or another, which may have been killed.
func (l *load) infileWasOff(ctx context.Context) (bool, error) {
	tables, err := queryRecords(ctx, l.client, "SELECT TABLE_SCHEMA AS name FROM information_schema.TABLES WHERE TABLE_NAME = "+quoteText(markTable)+
		" AND TABLE_COMMENT LIKE "+quoteText(markComment+"%"))
	if err != nil {
		return false, err
	}
	for _, r := range tables {
		noted, err := queryRecords(ctx, l.client, "SELECT 1 FROM "+quoteName(r.text("name"))+"."+quoteName(markTable)+" WHERE `table` = '' AND chunk = 'local_infile'")
		if err != nil && !isDenied(err) && !isServer(err, erNoSuchTable, erBadDB) { // it may end just now
			return false, err
		}
		if len(noted) > 0 {
			return true, nil
		}
	}
	return false, nil
}

// forgetInfile removes the notes: the variable is as it was, or somebody else's.
func (l *load) forgetInfile(ctx context.Context, conn *sql.Conn) error {
	if l.marks.restore == "" {
		return nil
	}
	for _, schema := range l.plan.schemas {
		_, err := conn.ExecContext(ctx, "DELETE FROM "+schema.markTable()+" WHERE `table` = '' AND chunk = 'local_infile'")
		if err != nil {
			return clean(err)
		}
	}
	return nil
}
