package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// surroundings are what a restore finds at the target, beyond what every client
// asks: what the server can do, whom it follows, and who follows it.
type surroundings struct {
	variables  map[string]string
	charsets   map[string]bool
	collations map[string]bool
	engines    map[string]bool
	plugins    map[string]bool // that are active
	keyring    knowledge       // asked only where something is encrypted
	redoLog    string          // "ON", "OFF", or "" before 8.0.21
	sources    []replica       // whom it follows; none where the account may not ask
	group      *membership     // nil: it is in no group that replicates
	grouped    bool            // it may be in one, and the account may not ask
	ahead      time.Duration   // the server's clock, of ours
	readers    int             // replicas and archivers of the binary log
	unseen     bool            // whether there are readers is not known
}

// knowledge is an answer to a question that may not be asked.
type knowledge int

const (
	unknown knowledge = iota
	no
	yes
)

// membership is what a server is in a group that replicates.
type membership struct {
	state, role string
	members     int64
}

// follows reports whether the member takes what another one writes.
func (m *membership) follows() bool { return m != nil && m.role != "PRIMARY" }

// follows reports whether the server takes what another one writes.
func (f *surroundings) follows() bool { return len(f.sources) > 0 || f.group.follows() }

// surveyedVariables are those of the target that decide whether a restore can
// end well, beside the recorded ones.
var surveyedVariables = []string{
	"innodb_read_only", "innodb_force_recovery", "disabled_storage_engines", "table_encryption_privilege_check", "default_table_encryption",
	"datadir", "max_heap_table_size", "group_replication_transaction_size_limit", "group_replication_group_name",
}

// survey decides what everything is called at the target, and looks at it.
func (c *client) survey(ctx context.Context, r *restoration) error {
	err := c.settleNames(ctx, r)
	if err == nil {
		err = c.lookAround(ctx, r)
	}
	if _, clear := fault.Outermost(err); err == nil || clear {
		return err // a fault says itself what was being done, and to what
	}
	return fmt.Errorf("look at %s: %w", c.server.target(), err)
}

func (c *client) lookAround(ctx context.Context, r *restoration) error {
	conn, err := c.session(ctx, c.server.readSession()...)
	if err != nil {
		return err
	}
	defer release(conn)
	found := new(surroundings)
	for _, ask := range []func(context.Context, *sql.Conn) error{
		found.askVariables, found.askCharacterSets, found.askEngines, found.askRedoLog, found.askReplication, found.askClock,
	} {
		if err := ask(ctx, conn); err != nil {
			return err
		}
	}
	if len(r.encrypted()) > 0 {
		if err := found.askKeyring(ctx, conn); err != nil {
			return err
		}
	}
	r.target = found
	return nil
}

func (f *surroundings) askVariables(ctx context.Context, conn *sql.Conn) error {
	records, err := queryRecords(ctx, conn, "SHOW GLOBAL VARIABLES WHERE Variable_name IN ("+quoteTexts(surveyedVariables)+")")
	if err != nil {
		return err
	}
	f.variables = make(map[string]string, len(records))
	for _, r := range records {
		f.variables[r.text("variable_name")] = r.text("value")
	}
	return nil
}

func (f *surroundings) askCharacterSets(ctx context.Context, conn *sql.Conn) error {
	records, err := queryRecords(ctx, conn, "SELECT COLLATION_NAME AS name, CHARACTER_SET_NAME AS charset FROM information_schema.COLLATIONS")
	if err != nil {
		return err
	}
	f.charsets, f.collations = map[string]bool{}, map[string]bool{}
	for _, r := range records {
		f.charsets[modern(r.text("charset"))] = true
		f.collations[modern(r.text("name"))] = true
	}
	return nil
}

// askEngines also asks for plugins: engines are some of them.
func (f *surroundings) askEngines(ctx context.Context, conn *sql.Conn) error {
	records, err := queryRecords(ctx, conn, "SELECT ENGINE AS name, SUPPORT AS support FROM information_schema.ENGINES")
	if err != nil {
		return err
	}
	f.engines = map[string]bool{}
	for _, r := range records {
		f.engines[strings.ToLower(r.text("name"))] = r.text("support") == "YES" || r.text("support") == "DEFAULT"
	}
	for name := range strings.SplitSeq(f.variables["disabled_storage_engines"], ",") {
		delete(f.engines, strings.ToLower(strings.TrimSpace(name)))
	}
	if records, err = queryRecords(ctx, conn, "SELECT PLUGIN_NAME AS name FROM information_schema.PLUGINS WHERE PLUGIN_STATUS = 'ACTIVE'"); err != nil {
		return err
	}
	f.plugins = map[string]bool{}
	for _, r := range records {
		f.plugins[strings.ToLower(r.text("name"))] = true
	}
	return nil
}

// askKeyring asks whether anything is there that keeps keys. Components came
// with 8.0.24, beside the plugins of that name.
func (f *surroundings) askKeyring(ctx context.Context, conn *sql.Conn) error {
	for name := range f.plugins {
		if strings.HasPrefix(name, "keyring_") && name != "keyring_udf" {
			f.keyring = yes
			return nil
		}
	}
	records, err := queryRecords(ctx, conn, "SELECT STATUS_KEY AS name, STATUS_VALUE AS value FROM performance_schema.keyring_component_status")
	switch {
	case isDenied(err):
		return nil
	case isServer(err, erNoSuchTable):
		f.keyring = no
		return nil
	case err != nil:
		return err
	}
	f.keyring = no
	if slices.ContainsFunc(records, func(r record) bool { return r.text("name") == "Component_status" && r.text("value") == "Active" }) {
		f.keyring = yes
	}
	return nil
}

func (f *surroundings) askRedoLog(ctx context.Context, conn *sql.Conn) error {
	records, err := queryRecords(ctx, conn, "SHOW GLOBAL STATUS LIKE 'Innodb_redo_log_enabled'")
	if err == nil && len(records) == 1 {
		f.redoLog = records[0].text("value")
	}
	return err
}

func (f *surroundings) askReplication(ctx context.Context, conn *sql.Conn) (err error) {
	if f.sources, err = replicas(ctx, conn); err != nil {
		return err
	}
	// A group has channels of its own.
	f.sources = slices.DeleteFunc(f.sources, func(r replica) bool { return strings.HasPrefix(r.Channel, "group_replication_") })
	records, err := queryRecords(ctx, conn, "SELECT MEMBER_STATE AS state, MEMBER_ROLE AS role,"+
		" (SELECT COUNT(*) FROM performance_schema.replication_group_members) AS members"+
		" FROM performance_schema.replication_group_members WHERE MEMBER_ID = @@GLOBAL.server_uuid AND MEMBER_STATE <> 'OFFLINE'")
	if isDenied(err) {
		f.grouped = f.variables["group_replication_group_name"] != ""
		return nil
	}
	if isServer(err, erNoSuchTable, erBadField) {
		return nil
	}
	if err == nil && len(records) == 1 {
		f.group = &membership{records[0].text("state"), records[0].text("role"), records[0].number("members")}
	}
	return err
}

// askClock compares the server's clock with ours, as it was in the middle of
// the question.
func (f *surroundings) askClock(ctx context.Context, conn *sql.Conn) error {
	asked := time.Now()
	r, err := queryRecord(ctx, conn, "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED) AS moment") // the session is in UTC
	if err != nil {
		return fmt.Errorf("ask for the time: %w", err)
	}
	middle := asked.Add(time.Since(asked) / 2)
	f.ahead = time.UnixMicro(r.number("moment")).Sub(middle)
	return nil
}
