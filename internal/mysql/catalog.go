package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
	choose *selection // nil: everything
	// only restricts it to these tables, without other objects; nil: all.
	only map[string]*table
}

// takes reports whether a table or view is read.
func (c *catalog) takes(schema, name string) bool {
	if c.only != nil && c.only[name] == nil {
		return false
	}
	return c.choose == nil || c.choose.table(schema, name)
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
	steps := []func(context.Context, *schemaDefinition) error{c.readSchema, c.readTables, c.readColumns, c.readMembers, c.readKeys, c.readHistograms}
	if c.only == nil {
		steps = append(steps, c.readViews, c.readRoutines, c.readTriggers, c.readEvents)
	}
	for _, step := range steps {
		err := step(ctx, d)
		if _, clear := fault.Outermost(err); clear {
			return nil, err // a fault says itself what was being done, and to what
		}
		if err != nil {
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
		" DATA_LENGTH AS size, DATA_LENGTH + INDEX_LENGTH AS footprint, CREATE_TIME AS created, TABLE_COMMENT AS comment FROM information_schema.TABLES WHERE TABLE_SCHEMA = "+quoteText(d.Name)+
		" AND TABLE_NAME <> "+quoteText(markTable)+" ORDER BY TABLE_NAME")
	if err != nil {
		return err
	}
	for _, r := range records {
		if !c.takes(d.Name, r.text("name")) {
			d.LeftOut = append(d.LeftOut, r.text("name"))
			continue
		}
		if r.text("type") == "VIEW" {
			broken := strings.Contains(r.text("comment"), "references invalid")
			d.Views = append(d.Views, object{Type: typeView, Name: r.text("name"), Broken: broken})
			continue
		}
		create, err := queryRecord(ctx, c.conn, "SHOW CREATE TABLE "+quoteName(r.text("name")))
		if err != nil {
			return fmt.Errorf("table %q: %w", r.text("name"), err)
		}
		t := table{
			Name: r.text("name"), Engine: r.text("engine"), Create: sqlText(create["create table"]),
			estimatedRows: r.number("estimate"), estimatedBytes: r.number("size"), created: r.text("created"),
			Stored: r.number("footprint"),
		}
		if c.choose != nil {
			if err := c.choose.apply(d.Name, &t); err != nil {
				return c.server.unfit(err)
			}
		}
		d.Tables = append(d.Tables, t)
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
				Hint("%s", missing{privilege: "SELECT", on: quoteName(d.Name) + "." + quoteName(d.Tables[i].Name)}.grant(grantee(ctx, c.conn)))
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
		if t := tables[at.table]; t != nil {
			t.offerKey(at.name, parts[at])
		}
	}
	for i := range d.Tables {
		if t := &d.Tables[i]; t.keyIndex != "" && t.Key == nil {
			return c.server.impossibleKey(d.Name, t)
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
		if err := c.showCreate(ctx, d.Name, view, "create view"); err != nil {
			return err
		}
		view.Definer = definers[view.Name]
	}
	if len(d.Views) == 0 {
		return nil
	}
	usage, err := c.viewUsage(ctx, d)
	if err != nil {
		return err
	}
	d.orderViews(usage)
	c.markBroken(d, usage)
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
		if err := c.showCreate(ctx, d.Name, &routine, "create "+strings.ToLower(routine.Type)); err != nil {
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
	tables := d.byName()
	for _, r := range records {
		if tables[r.text("tab")] == nil {
			continue // left out with its table
		}
		trigger := object{Type: typeTrigger, Name: r.text("name"), Table: r.text("tab"), Definer: r.text("definer")}
		if err := c.showCreate(ctx, d.Name, &trigger, "sql original statement"); err != nil {
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
		if err := c.showCreate(ctx, d.Name, &event, "create event"); err != nil {
			return err
		}
		if err := c.settleHeader(ctx, &event, header{comment: r.text("comment")}); err != nil {
			return err
		}
		d.Events = append(d.Events, event)
	}
	return nil
}

// unseen is about an object whose definition the account may not see.
func (c *catalog) unseen(o *object) *fault.Error {
	return c.server.usage("read the definition of "+strings.ToLower(o.Type)+" "+quoteName(o.Name)+" on", "account %q may not see it", c.server.settings.User)
}

// showCreate fills in what SHOW CREATE says of an object.
func (c *catalog) showCreate(ctx context.Context, schema string, o *object, column string) error {
	r, err := queryRecord(ctx, c.conn, "SHOW CREATE "+o.Type+" "+quoteName(o.Name))
	if o.Type == typeView && isDenied(err) {
		return c.unseen(o).Hint("%s", missing{privilege: "SELECT, SHOW VIEW", on: quoteName(schema) + "." + quoteName(o.Name)}.grant(grantee(ctx, c.conn)))
	}
	if err != nil {
		return fmt.Errorf("%s %q: %w", strings.ToLower(o.Type), o.Name, err)
	}
	if !r.has(column) {
		return c.unseen(o).Hint("%s (before MySQL 8.0.20: SELECT)", missing{privilege: "SHOW_ROUTINE", on: "*.*"}.grant(grantee(ctx, c.conn)))
	}
	o.Create = sqlText(r[column])
	o.SQLMode = r.text("sql_mode")
	o.CharacterSet = r.text("character_set_client")
	o.Collation = r.text("collation_connection")
	o.SchemaCollation = r.text("database collation")
	o.TimeZone = r.text("time_zone")
	return nil
}
