package mysql

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/source"
)

// tolerableSkew is how far the clock of a target may be from ours.
const tolerableSkew = 5 * time.Minute

// examinePlan says what was looked at before anything is touched, and refuses
// what an operator had better know first. What the target cannot do at all has
// ended the plan before.
func (c *client) examinePlan(ctx context.Context, r *restoration, plan *source.Plan) error {
	e := &planExamination{client: c, r: r, plan: plan}
	e.say("server", true, "%s answers, version %s, %s", c.server.target(), c.facts.version, c.facts.comment)
	e.version()
	e.say("privileges", true, "the account may do all that the restore takes")
	e.replication()
	e.readOnly()
	e.binlog()
	e.say("character-sets", true, "the target knows every character set and collation of the point")
	e.engines()
	e.names()
	e.sqlMode()
	e.packets()
	e.pages()
	e.definers()
	e.events()
	e.loading()
	e.redoLog()
	e.clock()
	e.space()
	return e.sessions(ctx)
}

// planExamination gathers the checks of a plan.
type planExamination struct {
	client *client
	r      *restoration
	plan   *source.Plan
}

func (e *planExamination) say(check string, ok bool, format string, args ...any) {
	e.plan.Checks = append(e.plan.Checks, source.Check{Check: check, OK: ok, Detail: fmt.Sprintf(format, args...)})
}

// refuse adds a check that failed, and what it keeps from beginning.
func (e *planExamination) refuse(check, code, why, try string) {
	e.say(check, false, "%s", why)
	e.plan.Refusals = append(e.plan.Refusals, source.Refusal{Code: code, Target: "mysql/" + e.client.server.settings.Address, Why: why, Try: try})
}

// version compares the server that was captured with the target: what is new in
// a series is not understood by the one before.
func (e *planExamination) version() {
	was, is := e.r.recorded.Version, e.client.facts.version
	switch newer, known := compareVersions(was, is); {
	case !known:
		e.say("version", false, "the point is of version %s, and which of the two is newer is not known", was)
	case newer >= len(versionWords):
		e.say("version", true, "the point is of version %s, which is no newer", was)
	case newer == 2: // of the same series
		e.say("version", false, "the point is of version %s, a later release of the same series: what came in between is refused when it is created", was)
	default:
		e.refuse("version", source.Downgrade, fmt.Sprintf("the point is of MySQL %s, and the target is of the older series %s", was, series(is)),
			fmt.Sprintf("restore into MySQL %s or later; or, if nothing in the point is newer than the target: --allow %s", series(was), source.Downgrade))
	}
}

// replication refuses a server that takes what another one writes: what is
// restored into it is in no other server, and soon not in this one.
func (e *planExamination) replication() {
	target := e.r.target
	const alone = "; or, if this server is to stand alone from now on: --allow " + source.Replica
	switch {
	case target.group.follows():
		e.refuse("replica", source.Replica, fmt.Sprintf("it is a member of a group that replicates, %s and %s, and takes what the primary writes", target.group.role, target.group.state),
			"restore into the primary of the group"+alone)
	case len(target.sources) > 0:
		e.refuse("replica", source.Replica, fmt.Sprintf("it is a replica of %s: what is restored into it is not in its source, and what comes from there may no longer fit", target.sources[0].source),
			"restore into "+target.sources[0].source+alone+" (after STOP REPLICA and RESET REPLICA ALL)")
	case target.group != nil:
		e.say("replica", true, "the target is the primary of a group of %d members", target.group.members)
	case target.grouped:
		e.say("replica", false, "which member of its group the target is is not known: the account may not read performance_schema")
	case !e.r.held.anywhere("REPLICATION CLIENT", "SUPER"):
		e.say("replica", false, "whether the target is a replica is not known: the account lacks REPLICATION CLIENT")
	default:
		e.say("replica", true, "the target is no replica")
	}
}

// readOnly says whether the server takes anything. Where it is a replica, that
// comes first, and this would still be in the way.
func (e *planExamination) readOnly() {
	variables := e.client.facts.variables
	switch {
	case e.client.readOnly(e.r.held):
		e.refuse("read-only", "read-only", fmt.Sprintf("it is read-only: super_read_only is %s, read_only is %s", variables["super_read_only"], variables["read_only"]),
			"SET GLOBAL super_read_only = OFF, read_only = OFF; once it is to stand alone")
	case variables["read_only"] == "ON":
		e.say("read-only", true, "read_only is ON, which does not bind the account")
	default:
		e.say("read-only", true, "read_only is OFF")
	}
}

// binlog says where the restore goes on to, and what is to be done there.
func (e *planExamination) binlog() {
	facts, target := e.client.facts, e.r.target
	if !facts.logBin {
		e.say("binlog", true, "the target keeps no binary log, and has no replicas")
		return
	}
	readers := quantity.Count(target.readers, "replica or archiver reads it", "replicas or archivers read it")
	if target.unseen {
		readers = "who reads it is not known, since the account lacks REPLICATION SLAVE, PROCESS or the right to read performance_schema"
	}
	goes := "the restore goes into it"
	if e.r.binlogOff {
		goes = "the restore does not go into it"
	}
	e.say("binlog", true, "the binary log is on, gtid_mode is %s, %s: %s", facts.gtidMode, readers, goes)
	switch {
	case e.r.binlogOff && target.readers > 0:
		e.say("replicas", false, "replicas will lack what is restored: afterwards make each anew from the target (CLONE INSTANCE), or restore the same point into each")
	case e.r.binlogOff:
		e.say("replicas", true, "none is connected; make one that comes later from a copy of the target (CLONE INSTANCE), since its binary log will not have all")
	default:
		e.say("replicas", true, "they get the restore by the binary log: afterwards wait until each has caught up (SHOW REPLICA STATUS) before it is read")
	}
}

// engines says what the tables are kept in.
func (e *planExamination) engines() {
	bytes := map[string]int64{}
	large := ""
	limit := parseInt(e.r.target.variables["max_heap_table_size"])
	for _, schema := range e.r.schemas {
		for i := range schema.Tables {
			t := &schema.Tables[i]
			bytes[t.Engine] += t.Total.Bytes
			if t.Engine == "MEMORY" && limit > 0 && t.Total.Bytes > limit {
				large = schema.Name + "." + t.inPoint()
			}
		}
	}
	delete(bytes, "")
	switch names := slices.Sorted(maps.Keys(bytes)); {
	case large != "":
		e.say("engines", false, "table %s is of MEMORY, and may be larger than the target's max_heap_table_size of %s", large, bytesOf(limit))
	case len(names) > 0:
		e.say("engines", true, "the target has every storage engine of the point: %s", strings.Join(names, ", "))
	}
	if encrypted := e.r.encrypted(); len(encrypted) > 0 {
		e.say("keyring", e.r.target.keyring == yes, "%s encrypted, and %s", quantity.Count(len(encrypted), "table is", "tables are"), map[knowledge]string{
			yes: "the target has a keyring", unknown: "whether the target has a keyring is not known, since the account may not read performance_schema",
		}[e.r.target.keyring])
	}
	if e.r.target.variables["default_table_encryption"] == "ON" && slices.ContainsFunc(e.r.schemas, func(p *schemaPlan) bool { return !p.Encrypted }) {
		e.say("encryption", false, "default_table_encryption of the target is ON: what was not encrypted comes back encrypted, and the comparison names it")
	}
}

// names compares how the two servers look names up.
func (e *planExamination) names() {
	was, is := parseInt(e.r.recorded.Variables["lower_case_table_names"]), e.client.facts.lowerCaseTableNames
	switch {
	case was == is:
		e.say("names", true, "lower_case_table_names is %d, as at the source", is)
	case e.r.lowered:
		e.say("names", false, "lower_case_table_names is %d at the target and was %d at the source: schemas, tables and views come back with names in lower case; no two of them become one", is, was)
	case is == namesAsGiven:
		e.say("names", false, "lower_case_table_names is %d at the target and was %d at the source: routines, triggers, events and programs that spell a name in another case than it is kept no longer find it", is, was)
	default:
		e.say("names", true, "lower_case_table_names is %d at the target and was %d at the source; no two names become one", is, was)
	}
}

// sqlMode decides nothing in a restore, and much in the programs behind it.
func (e *planExamination) sqlMode() {
	flags := func(mode string) []string {
		return slices.DeleteFunc(strings.Split(mode, ","), func(flag string) bool { return flag == "" })
	}
	was, is := flags(e.r.recorded.Variables["sql_mode"]), flags(e.client.facts.variables["sql_mode"])
	var differ []string
	for _, flag := range was {
		if !slices.Contains(is, flag) {
			differ = append(differ, "without "+flag)
		}
	}
	for _, flag := range is {
		if !slices.Contains(was, flag) {
			differ = append(differ, "with "+flag)
		}
	}
	if len(differ) == 0 {
		e.say("sql-mode", true, "sql_mode is that of the source")
		return
	}
	e.say("sql-mode", false, "sql_mode of the target is another than at the source, %s: what is restored does not depend on it, programs may", strings.Join(differ, ", "))
}

func (e *planExamination) packets() {
	if smaller := e.client.warnOfPackets(e.r.recorded); len(smaller) > 0 {
		e.say("packets", false, "%s", smaller[0])
		return
	}
	e.say("packets", true, "max_allowed_packet is %s, no less than at the source", bytesOf(e.client.facts.maxAllowedPacket))
}

func (e *planExamination) pages() {
	was, is := parseInt(e.r.recorded.Variables["innodb_page_size"]), parseInt(e.client.facts.variables["innodb_page_size"])
	if is < was {
		e.say("page-size", false, "innodb_page_size is %s and was %s at the source: tables with long rows or long keys are refused when they are created", bytesOf(is), bytesOf(was))
		return
	}
	e.say("page-size", true, "innodb_page_size is %s, no less than at the source", bytesOf(is))
}

// definers counts what the settings decide: the deviations name it.
func (e *planExamination) definers() {
	orphans, changed := 0, 0
	for _, schema := range e.r.schemas {
		for _, o := range schema.objects() {
			orphans += int(one(o.orphan))
		}
	}
	for _, d := range e.r.deviations {
		changed += int(one(d.What == "definer" || d.What == "left out" && strings.Contains(d.Why, "its definer ")))
	}
	switch {
	case !e.r.hasObjects() && changed == 0:
	case e.r.definersUnseen:
		e.say("definers", false, "whether every definer exists at the target is not known: the account may not read mysql.user")
	case orphans+changed > 0:
		e.say("definers", false, "the target lacks definers: %s when used, %s", quantity.Count(orphans, "object keeps its own and fails", "objects keep theirs and fail"),
			quantity.Count(changed, "gets another or is left out", "get another or are left out"))
	default:
		e.say("definers", true, "every definer is there, or is restored")
	}
}

// events says which begin to act as soon as they are there, and which do not
// although they did.
func (e *planExamination) events() {
	enabled, following := 0, 0
	for _, schema := range e.r.schemas {
		for i := range schema.Events {
			text := string(schema.Events[i].Create)
			enabled += int(one(afterWord(text, " ENABLE ") > 0))
			following += int(one(afterWord(text, " DISABLE ON ") > 0))
		}
	}
	scheduler := e.client.facts.variables["event_scheduler"]
	switch {
	case enabled+following == 0:
		return
	case following > 0:
		e.say("events", false, "%s disabled in the point because it was taken from a replica: to have one run, ALTER EVENT … ENABLE after the restore", quantity.Count(following, "event is", "events are"))
	case scheduler == "ON":
		e.say("events", true, "%s back enabled, and event_scheduler is ON: each runs as soon as it is there", quantity.Count(enabled, "event comes", "events come"))
	}
	if enabled > 0 && scheduler != "ON" {
		e.say("events", false, "%s back enabled, and none runs: event_scheduler of the target is %s", quantity.Count(enabled, "event comes", "events come"), scheduler)
	}
}

// loading says by which way rows come in.
func (e *planExamination) loading() {
	switch {
	case e.client.facts.localInfile:
		e.say("local-infile", true, "local_infile is ON")
	case e.r.held.anywhere("SYSTEM_VARIABLES_ADMIN", "SUPER"):
		e.say("local-infile", true, "local_infile is OFF: it is switched on while the restore runs")
	default:
		e.say("local-infile", false, "local_infile is OFF, and the account may not switch it on: rows come in by INSERT, which is slower")
	}
}

// redoLog speaks of what others have switched off: what the settings say is a
// warning of its own.
func (e *planExamination) redoLog() {
	switch e.r.target.redoLog {
	case "ON":
		e.say("redo-log", true, "the redo log is on")
	case "OFF":
		e.say("redo-log", false, "the redo log is off: a crash of the server destroys all that it holds, until ALTER INSTANCE ENABLE INNODB REDO_LOG")
	}
}

// clock refuses a server whose clock is far from ours: one of the two is wrong,
// and with ours the choice of a point.
func (e *planExamination) clock() {
	ahead := e.r.target.ahead.Round(time.Second)
	if ahead.Abs() <= tolerableSkew {
		e.say("server-clock", true, "the server's clock is %s from ours", ahead.Abs())
		return
	}
	side := "ahead of"
	if ahead < 0 {
		side = "behind"
	}
	e.refuse("server-clock", source.Clock, fmt.Sprintf("its clock is %s %s ours", ahead.Abs(), side),
		"set the clock that is wrong; or, if that does not matter now: --allow "+source.Clock)
}
