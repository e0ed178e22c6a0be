package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// catalogSession prepares a session that reads definitions. Bodies of views
// and routines come in the character set they were once sent in, and go back
// in it, because character_set_results is NULL.
func (s *Server) catalogSession() []string {
	return append(s.readSession(),
		"SET SESSION sql_quote_show_create = 1",
		"SET SESSION information_schema_stats_expiry = 0", // sizes decide how tables are cut
	)
}

// reader opens a session that reads definitions.
func (c *client) reader(ctx context.Context) (*sql.Conn, error) {
	conn, err := c.session(ctx, c.server.catalogSession()...)
	if err != nil {
		return nil, err
	}
	// A server may hide generated invisible primary keys, whose values would
	// then be lost. Servers before 8.0.30 have none and do not know it.
	if err := attempt(ctx, conn, "SET SESSION show_gipk_in_create_table_and_information_schema = ON"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// readSession holds what a session needs in order to read everything as it is
// stored, whatever the server's defaults are.
func (s *Server) readSession() []string {
	return []string{
		"SET NAMES utf8mb4",
		"SET SESSION character_set_results = NULL",
		"SET SESSION sql_mode = ''",
		"SET SESSION time_zone = '+00:00'",
		"SET SESSION sql_select_limit = 18446744073709551615", // a global limit would cut tables short
		"SET SESSION sql_big_selects = 1",
		"SET SESSION max_execution_time = 0",
		"SET SESSION net_read_timeout = 3600",
		"SET SESSION net_write_timeout = 3600",
		"SET SESSION wait_timeout = 86400",
		"SET SESSION completion_type = 0",
		"SET SESSION cte_max_recursion_depth = 4294967295", // JSON documents are walked by recursion
		"SET SESSION transaction_isolation = 'REPEATABLE-READ'",
		// Nobody waits for a reader that waits.
		fmt.Sprintf("SET SESSION lock_wait_timeout = %d", seconds(s.settings.idle()/2)),
	}
}

// catalog reads the definitions of schemas through one session.
type catalog struct {
	conn   *sql.Conn
	server *Server
}

// requireSchemas fails with the name of the first schema that does not exist.
func (c *catalog) requireSchemas(ctx context.Context, names []string) error {
	existing, err := c.schemas(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.Contains(existing, name) {
			return c.server.usage("dump", "schema %q does not exist, or account %q may not see it", name, c.server.settings.User).
				Hint("name an existing schema, or GRANT SELECT ON %s.* TO the account", quoteName(name))
		}
	}
	return nil
}

func (c *catalog) schemas(ctx context.Context) ([]string, error) {
	records, err := queryRecords(ctx, c.conn, "SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA")
	if err != nil {
		return nil, fmt.Errorf("list schemas: %w", err)
	}
	names := make([]string, len(records))
	for i, r := range records {
		names[i] = r.text("name")
	}
	return names, nil
}

// schema reads everything that is defined in one schema.
func (c *catalog) schema(ctx context.Context, name string) (*schemaDefinition, error) {
	// Views name the tables of their own schema without it only for whoever
	// has it selected; a schema that is restored under another name needs that.
	if _, err := c.conn.ExecContext(ctx, "USE "+quoteName(name)); err != nil {
		return nil, fmt.Errorf("select schema %q: %w", name, clean(err))
	}
	d := &schemaDefinition{Name: name}
	steps := []func(context.Context, *schemaDefinition) error{
		c.readSchema, c.readTables, c.readColumns, c.readMembers, c.readKeys, c.readHistograms, c.readViews, c.readRoutines, c.readTriggers, c.readEvents,
	}
	for _, step := range steps {
		if err := step(ctx, d); err != nil {
			return nil, fmt.Errorf("read definitions of schema %q: %w", name, err)
		}
	}
	return d, nil
}

func (c *catalog) readSchema(ctx context.Context, d *schemaDefinition) error {
	r, err := queryRecord(ctx, c.conn, "SELECT * FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = "+quoteText(d.Name))
	if err != nil {
		return err
	}
	d.CharacterSet = r.text("default_character_set_name")
	d.Collation = r.text("default_collation_name")
	d.Encrypted = r.text("default_encryption") == "YES"
	return nil
}

func (c *catalog) readTables(ctx context.Context, d *schemaDefinition) error {
	records, err := queryRecords(ctx, c.conn, "SELECT TABLE_NAME AS name, TABLE_TYPE AS type, ENGINE AS engine, TABLE_ROWS AS estimate,"+
		" DATA_LENGTH AS size, CREATE_TIME AS created, TABLE_COMMENT AS comment FROM information_schema.TABLES WHERE TABLE_SCHEMA = "+quoteText(d.Name)+" ORDER BY TABLE_NAME")
	if err != nil {
		return err
	}
	for _, r := range records {
		if r.text("type") == "VIEW" {
			broken := strings.Contains(r.text("comment"), "references invalid")
			d.Views = append(d.Views, object{Type: typeView, Name: r.text("name"), Broken: broken})
			continue
		}
		create, err := queryRecord(ctx, c.conn, "SHOW CREATE TABLE "+quoteName(r.text("name")))
		if err != nil {
			return fmt.Errorf("table %q: %w", r.text("name"), err)
		}
		d.Tables = append(d.Tables, table{
			Name: r.text("name"), Engine: r.text("engine"), Create: sqlText(create["create table"]),
			estimatedRows: r.number("estimate"), estimatedBytes: r.number("size"), created: r.text("created"),
		})
	}
	return nil
}

func (c *catalog) readColumns(ctx context.Context, d *schemaDefinition) error {
	records, err := queryRecords(ctx, c.conn, "SELECT TABLE_NAME AS tab, COLUMN_NAME AS name, DATA_TYPE AS type, COLUMN_TYPE AS declared, CHARACTER_SET_NAME AS charset, EXTRA AS extra"+
		" FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = "+quoteText(d.Name)+" ORDER BY TABLE_NAME, ORDINAL_POSITION")
	if err != nil {
		return err
	}
	tables := d.byName()
	for _, r := range records {
		t := tables[r.text("tab")]
		extra := r.text("extra")
		if t != nil && hidesMembers(r.text("type"), r.text("charset"), r.text("declared")) {
			t.hidden = append(t.hidden, r.text("name"))
		}
		if t == nil || strings.Contains(extra, "VIRTUAL GENERATED") || strings.Contains(extra, "STORED GENERATED") {
			continue // views; and what the server computes is neither read nor loaded nor digested
		}
		t.Columns = append(t.Columns, newColumn(r.text("name"), r.text("type"), r.text("declared"), r.text("charset")))
	}
	for i := range d.Tables {
		if len(d.Tables[i].Columns) == 0 {
			if _, err := queryRecords(ctx, c.conn, "SHOW CREATE TABLE "+quoteName(d.Tables[i].Name)); err != nil {
				return fmt.Errorf("table %q: %w", d.Tables[i].Name, err) // it is gone by now
			}
			return c.server.usage("dump", "table %q has no column that account %q may read", d.Name+"."+d.Tables[i].Name, c.server.settings.User).
				Hint("GRANT SELECT ON %s.* TO the account", quoteName(d.Name))
		}
	}
	return nil
}

// readKeys finds for each table the key by which it can be cut into ranges.
func (c *catalog) readKeys(ctx context.Context, d *schemaDefinition) error {
	records, err := queryRecords(ctx, c.conn, "SELECT TABLE_NAME AS tab, INDEX_NAME AS name, COLUMN_NAME AS col, SUB_PART AS part, NULLABLE AS nullable, IS_VISIBLE AS visible"+
		" FROM information_schema.STATISTICS WHERE NON_UNIQUE = 0 AND TABLE_SCHEMA = "+quoteText(d.Name)+
		" ORDER BY TABLE_NAME, INDEX_NAME = 'PRIMARY' DESC, INDEX_NAME, SEQ_IN_INDEX")
	if err != nil {
		return err
	}
	tables := d.byName()
	type index struct{ table, name string }
	var order []index
	parts := make(map[index][]record)
	for _, r := range records {
		at := index{r.text("tab"), r.text("name")}
		if parts[at] == nil {
			order = append(order, at)
		}
		parts[at] = append(parts[at], r)
	}
	for _, at := range order {
		// Only InnoDB keeps rows in the order of a key.
		if t := tables[at.table]; t != nil && t.Key == nil && t.Engine == engineInnoDB {
			t.Key = t.usableKey(at.name, parts[at])
		}
	}
	return nil
}

func (c *catalog) readViews(ctx context.Context, d *schemaDefinition) error {
	definers, err := c.definers(ctx, "VIEWS", "TABLE_NAME", "TABLE_SCHEMA", d.Name)
	if err != nil {
		return err
	}
	for i := range d.Views {
		view := &d.Views[i]
		if err := c.showCreate(ctx, view, "create view"); err != nil {
			return err
		}
		view.Definer = definers[view.Name]
	}
	return c.orderViews(ctx, d)
}

// orderViews puts each view behind those that it refers to.
func (c *catalog) orderViews(ctx context.Context, d *schemaDefinition) error {
	if len(d.Views) < 2 {
		return nil
	}
	is := quoteText(d.Name)
	records, err := queryRecords(ctx, c.conn, "SELECT VIEW_NAME AS name, TABLE_NAME AS needs FROM information_schema.VIEW_TABLE_USAGE WHERE VIEW_SCHEMA = "+is+" AND TABLE_SCHEMA = "+is)
	if err != nil {
		return err
	}
	needs := map[string][]string{}
	for _, r := range records {
		needs[r.text("name")] = append(needs[r.text("name")], r.text("needs"))
	}
	views := map[string]object{}
	for _, view := range d.Views {
		views[view.Name] = view
	}
	var ordered []object
	var visit func(name string)
	visit = func(name string) {
		view, open := views[name]
		if !open {
			return // a table, or a view that has its place
		}
		delete(views, name)
		for _, needed := range needs[name] {
			visit(needed)
		}
		ordered = append(ordered, view)
	}
	for _, view := range d.Views {
		visit(view.Name)
	}
	d.Views = ordered
	return nil
}

func (c *catalog) definers(ctx context.Context, from, name, schema, value string) (map[string]string, error) {
	records, err := queryRecords(ctx, c.conn, fmt.Sprintf("SELECT %s AS name, DEFINER AS definer FROM information_schema.%s WHERE %s = %s", name, from, schema, quoteText(value)))
	if err != nil {
		return nil, err
	}
	definers := make(map[string]string, len(records))
	for _, r := range records {
		definers[r.text("name")] = r.text("definer")
	}
	return definers, nil
}

func (c *catalog) readRoutines(ctx context.Context, d *schemaDefinition) error {
	records, err := queryRecords(ctx, c.conn, "SELECT ROUTINE_TYPE AS type, ROUTINE_NAME AS name, DEFINER AS definer, ROUTINE_COMMENT AS comment,"+
		" DTD_IDENTIFIER AS returns, DATA_TYPE AS kind, CHARACTER_SET_NAME AS charset FROM information_schema.ROUTINES"+
		" WHERE ROUTINE_SCHEMA = "+quoteText(d.Name)+" AND ROUTINE_TYPE IN ('PROCEDURE', 'FUNCTION') ORDER BY ROUTINE_TYPE, ROUTINE_NAME")
	if err != nil {
		return err
	}
	for _, r := range records {
		routine := object{Type: r.text("type"), Name: r.text("name"), Definer: r.text("definer")}
		if err := c.showCreate(ctx, &routine, "create "+strings.ToLower(routine.Type)); err != nil {
			return err
		}
		if err := c.settleHeader(ctx, &routine, header{r.text("comment"), r.text("returns")}); err != nil {
			return err
		}
		routine.hidden = hidesMembers(r.text("kind"), r.text("charset"), r.text("returns"))
		d.Routines = append(d.Routines, routine)
	}
	return nil
}

// readTriggers keeps the order in which triggers of the same kind fire.
func (c *catalog) readTriggers(ctx context.Context, d *schemaDefinition) error {
	records, err := queryRecords(ctx, c.conn, "SELECT TRIGGER_NAME AS name, EVENT_OBJECT_TABLE AS tab, DEFINER AS definer FROM information_schema.TRIGGERS"+
		" WHERE TRIGGER_SCHEMA = "+quoteText(d.Name)+" ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER")
	if err != nil {
		return err
	}
	for _, r := range records {
		trigger := object{Type: typeTrigger, Name: r.text("name"), Table: r.text("tab"), Definer: r.text("definer")}
		if err := c.showCreate(ctx, &trigger, "sql original statement"); err != nil {
			return err
		}
		if err := c.settleHeader(ctx, &trigger, header{}); err != nil {
			return err
		}
		d.Triggers = append(d.Triggers, trigger)
	}
	return nil
}

func (c *catalog) readEvents(ctx context.Context, d *schemaDefinition) error {
	records, err := queryRecords(ctx, c.conn, "SELECT EVENT_NAME AS name, DEFINER AS definer, EVENT_COMMENT AS comment FROM information_schema.EVENTS WHERE EVENT_SCHEMA = "+quoteText(d.Name)+" ORDER BY EVENT_NAME")
	if err != nil {
		return err
	}
	for _, r := range records {
		event := object{Type: typeEvent, Name: r.text("name"), Definer: r.text("definer")}
		if err := c.showCreate(ctx, &event, "create event"); err != nil {
			return err
		}
		if err := c.settleHeader(ctx, &event, header{comment: r.text("comment")}); err != nil {
			return err
		}
		d.Events = append(d.Events, event)
	}
	return nil
}

// showCreate fills in what SHOW CREATE says of an object.
func (c *catalog) showCreate(ctx context.Context, o *object, column string) error {
	r, err := queryRecord(ctx, c.conn, "SHOW CREATE "+o.Type+" "+quoteName(o.Name))
	if err != nil {
		return fmt.Errorf("%s %q: %w", strings.ToLower(o.Type), o.Name, err)
	}
	if !r.has(column) {
		return fault.New(fault.Usage, "read the definition of "+strings.ToLower(o.Type)+" "+quoteName(o.Name)+" on", "account %q may not see it", c.server.settings.User).
			On(c.server.target()).Hint("GRANT SHOW_ROUTINE ON *.* TO the account")
	}
	o.Create = sqlText(r[column])
	o.SQLMode = r.text("sql_mode")
	o.CharacterSet = r.text("character_set_client")
	o.Collation = r.text("collation_connection")
	o.SchemaCollation = r.text("database collation")
	o.TimeZone = r.text("time_zone")
	return nil
}
