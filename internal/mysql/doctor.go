package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/source"
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
	findings []source.Finding
}

func (e *examination) add(check string, severity source.Severity, evidence, remedy string) {
	e.findings = append(e.findings, source.Finding{Check: check, Severity: severity, Evidence: evidence, Remedy: remedy})
}

func (e *examination) ok(check, format string, args ...any) {
	e.add(check, source.OK, fmt.Sprintf(format, args...), "")
}

func (e *examination) run(ctx context.Context) error {
	e.examineBinlog()
	e.examineLocalInfile()
	if err := e.examinePrivileges(ctx); err != nil {
		return err
	}
	if err := e.examineReplica(ctx); err != nil {
		return err
	}
	return e.examineSchemas(ctx)
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
		fmt.Sprintf("SET PERSIST local_infile = ON; or GRANT SYSTEM_VARIABLES_ADMIN ON *.* TO %s@…;", quoteText(e.client.server.settings.User)))
}

// examinePrivileges asks for what a dump cannot do without, and for what
// makes it better.
func (e *examination) examinePrivileges(ctx context.Context) error {
	held, err := askPrivileges(ctx, e.client)
	if err != nil {
		return err
	}
	settings := e.client.server.settings
	lacking := held.forSettings(&settings)
	for _, m := range lacking {
		e.add("mysql.privileges", source.Error, fmt.Sprintf("account %q lacks %s on %s: %s", settings.User, m.privilege, m.on, m.why), m.remedy(settings.User))
	}
	if len(lacking) == 0 {
		e.ok("mysql.privileges", "account %q may read everything in %s", settings.User, strings.Join(settings.Schemas, ", "))
	}
	if settings.Accounts == NoAccounts {
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
		if !held.anywhere(useful.anyOf...) {
			m := missing{privilege: useful.anyOf[0], on: "*.*"}
			e.add("mysql.privileges", source.Warning, fmt.Sprintf("account %q lacks %s: %s", settings.User, m.privilege, useful.why), m.grant(settings.User))
		}
	}
	return nil
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

func (e *examination) examineSchemas(ctx context.Context) error {
	records, err := queryRecords(ctx, e.client, "SELECT TABLE_SCHEMA AS tab, TABLE_NAME AS name, ENGINE AS engine FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE'")
	if err != nil {
		return err
	}
	schemas, err := queryRecords(ctx, e.client, "SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA")
	if err != nil {
		return err
	}
	for _, name := range e.client.server.settings.Schemas {
		if !slices.ContainsFunc(schemas, func(r record) bool { return r.text("name") == name }) {
			e.add("mysql.schema", source.Error, fmt.Sprintf("schema %q does not exist, or the account may not see it", name), "correct schemas in the configuration")
			continue
		}
		tables, others := 0, 0
		for _, r := range records {
			if r.text("tab") != name {
				continue
			}
			tables++
			if r.text("engine") != engineInnoDB {
				others++
			}
		}
		e.ok("mysql.schema", "schema %q has %d tables", name, tables)
		if others > 0 {
			e.add("mysql.engine", source.Warning, fmt.Sprintf("%d tables of schema %q are not InnoDB: no snapshot covers them", others, name),
				"ALTER TABLE … ENGINE = InnoDB, or accept that their rows may be of a slightly later moment")
		}
	}
	return nil
}
