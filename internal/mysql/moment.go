package mysql

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// checkMoment compares what is defined with what was there when the snapshot
// opened. Definitions that are the same before and after say nothing of a table
// that was created in between and dropped again: it would be missing from a
// dump whose position comes behind its creation.
//
// The views of information_schema over the data dictionary, which is kept in
// InnoDB, are read like any other rows: inside the snapshot they show the
// moment of the snapshot. The account sees the same of them in both sessions.
func (d *dump) checkMoment(ctx context.Context) error {
	if len(d.names) == 0 {
		return nil
	}
	records, err := queryRecords(ctx, d.snapshot.sessions[0], namesQuery(d.names))
	if err != nil {
		return fmt.Errorf("list what the snapshot holds: %w", err)
	}
	missing := map[string]bool{} // that is defined now, and was not then
	for _, schema := range d.schemas {
		for name := range definedNames(schema) {
			missing[name] = true
		}
	}
	for _, r := range records {
		name := definedName(r.text("type"), r.text("owner"), r.text("name"))
		if of := r.text("tab"); of != "" && !d.choose.table(r.text("owner"), of) {
			continue // left out
		}
		if !missing[name] {
			return fmt.Errorf("%w: %s was there for a moment only", errChanged, name)
		}
		delete(missing, name)
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: %s was not there at that moment", errChanged, slices.Min(slices.Collect(maps.Keys(missing))))
	}
	return nil
}

// definedNames is the set of what is defined in a schema.
func definedNames(schema *schemaDefinition) map[string]bool {
	names := map[string]bool{}
	for i := range schema.Tables {
		names[definedName("BASE TABLE", schema.Name, schema.Tables[i].Name)] = true
	}
	for _, o := range schema.objects() {
		names[definedName(o.Type, schema.Name, o.Name)] = true
	}
	return names
}

func definedName(kind, schema, name string) string {
	return strings.ToLower(kind) + " " + schema + "." + name
}

// namesQuery lists what is defined in the schemas, each with the table by which
// it is chosen, if any.
func namesQuery(schemas []string) string {
	in := " IN (" + quoteTexts(schemas) + ")"
	return "SELECT TABLE_TYPE AS type, TABLE_SCHEMA AS owner, TABLE_NAME AS name, TABLE_NAME AS tab FROM information_schema.TABLES WHERE TABLE_SCHEMA" + in + " AND TABLE_NAME <> " + quoteText(markTable) +
		" UNION ALL SELECT 'TRIGGER', TRIGGER_SCHEMA, TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA" + in +
		" UNION ALL SELECT 'EVENT', EVENT_SCHEMA, EVENT_NAME, '' FROM information_schema.EVENTS WHERE EVENT_SCHEMA" + in +
		" UNION ALL SELECT ROUTINE_TYPE, ROUTINE_SCHEMA, ROUTINE_NAME, '' FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA" + in +
		" AND ROUTINE_TYPE IN ('PROCEDURE', 'FUNCTION')"
}
