package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dustin/go-humanize"

	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// restoration is what Plan hands on to Restore and Compare.
type restoration struct {
	attempt         source.Attempt
	stopwatch       *source.Stopwatch
	damage          *source.Damage // what a restore that keeps going does without
	schemas         []*schemaPlan
	recorded        Captured
	binlogOff       bool // the restore does not go into the target's binary log
	accounts        []*accountPlan
	accountsLeftOut int                           // by a selection that is not the whole source
	partialRevokes  string                        // what the variable was where the accounts come from
	me              accountName                   // who restores
	formerDefaults  map[accountName][]accountName // default roles at the target
	accountNote     string                        // why none are restored
	deviations      []source.Deviation
	target          *surroundings // what the target is like
	held            *privileges   // at the target
	definersUnseen  bool          // which definers exist at the target is not known
	lowered         bool          // the target keeps names in lower case, and some are not
}

// deviate notes what does not come back as it was, as the settings say.
func (r *restoration) deviate(object, what, why string) {
	r.deviations = append(r.deviations, source.Deviation{Object: object, What: what, Why: why})
}

// schemaPlan is one schema on its way back.
type schemaPlan struct {
	*schemaDefinition
	target   string   // its name at the target
	whole    bool     // nothing of it was left out
	exists   bool     // the target has a schema of that name
	occupied bool     // the target holds what the restore would destroy
	replaced []string // tables of the target that a restore of a part takes the place of
	marked   bool     // what the target holds is of this restore, see markTable
	// incomplete says that objects were left out which others may need.
	incomplete   bool
	aside        bool           // its tables go into another schema than the rest of theirs
	triggersLeft map[string]int // how many are left out, by table in the point
	freed        int64          // what is destroyed takes on the disk
}

// Plan reads the definitions in the point and looks at the target.
func (s *Server) Plan(ctx context.Context, from *repository.SourceReader, want source.Selection) (_ *source.Plan, err error) {
	r, err := s.choose(ctx, from, want)
	if err != nil {
		return nil, err
	}
	client, err := s.open(ctx, loadIdle)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	plan := &source.Plan{Private: r}
	if err := client.survey(ctx, r); err != nil {
		return nil, err
	}
	if err := client.lookForMarks(ctx, plan, want.Attempt, r.schemas); err != nil {
		return nil, err
	}
	for _, schema := range r.schemas {
		if err := client.planSchema(ctx, plan, schema); err != nil {
			return nil, fmt.Errorf("look at schema %q of %s: %w", schema.target, s.target(), err)
		}
	}
	plan.Warnings = append(plan.Warnings, r.recorded.parts()...)
	plan.Warnings = append(plan.Warnings, client.warnOfPackets(r.recorded)...)
	if s.settings.DisableRedoLog && !want.Attempt.Resumed {
		if err := client.requireNothing(ctx); err != nil {
			return nil, err
		}
		if !s.scratch {
			plan.Warnings = append(plan.Warnings, "the target's redo log is off while rows are loaded: a crash of the server meanwhile destroys all that it holds")
		}
	}
	if err := client.planActors(ctx, plan, r); err != nil {
		return nil, err
	}
	plan.Deviations = append(plan.Deviations, r.deviations...)
	if err := client.planBinlog(ctx, r, plan); err != nil {
		return nil, err
	}
	return plan, client.examinePlan(ctx, r, plan)
}

// planActors plans accounts and definers, and ends a restore before it begins
// if it could not end well. What becomes of accounts and definers decides which
// privileges the rest takes; where they cannot be seen, that is missing first.
func (c *client) planActors(ctx context.Context, plan *source.Plan, r *restoration) error {
	held, err := askPrivileges(ctx, c)
	if err != nil {
		return err
	}
	need := &requirement{held: held, marks: r.attempt.ID != ""}
	if len(r.accounts) > 0 {
		need.toReadAccounts("without it the accounts that are there cannot be seen", leaveAccountsOut)
	}
	if len(need.lacking) == 0 {
		if err := c.planAccounts(ctx, plan, r); err != nil {
			return err
		}
		if err := c.planDefiners(ctx, plan, r); err != nil {
			return err
		}
	}
	return c.checkPrivileges(ctx, need, r)
}

// isRollback reports whether the point holds what a restore has overwritten.
func isRollback(from *repository.SourceReader) bool {
	return from.Point().Stream == repository.RollbackStream
}

// choose reads the definitions of the schemas that are wanted.
func (s *Server) choose(ctx context.Context, from *repository.SourceReader, want source.Selection) (*restoration, error) {
	var recorded Captured
	if err := from.Captured(&recorded); err != nil {
		return nil, err
	}
	if recorded.DigestVersion != digestVersion {
		return nil, s.usage("restore into", "the point's digests are of version %d, and this openim-dr compares version %d", recorded.DigestVersion, digestVersion)
	}
	names, err := s.readRenames(want, &recorded)
	if err != nil {
		return nil, err
	}
	r := &restoration{recorded: recorded, attempt: want.Attempt, damage: want.Damage, stopwatch: want.Stopwatch}
	for i := range recorded.Schemas {
		schema := &recorded.Schemas[i]
		if !schema.mayBeWanted(want, isRollback(from)) {
			continue
		}
		d, err := readDefinition(ctx, from, schema.Name)
		if want.Damage.Tolerates(err) {
			want.Damage.Add(source.Lost{Object: schema.Name, What: "all of it, since its definitions cannot be read", Why: err.Error(), Include: patternMarks.Replace(schema.Name), Names: []string{schema.Name}})
			continue
		}
		if err != nil {
			return nil, err
		}
		if chosen := chooseSchema(d, want, isRollback(from)); chosen != nil {
			r.schemas = append(r.schemas, names.place(d, chosen)...)
		}
	}
	if err := names.checkPlaced(s); err != nil {
		return nil, err
	}
	if err := s.chooseAccounts(ctx, from, &recorded, want, r); err != nil {
		return nil, err
	}
	if len(r.schemas) == 0 && len(r.accounts) == 0 && len(want.Damage.Lost()) == 0 {
		return nil, s.usage("restore into", "the selection leaves nothing of source %s", from.Name()).
			Hint("patterns are schema.table, and user@host for accounts; the point holds %s", whatThereIs(recorded.Schemas, recorded.meant(want.Include)))
	}
	return r, nil
}

// chooseSchema leaves out what the selection does not want, or everything
// (nil). Objects other than tables come with a whole schema only, since they
// refer to each other. A rollback point of some tables, or of accounts, brings
// just these back: the rest of the schema was never overwritten.
func chooseSchema(d *schemaDefinition, want source.Selection, rollback bool) *schemaPlan {
	chosen := *d
	chosen.Tables = slices.DeleteFunc(slices.Clone(d.Tables), func(t table) bool { return !wanted(want, d.Name, t.Name) || rollback && t.NoData })
	p := &schemaPlan{schemaDefinition: &chosen, target: d.Name}
	p.whole = len(chosen.Tables) == len(d.Tables) && wanted(want, d.Name, "") && !(rollback && len(d.LeftOut) > 0)
	if p.whole {
		return p
	}
	if len(chosen.Tables) == 0 {
		return nil
	}
	chosen.Routines, chosen.Views, chosen.Triggers, chosen.Events = nil, nil, nil, nil
	return p
}

func (c *client) planSchema(ctx context.Context, plan *source.Plan, schema *schemaPlan) error {
	target := c.server.schemaTarget(schema.target)
	there, err := queryRecords(ctx, c, "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = "+quoteText(schema.target))
	if err != nil {
		return err
	}
	schema.exists = len(there) > 0
	holds, err := c.holds(ctx, schema)
	if err != nil {
		return err
	}
	if holds != "" {
		schema.occupied = true
		plan.Occupied = append(plan.Occupied, source.Occupied{Target: target, Parts: schema.parts(), Holds: holds})
	}
	sum := schema.total()
	plan.Steps = append(plan.Steps, source.Step{Action: schema.loading(), Target: target, Rows: sum.Rows, Bytes: sum.Bytes})
	if n := len(schema.objects()); n > 0 {
		plan.Steps = append(plan.Steps, source.Step{Action: "create " + quantity.Count(n, "routine, view, trigger or event", "routines, views, triggers and events"), Target: target})
	}
	if in := fmt.Sprintf("schema %s is restored in part: routines, views, triggers and events are left out", schema.Name); !schema.whole && !slices.Contains(plan.Warnings, in) {
		plan.Warnings = append(plan.Warnings, in)
	}
	plan.Warnings = append(plan.Warnings, schema.copyWarnings()...)
	plan.Warnings = append(plan.Warnings, schema.partWarnings()...)
	plan.Warnings = append(plan.Warnings, schema.storageWarnings()...)
	if c.facts.variables["event_scheduler"] == "ON" {
		plan.Warnings = append(plan.Warnings, schema.eventWarnings()...)
	}
	for i := range schema.Views {
		if schema.Views[i].Broken {
			plan.Warnings = append(plan.Warnings, fmt.Sprintf("view %s.%s refers to something that was gone or left out when it was captured", schema.Name, schema.Views[i].Name))
		}
	}
	return nil
}

// holds says what the target holds that the restore would destroy: the whole
// schema, or the tables of the same names where only some are restored. It
// returns "" where there is nothing.
func (c *client) holds(ctx context.Context, schema *schemaPlan) (string, error) {
	if schema.marked {
		return "", nil
	}
	is := " = " + quoteText(schema.target)
	records, err := queryRecords(ctx, c, "SELECT TABLE_NAME AS name, DATA_LENGTH + INDEX_LENGTH AS size FROM information_schema.TABLES WHERE TABLE_SCHEMA"+is+
		" AND TABLE_NAME <> "+quoteText(markTable))
	if err != nil {
		return "", err
	}
	tables, lost, size := []string(nil), 0, int64(0)
	for _, r := range records {
		if schema.whole || schema.replaces(r.text("name"), c.facts.lowerCaseTableNames) {
			tables = append(tables, r.text("name"))
			size += r.number("size")
			if slices.Contains(schema.LeftOut, r.text("name")) {
				lost++
			}
		}
	}
	schema.replaced = tables
	others := int64(0)
	if schema.whole {
		r, err := queryRecord(ctx, c, "SELECT (SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA"+is+")"+
			" + (SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA"+is+") AS n")
		if err != nil {
			return "", err
		}
		others = r.number("n")
	}
	schema.freed = size
	switch {
	case !schema.whole && len(tables) > 0: // the rest of the schema stays
		return fmt.Sprintf("%s (%s): %s", quantity.Count(len(tables), "table", "tables"), humanize.IBytes(uint64(max(0, size))), shorten(tables)), nil // not negative
	case len(tables) == 0 && others == 0:
		return "", nil
	}
	text, err := c.describe(ctx, schema.target, len(tables), others, size)
	if lost > 0 {
		text += ", of which " + quantity.Count(lost, "is left out of the point and does not come back", "are left out of the point and do not come back")
	}
	return text, err
}

func (c *client) describe(ctx context.Context, schema string, tables int, others, size int64) (string, error) {
	text := fmt.Sprintf("%s (%s)", quantity.Count(tables, "table", "tables"), humanize.IBytes(uint64(max(0, size)))) // not negative
	if others > 0 {
		text += " and " + quantity.Count(others, "routine or event", "routines and events")
	}
	if c.server.recognise == nil {
		return text, nil
	}
	known, err := c.server.recognise(ctx, c.DB, schema)
	if err == nil && known != "" {
		text += ", " + known
	}
	return text, clean(err)
}
