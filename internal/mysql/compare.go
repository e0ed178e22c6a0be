package mysql

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/source"
)

// Compare reads the target again by the expressions of the dump and holds rows
// and definitions against the point. It needs no load before it.
func (s *Server) Compare(ctx context.Context, from *repository.SourceReader, plan *source.Plan, show progress.Reporter) (_ *source.Comparison, err error) {
	r, ok := plan.Private.(*restoration)
	if !ok {
		return nil, errors.New("compare: the plan is not of this source")
	}
	key, err := from.DigestKey(ctx)
	if err != nil {
		return nil, err
	}
	client, err := s.open(ctx, dumpIdle)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.leave(ctx, err)) }()
	c := &comparison{client: client, key: key, result: &source.Comparison{Deviations: slices.Clone(r.deviations)}}
	if err := c.run(ctx, r, show); err != nil {
		return nil, fmt.Errorf("compare %s: %w", s.target(), err)
	}
	return c.result, nil
}

// comparison is one comparison on its way.
type comparison struct {
	client *client
	key    seal.DigestKey
	result *source.Comparison
	pairs  []*pair
}

// pair is a captured table and the one that is read in its place.
type pair struct {
	name string // schema.table, as captured
	want *table
	run  *tableRun
}

func (c *comparison) differ(object, what, want, got string) {
	c.result.Differences = append(c.result.Differences, source.Difference{Object: object, What: what, Want: want, Got: got})
}

func (c *comparison) run(ctx context.Context, r *restoration, show progress.Reporter) error {
	conn, err := c.client.reader(ctx)
	if err != nil {
		return err
	}
	defer release(conn)
	for _, schema := range r.schemas {
		if err := c.compareDefinitions(ctx, conn, schema); err != nil {
			return err
		}
	}
	if err := c.compareAccounts(ctx, conn, r); err != nil {
		return err
	}
	if err := c.readRows(ctx, show); err != nil {
		return err
	}
	for _, p := range c.pairs {
		c.compareRows(p)
	}
	return nil
}

// compareDefinitions compares what is defined and pairs the tables.
func (c *comparison) compareDefinitions(ctx context.Context, conn *sql.Conn, want *schemaPlan) error {
	definitions := catalog{conn: conn, server: c.client.server}
	existing, err := definitions.schemas(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(existing, want.target) {
		c.differ(want.Name, "missing", "schema", "")
		return nil
	}
	if !want.whole {
		definitions.only = want.byName() // of the rest nothing is known, and the account may not see it
	}
	got, err := definitions.schema(ctx, want.target)
	if err != nil {
		return err
	}
	if want.whole && (modern(want.Collation) != modern(got.Collation) || want.Encrypted != got.Encrypted) {
		c.differ(want.Name, "definition", want.Collation, got.Collation)
	}
	c.pairTables(want, got)
	if want.whole {
		c.compareObjects(want, got)
	}
	return nil
}

func (c *comparison) pairTables(want *schemaPlan, got *schemaDefinition) {
	there := got.byName()
	for i := range want.Tables {
		w := &want.Tables[i]
		name := want.Name + "." + w.inPoint()
		g := there[w.Name]
		delete(there, w.Name)
		if g == nil {
			c.differ(name, "missing", "table", "")
			c.result.Items = append(c.result.Items, source.Compared{Name: name})
			continue
		}
		c.compareText(name, w.canonical(), g.canonical())
		if want, got := nextNumber(w.Create), nextNumber(g.Create); got < want {
			c.differ(name, "definition", "AUTO_INCREMENT="+strconv.FormatUint(want, 10), "AUTO_INCREMENT="+strconv.FormatUint(got, 10))
		}
		c.pair(name, want.target, w, g)
	}
	if want.whole {
		for surplus := range there {
			c.differ(want.Name+"."+surplus, "surplus", "", "table")
		}
	}
}

// pair arranges for a table to be read by the captured expressions, provided
// that it has the columns. It is cut by its own key.
func (c *comparison) pair(name, schema string, want, got *table) {
	if !slices.Equal(columnNames(want.Columns), columnNames(got.Columns)) {
		c.differ(name, "columns", strconv.Itoa(len(want.Columns)), strconv.Itoa(len(got.Columns)))
		c.result.Items = append(c.result.Items, source.Compared{Name: name})
		return
	}
	if !want.ownsRows() {
		c.result.Items = append(c.result.Items, source.Compared{Name: name, Equal: true})
		return
	}
	read := &table{Name: got.Name, Engine: got.Engine, Columns: want.Columns, Key: got.Key, estimatedRows: want.Total.Rows, estimatedBytes: want.Total.Bytes}
	run := newTableRun(schema, read, c.client.server.settings.chunkSize(), c.client.server.workers)
	c.pairs = append(c.pairs, &pair{name: name, want: want, run: run})
}

// compareText compares definitions; a difference names their digests.
func (c *comparison) compareText(object, want, got string) {
	if want != got {
		c.differ(object, "definition", digestText(c.key, want).String(), digestText(c.key, got).String())
	}
}

func (c *comparison) compareObjects(want *schemaPlan, got *schemaDefinition) {
	there := map[string]object{}
	for _, o := range got.objects() {
		there[o.Type+" "+o.Name] = o
	}
	for _, w := range want.objects() {
		name := strings.ToLower(w.Type) + " " + want.Name + "." + w.Name
		g, ok := there[w.Type+" "+w.Name]
		delete(there, w.Type+" "+w.Name)
		if !ok {
			c.differ(name, "missing", strings.ToLower(w.Type), "")
			continue
		}
		c.compareText(name, c.kept(&w), c.kept(&g))
	}
	for _, o := range there {
		c.differ(strings.ToLower(o.Type)+" "+want.Name+"."+o.Name, "surplus", "", strings.ToLower(o.Type))
	}
	c.compareTriggerOrder(want, got)
}

// compareTriggerOrder compares in which order a table's triggers fire.
func (c *comparison) compareTriggerOrder(want *schemaPlan, got *schemaDefinition) {
	order := func(triggers []object) map[string][]string {
		byTable := map[string][]string{}
		for _, t := range triggers {
			byTable[t.Table] = append(byTable[t.Table], t.Name)
		}
		return byTable
	}
	there := order(got.Triggers)
	for table, names := range order(want.Triggers) {
		if now := there[table]; len(now) == len(names) && !slices.Equal(now, names) {
			c.differ(want.Name+"."+table, "definition", strings.Join(names, " "), strings.Join(now, " "))
		}
	}
}

// readRows reads all paired tables, with as many sessions as a dump.
func (c *comparison) readRows(ctx context.Context, show progress.Reporter) (err error) {
	shot := new(snapshot)
	defer func() { err = errors.Join(err, shot.close()) }()
	l := ladder{client: c.client}
	if err := l.sessions(ctx, shot, c.client.server.workers); err != nil {
		return err
	}
	if err := shot.start(ctx); err != nil {
		return err
	}
	var runs []*tableRun
	rows := int64(0)
	for _, p := range c.pairs {
		runs = append(runs, p.run)
		rows += p.want.Total.Rows
	}
	slices.SortStableFunc(runs, func(a, b *tableRun) int { return cmp.Compare(b.estimatedBytes, a.estimatedBytes) })
	shown := show.Task("compare "+c.client.server.name, progress.Rows, rows)
	defer shown.Done()
	return c.client.newReader(runs, c.key).run(ctx, shot.sessions, func() rowSink { return &compareSink{tally: newTally(c.key), shown: shown} })
}

func (c *comparison) compareRows(p *pair) {
	want, got := p.want.Total, p.run.total
	equal := want.Rows == got.Rows && want.Digest == got.Digest
	switch {
	case want.Rows != got.Rows:
		c.differ(p.name, "rows", strconv.FormatInt(want.Rows, 10), strconv.FormatInt(got.Rows, 10))
	case want.Digest != got.Digest:
		c.differ(p.name, "digest", want.Digest.String(), got.Digest.String())
	}
	c.result.Items = append(c.result.Items, source.Compared{Name: p.name, Rows: got.Rows, Bytes: want.Bytes, Equal: equal})
}
