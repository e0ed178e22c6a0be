package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

// Examine looks at the server as a dump and a restore would find it.
func (s *Server) Examine(ctx context.Context) []source.Finding {
	client, err := s.open(ctx, dumpIdle)
	if err != nil {
		return []source.Finding{{Check: "mysql.reachable", Severity: source.Error, Evidence: err.Error(), Remedy: "see the evidence"}}
	}
	e := &examination{client: client}
	e.ok("mysql.reachable", "%s answers, version %s", s.target(), client.facts.version)
	if err := e.run(ctx); err != nil {
		e.add("mysql.examined", source.Error, fmt.Sprintf("%s: %v", s.target(), err), "run doctor again when the server answers")
	}
	if err := client.Close(); err != nil {
		e.add("mysql.examined", source.Warning, err.Error(), "none: nothing was changed")
	}
	return e.findings
}

// examination gathers findings.
type examination struct {
	client   *client
	held     *privileges
	findings []source.Finding
}

func (e *examination) add(check string, severity source.Severity, evidence, remedy string) {
	e.findings = append(e.findings, source.Finding{Check: check, Severity: severity, Evidence: evidence, Remedy: remedy})
}

func (e *examination) ok(check, format string, args ...any) {
	e.add(check, source.OK, fmt.Sprintf(format, args...), "")
}

func (e *examination) run(ctx context.Context) error {
	held, err := askPrivileges(ctx, e.client)
	if err != nil {
		return err
	}
	e.held = held
	if err := e.examineReplica(ctx); err != nil {
		return err
	}
	e.examineVersion()
	if err := e.examineTLS(ctx); err != nil {
		return err
	}
	e.examineBinlog()
	e.examineLocalInfile()
	return e.examineSchemas(ctx)
}

// examineVersion says what is known of this version by having run on it.
func (e *examination) examineVersion() {
	version := e.client.facts.version
	if strings.HasPrefix(version, ranOn+".") {
		e.ok("mysql.version", "openim-dr is tested on MySQL %s", ranOn)
		return
	}
	e.add("mysql.version", source.Warning, fmt.Sprintf("openim-dr was run on MySQL %s; what it says to version %s is tested at the protocol level only", ranOn, version),
		"restore a point into a scratch server of this version, and see the comparison end well")
}

func (e *examination) examineTLS(ctx context.Context) error {
	r, err := queryRecord(ctx, e.client, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")
	if err != nil {
		return err
	}
	settings := e.client.server.settings
	_, socket := settings.socket()
	switch cipher := r.text("value"); {
	case cipher == "" && socket:
		e.ok("mysql.tls", "the connection is a socket, and needs no TLS")
	case cipher == "":
		e.add("mysql.tls", source.Warning, "the connection is not encrypted: whoever sees the network sees the data", "set tls: "+string(tlsmode.VerifyIdentity)+", and give the server a certificate")
	case settings.tlsMode() == tlsmode.Preferred || settings.tlsMode() == tlsmode.Required:
		e.ok("mysql.tls", "the connection is encrypted with %s, and the server's certificate is not verified (tls is %s)", cipher, settings.tlsMode())
	default:
		e.ok("mysql.tls", "the connection is encrypted with %s, and the server's certificate is verified", cipher)
	}
	return nil
}

func (e *examination) examineBinlog() {
	switch f := e.client.facts; {
	case !f.logBin:
		e.add("mysql.binlog", source.Warning, "the server keeps no binary log", "set log_bin, so that a dump knows where it stands and changes after it can be replayed")
	case f.gtidMode != "ON":
		e.ok("mysql.binlog", "the binary log is on; gtid_mode is %s", f.gtidMode)
	default:
		e.ok("mysql.binlog", "the binary log is on, with GTIDs")
	}
}

func (e *examination) examineLocalInfile() {
	if e.client.facts.localInfile {
		e.ok("mysql.local-infile", "local_infile is ON")
		return
	}
	e.add("mysql.local-infile", source.Warning, "local_infile is OFF: a restore into this server switches it on while it runs, or, without the right to, uses INSERT, which is slower",
		"SET PERSIST local_infile = ON; or GRANT SYSTEM_VARIABLES_ADMIN ON *.* TO "+e.held.account+";")
}

// examinePrivileges asks for what a dump cannot do without, and for what
// makes it better.
func (e *examination) examinePrivileges(choose *selection, schemas []string) {
	need := &requirement{held: e.held}
	need.forDump(&e.client.server.settings, choose, schemas)
	for _, m := range need.lacking {
		e.add("mysql.privileges", source.Error, m.lacks(e.held.account), m.remedy(e.held.account))
	}
	if len(need.lacking) == 0 {
		e.ok("mysql.privileges", "account %s may read everything in %s", e.held.account, strings.Join(schemas, ", "))
	}
	if e.held.idle {
		e.add("mysql.privileges", source.Warning, "account "+e.held.account+" has been granted roles that are not active", "SET DEFAULT ROLE ALL TO "+e.held.account+";")
	}
	if e.client.server.settings.Accounts == NoAccounts {
		e.add("mysql.accounts", source.Warning, "users, roles and grants are not captured, as the settings say", "leave accounts: none out, unless they are kept in another way")
	}
	for _, useful := range []struct {
		anyOf []string
		why   string
	}{
		{[]string{"RELOAD", "FLUSH_TABLES"}, "without it the snapshots of several workers are aligned by table locks, or one worker reads alone"},
		{[]string{"REPLICATION CLIENT", "SUPER"}, "without it the point does not record the position of the binary log"},
		{[]string{"BACKUP_ADMIN"}, "without it a change of a definition is not held off, but fails the dump"},
		{[]string{"PROCESS"}, "without it the dump does not see who waits for it, so that it takes neither the global lock nor the backup lock, and tables that swap names or partitions during a dump may go unnoticed"},
	} {
		if !e.held.anywhere(useful.anyOf...) {
			m := missing{privilege: useful.anyOf[0], on: "*.*", why: useful.why}
			e.add("mysql.privileges", source.Warning, m.lacks(e.held.account), m.grant(e.held.account))
		}
	}
}

// examineReplica says how far a replica is behind what it is to be a backup of.
func (e *examination) examineReplica(ctx context.Context) error {
	channels, err := replicas(ctx, e.client)
	if err != nil {
		return err
	}
	for i := range channels {
		r := &channels[i]
		name := "this server is a replica"
		if r.Channel != "" {
			name += fmt.Sprintf(" (channel %q)", r.Channel)
		}
		switch {
		case r.stopped():
			e.add("mysql.replica", source.Error, fmt.Sprintf("%s that does not follow its source: receiving %t, applying %t, last error %d", name, r.receives, r.applies, r.errno),
				"look at SHOW REPLICA STATUS, and START REPLICA; until then a dump holds an old state")
		case r.lag < 0:
			e.add("mysql.replica", source.Warning, name+" that does not know how far it is behind", "look at SHOW REPLICA STATUS")
		case r.lag > tolerableLag:
			e.add("mysql.replica", source.Warning, fmt.Sprintf("%s that is %d seconds behind its source", name, r.lag), "a dump holds the state of that time: wait, or dump another server")
		default:
			e.ok("mysql.replica", "%s, %d seconds behind its source", name, r.lag)
		}
	}
	return nil
}

// examineSchemas looks at what the settings choose, pattern by pattern.
func (e *examination) examineSchemas(ctx context.Context) error {
	choose, err := e.client.server.settings.selection(e.client.facts.lowerCaseTableNames != 0)
	if err != nil {
		return err
	}
	records, err := queryRecords(ctx, e.client, "SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME")
	if err != nil {
		return err
	}
	var names []string
	for _, r := range records {
		if choose.schema(r.text("name")) {
			names = append(names, r.text("name"))
		}
	}
	for _, p := range choose.schemas {
		if !slices.ContainsFunc(names, p.matches) {
			e.add("mysql.schema", source.Error, fmt.Sprintf("no schema %q is there to be captured, or the account may not see it", p.text), "correct schemas in the configuration")
		}
	}
	e.examinePrivileges(choose, names)
	return e.examineTables(ctx, choose, names)
}

func (e *examination) examineTables(ctx context.Context, choose *selection, schemas []string) error {
	records, err := queryRecords(ctx, e.client, "SELECT TABLE_SCHEMA AS place, TABLE_NAME AS name, TABLE_TYPE AS type, ENGINE AS engine FROM information_schema.TABLES")
	if err != nil {
		return err
	}
	for _, p := range choose.exclude {
		if !slices.ContainsFunc(records, func(r record) bool { return p.matches(r.text("place"), r.text("name")) }) {
			e.add("mysql.selection", source.Warning, fmt.Sprintf("tables.exclude: %q leaves nothing out", p.text), "correct the pattern, or take it away")
		}
	}
	for _, schema := range schemas {
		tables, others, leftOut := 0, 0, 0
		for _, r := range records {
			switch {
			case r.text("place") != schema:
			case !choose.table(schema, r.text("name")):
				leftOut++
			case r.text("type") == "BASE TABLE":
				tables++
				if r.text("engine") != engineInnoDB {
					others++
				}
			}
		}
		e.ok("mysql.schema", "schema %q has %s", schema, quantity.Count(tables, "table", "tables"))
		if leftOut > 0 {
			e.ok("mysql.selection", "schema %q: %s left out, as configured", schema, quantity.Count(leftOut, "table or view is", "tables and views are"))
		}
		if others > 0 {
			e.add("mysql.engine", source.Warning, fmt.Sprintf("schema %q: %s not InnoDB, and covered by no snapshot", schema, quantity.Count(others, "table is", "tables are")),
				"ALTER TABLE … ENGINE = InnoDB, or accept that their rows may be of a slightly later moment")
		}
	}
	return nil
}
