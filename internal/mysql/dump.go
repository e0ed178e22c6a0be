package mysql

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// Capture dumps the chosen schemas.
func (s *Server) Capture(ctx context.Context, draft *repository.SourceDraft, show progress.Reporter) (err error) {
	client, err := s.open(ctx, dumpIdle)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.leave(ctx, err)) }()
	coordinator, err := client.reader(ctx)
	if err != nil {
		return err
	}
	d := &dump{server: s, client: client, coordinator: coordinator, draft: draft, key: draft.DigestKey()}
	defer func() { release(d.coordinator) }()
	err = d.run(ctx, show)
	if _, clear := fault.Outermost(err); err == nil || clear {
		return err // a fault says itself what was being done, and to what
	}
	return fmt.Errorf("dump %s: %w", s.target(), err)
}

// dump is one dump on its way.
type dump struct {
	server      *Server
	client      *client
	coordinator *sql.Conn // reads definitions and asks, outside the snapshot
	draft       *repository.SourceDraft
	key         seal.DigestKey
	sees        bool // the account sees the sessions and transactions of others

	held       *privileges
	choose     *selection
	names      []string // of the schemas
	schemas    []*schemaDefinition
	filtered   bool              // some table has a where-clause
	identities map[string]string // of definitions, when the snapshot opened
	tables     []*tableRun
	accounts   []*accountDefinition
	snapshot   *snapshot
	watch      *neighbour
}

func (d *dump) run(ctx context.Context, show progress.Reporter) error {
	if err := d.check(ctx); err != nil {
		return err
	}
	if err := d.requireNoRestore(ctx); err != nil {
		return err
	}
	d.watch = newNeighbour(d)
	defer d.watch.close()
	if err := d.open(ctx); err != nil {
		return err
	}
	err := d.readRows(ctx, show)
	if err := errors.Join(err, d.snapshot.close()); err != nil {
		return err
	}
	if err := d.checkUnchanged(ctx); err != nil {
		return err
	}
	if err := d.noteChangedAccounts(ctx); err != nil {
		return err
	}
	if err := d.writeDefinitions(ctx); err != nil {
		return err
	}
	if err := d.writeAccounts(ctx); err != nil {
		return err
	}
	return d.record(ctx)
}

// chooseSchemas settles which schemas the patterns mean. One that is created
// later is not in the snapshot anyway.
func (d *dump) chooseSchemas(ctx context.Context) (err error) {
	if d.choose, err = d.server.settings.selection(d.client.facts.lowerCaseTableNames != 0); err != nil {
		return err
	}
	c := catalog{conn: d.coordinator, server: d.server}
	existing, err := c.schemas(ctx)
	if err != nil {
		return err
	}
	d.names, err = d.choose.chooseSchemas(existing)
	var unseen *unseenSchema
	if errors.As(err, &unseen) {
		return d.server.usage("dump", "%w, or account %s may not see it", err, d.held.account).
			Hint("correct schemas in the configuration, or %s%s", missing{privilege: dumpPrivileges, on: unseen.on()}.grant(d.held.account), d.held.otherwise())
	}
	if err != nil {
		return d.server.unfit(err)
	}
	return nil
}

// unfit is about settings that choose what is not there.
func (s *Server) unfit(err error) error {
	return s.usage("dump", "%w", err).Hint("correct the patterns in the configuration; `openim-dr config schema` describes the keys")
}

// check fails before anything is read if the dump would lack something.
func (d *dump) check(ctx context.Context) error {
	held, err := askPrivileges(ctx, d.coordinator)
	if err != nil {
		return err
	}
	d.held = held
	if err := d.chooseSchemas(ctx); err != nil {
		return err
	}
	d.sees = held.anywhere("PROCESS")
	return d.checkPrivileges()
}

// openTries is how often the dump begins anew because a definition changed
// while its snapshot opened, before a row was read.
const openTries = 5

// open reads the definitions before the snapshot, again when it is open, and
// once more after the last row: if they are the same, they are those of every
// row in between.
func (d *dump) open(ctx context.Context) error {
	for try := 1; ; try++ {
		err := d.tryOpen(ctx)
		if err == nil {
			return nil
		}
		if d.snapshot != nil {
			err = errors.Join(err, d.snapshot.close())
		}
		if !isChange(err) {
			return err
		}
		if try == openTries {
			return fault.New(fault.Failed, "dump", "%w each time that the snapshot was opened: %w", errChanged, err).On(d.server.target()).
				Hint("run the backup again when no migration runs")
		}
		if err := errors.Join(d.watch.letDDLGo(ctx), pause(ctx, pollInterval)); err != nil {
			return err
		}
	}
}

// isChange reports whether something that was seen a moment ago is another now
// or gone.
func isChange(err error) bool {
	return errors.Is(err, errChanged) || isServer(err, erNoSuchTable, erRoutineMissing, erTriggerMissing, erEventMissing)
}

func (d *dump) tryOpen(ctx context.Context) (err error) {
	d.snapshot = nil
	if err := d.readDefinitions(ctx); err != nil {
		return err
	}
	if err := d.readAccounts(ctx); err != nil {
		return err
	}
	if err := d.openSnapshot(ctx); err != nil {
		return err
	}
	// Not before: whoever changes a definition would wait for the backup lock
	// with a lock in hand for which FLUSH TABLES WITH READ LOCK waits.
	if err := d.watch.holdOffDDL(ctx); err != nil {
		return err
	}
	return d.checkUnchanged(ctx)
}

func (d *dump) readDefinitions(ctx context.Context) (err error) {
	d.schemas, err = d.definitions(ctx)
	if err != nil {
		return err
	}
	if err := d.choose.checkTables(d.schemas); err != nil {
		return d.server.unfit(err)
	}
	if err := d.checkFilters(ctx); err != nil {
		return err
	}
	d.identities, d.tables = identities(d.schemas), nil
	for _, schema := range d.schemas {
		for i := range schema.Tables {
			if t := &schema.Tables[i]; t.NoData || !t.ownsRows() {
				continue
			}
			d.tables = append(d.tables, newTableRun(schema.Name, &schema.Tables[i], d.server.settings.chunkSize(), d.server.workers))
		}
	}
	slices.SortStableFunc(d.tables, func(a, b *tableRun) int { return cmp.Compare(b.estimatedBytes, a.estimatedBytes) })
	return nil
}

func (d *dump) definitions(ctx context.Context) ([]*schemaDefinition, error) {
	c := catalog{conn: d.coordinator, server: d.server, choose: d.choose}
	var all []*schemaDefinition
	for _, name := range d.names {
		schema, err := c.schema(ctx, name)
		if err != nil {
			return nil, err
		}
		if err := c.readIdentities(ctx, schema); err != nil {
			return nil, err
		}
		all = append(all, schema)
	}
	return all, nil
}

// coordinate replaces the session that reads definitions where it is lost:
// what matters, the snapshot, is not in it.
func (d *dump) coordinate(ctx context.Context) error {
	_, err := d.coordinator.ExecContext(ctx, "DO 0")
	if err == nil || ctx.Err() != nil {
		return err
	}
	fresh, err := d.client.reader(ctx)
	if err != nil {
		return err
	}
	release(d.coordinator)
	d.coordinator = fresh
	return nil
}

func (d *dump) openSnapshot(ctx context.Context) (err error) {
	l := ladder{client: d.client, watch: d.coordinator, sees: d.sees, workers: d.server.workers}
	for _, t := range d.tables {
		l.tables = append(l.tables, t.from())
	}
	if d.snapshot, err = l.open(ctx); err != nil {
		return err
	}
	if err = d.checkMoment(ctx); err == nil {
		err = d.holdTime(ctx)
	}
	if err != nil {
		return errors.Join(err, d.snapshot.close())
	}
	return nil
}

func (d *dump) readRows(ctx context.Context, show progress.Reporter) error {
	estimate := int64(0)
	for _, t := range d.tables {
		estimate += t.estimatedRows
	}
	shown := show.Task("dump "+d.server.name, progress.Rows, estimate)
	defer shown.Done()
	r := d.client.newReader(d.tables, d.key)
	err := d.watch.over(ctx, r, func(ctx context.Context) error {
		return r.run(ctx, d.snapshot.sessions, func() rowSink { return newDumpSink(d.draft, d.key, shown) })
	})
	if err != nil {
		return err
	}
	for _, t := range d.tables {
		t.Total, t.Chunks = t.total, t.chunks
		slices.SortFunc(t.Chunks, func(a, b chunk) int { return strings.Compare(a.File, b.File) })
	}
	return nil
}

// errChanged means that a definition is no longer that of the rows.
var errChanged = errors.New("definitions changed")

// checkUnchanged compares the definitions with those of before the snapshot.
func (d *dump) checkUnchanged(ctx context.Context) error {
	if err := d.coordinate(ctx); err != nil {
		return err
	}
	schemas, err := d.definitions(ctx)
	if err != nil && isChange(err) { // gone while it was looked at
		return d.changed("some %w while their rows were read: %w", errChanged, err)
	}
	if err != nil {
		return err
	}
	now := identities(schemas)
	changed := 0
	name := ""
	for object, before := range d.identities {
		if after, ok := now[object]; !ok || after != before {
			changed++
			name = max(name, object)
		}
	}
	for object := range now {
		if _, ok := d.identities[object]; !ok {
			changed++
			name = max(name, object)
		}
	}
	if changed > 0 {
		return d.changed("%d %w while their rows were read, among them that of %s", changed, errChanged, name)
	}
	return nil
}

// changed is the end of a dump whose definitions are no longer those of its rows.
func (d *dump) changed(format string, args ...any) error {
	return fault.New(fault.Failed, "dump", format, args...).On(d.server.target()).
		Hint("run the backup again when no migration runs, or GRANT BACKUP_ADMIN ON *.* TO %s; so that changes are held off", d.held.account)
}
