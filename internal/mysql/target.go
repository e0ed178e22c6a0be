package mysql

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/source"
)

// BinlogMode says whether a restore goes into the target's binary log.
type BinlogMode string

// Binlog modes. The empty mode is BinlogAuto.
const (
	// BinlogAuto leaves the log out where nobody reads it: no replica and no
	// program that archives it is connected.
	BinlogAuto BinlogMode = "auto"
	BinlogOn   BinlogMode = "on"
	BinlogOff  BinlogMode = "off"
)

var binlogModes = []BinlogMode{"", BinlogAuto, BinlogOn, BinlogOff}

// redoLogTime bounds the writing of all that is in the server's memory.
const redoLogTime = 10 * time.Minute

const leaveBinlogOut = "SET SESSION sql_log_bin = 0"

// planBinlog decides whether the restore goes into the binary log, and says so.
func (c *client) planBinlog(ctx context.Context, r *restoration, plan *source.Plan) error {
	mode := c.server.settings.Binlog
	if !c.facts.logBin {
		return nil
	}
	readers, known, err := c.binlogReaders(ctx)
	if err != nil {
		return err
	}
	if r.target.group != nil { // its members read the log in a way of their own
		readers = max(readers, int(r.target.group.members))
	}
	known = known && !r.target.grouped
	r.target.readers, r.target.unseen = readers, !known
	if mode == BinlogOn {
		plan.Warnings = append(plan.Warnings, "the target writes a binary log: the restore goes into it, and on to replicas")
		return nil
	}
	may, err := c.mayLeaveBinlogOut(ctx)
	if err != nil {
		return err
	}
	switch {
	case mode == BinlogOff && !may:
		return c.server.usage("restore into", "the server does not let account %q leave the binary log out, as binlog: off asks for", c.server.settings.User).
			Hint("set binlog: auto in the settings of the target")
	case mode == BinlogOff && readers > 0:
		plan.Warnings = append(plan.Warnings, fmt.Sprintf("the restore does not go into the target's binary log (binlog: off), though %s it, and will lack that", quantity.Count(readers, "replica or archiver reads", "replicas or archivers read")))
	case mode != BinlogOff && (readers > 0 || !known):
		plan.Warnings = append(plan.Warnings, "the target writes a binary log: the restore goes into it, and on to replicas")
		return nil
	case !may:
		plan.Warnings = append(plan.Warnings, "the target writes a binary log: the restore goes into it, though nobody is connected who reads it; "+
			"with SESSION_VARIABLES_ADMIN the account could leave it out, which is quicker")
		return nil
	default:
		plan.Warnings = append(plan.Warnings, "the restore does not go into the target's binary log, since nobody is connected who reads it; "+
			"take a new base backup after it, or set binlog: on")
	}
	r.binlogOff = true
	return nil
}

// binlogReaders counts the replicas and archiving programs that read the
// server's binary log just now. Not known means that the account may not see them.
func (c *client) binlogReaders(ctx context.Context) (n int, known bool, err error) {
	records, err := queryRecords(ctx, c, "SHOW REPLICAS")
	if isServer(err, erParse) { // before 8.0.22
		records, err = queryRecords(ctx, c, "SHOW SLAVE HOSTS")
	}
	if isDenied(err) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	// A replica that registers as such is there too; a program need not register.
	sessions, err := processes(ctx, c)
	if err != nil {
		return 0, false, err
	}
	dumps := 0
	for _, r := range sessions {
		if strings.HasPrefix(r.text("command"), "Binlog Dump") {
			dumps++
		}
	}
	return max(len(records), dumps), true, nil
}

func (c *client) mayLeaveBinlogOut(ctx context.Context) (bool, error) {
	conn, err := c.session(ctx, leaveBinlogOut)
	if err == nil {
		return true, conn.Close()
	}
	if isDenied(err) {
		return false, nil
	}
	return false, err
}

// requireNothing refuses to do without the redo log on a server that holds
// anything: a crash would destroy that too.
func (c *client) requireNothing(ctx context.Context) error {
	records, err := queryRecords(ctx, c, "SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ("+quoteTexts(systemSchemas)+")")
	if err != nil || len(records) == 0 {
		return err
	}
	return fault.New(fault.Refused, "switch the redo log off on", "it holds %s, %s among them, which a crash would destroy", quantity.Count(len(records), "schema", "schemas"), records[0].text("name")).
		On(c.server.target()).Hint("leave disableRedoLog out of the target's settings")
}

// withoutRedoLog switches the redo log off where the settings say so, and
// returns what switches it on again: only then is what was loaded safe.
func (l *load) withoutRedoLog(ctx context.Context) (undo func() error, err error) {
	nothing := func() error { return nil }
	if !l.client.server.settings.DisableRedoLog {
		return nothing, nil
	}
	if !l.plan.attempt.Resumed {
		if err := l.client.requireNothing(ctx); err != nil {
			return nothing, err
		}
	}
	_, err = l.main.ExecContext(ctx, "ALTER INSTANCE DISABLE INNODB REDO_LOG")
	if isDenied(err) {
		return nothing, l.client.server.usage("switch the redo log off on", "account %q lacks INNODB_REDO_LOG_ENABLE", l.client.server.settings.User).
			Hint("%s Or leave disableRedoLog out", missing{privilege: "INNODB_REDO_LOG_ENABLE", on: "*.*"}.grant(grantee(ctx, l.client)))
	}
	if err != nil {
		return nothing, fmt.Errorf("switch the redo log off: %w", clean(err))
	}
	return func() error {
		// Also after a cancellation, and over a connection of its own. Writing
		// everything to disk may take longer than other cleaning up.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), redoLogTime)
		defer cancel()
		_, err := l.client.ExecContext(ctx, "ALTER INSTANCE ENABLE INNODB REDO_LOG")
		if err != nil {
			return fault.New(fault.Failed, "switch the redo log on again on", "%w", clean(err)).On(l.client.server.target()).
				Hint("ALTER INSTANCE ENABLE INNODB REDO_LOG; until then a crash destroys the server's data")
		}
		return nil
	}, nil
}
