package mysql

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Some options of tables refer to the server's disk: a general tablespace, a
// directory, a keyring. A target need not have them.

// tablespaceOption is how SHOW CREATE TABLE names a table's tablespace.
var tablespaceOption = regexp.MustCompile("TABLESPACE `((?:[^`]|``)*)`")

// ownTablespaces are those that every server has.
var ownTablespaces = []string{"innodb_file_per_table", "innodb_system", "innodb_temporary", "mysql"}

// generalTablespace returns the name of the general tablespace that holds the
// table, or "". Partitions are never in one.
func (t *table) generalTablespace() string {
	parts, err := parseCreateTable(t.Create)
	if err != nil {
		return ""
	}
	match := tablespaceOption.FindStringSubmatch(strings.SplitN(parts.tail, "ENGINE=", 2)[0])
	if match == nil || slices.Contains(ownTablespaces, match[1]) {
		return ""
	}
	return strings.ReplaceAll(match[1], "``", "`")
}

// hasOption reports whether an option stands in the table's tail, outside of
// quotes.
func (t *table) hasOption(option string) bool {
	parts, err := parseCreateTable(t.Create)
	return err == nil && strings.Contains(unquoted(parts.tail), option)
}

// createTable creates a table and, where the target lacks it, the general
// tablespace that holds it, in the server's own directory.
func (l *load) createTable(ctx context.Context, t *table, statement string) error {
	err := l.define(ctx, statement)
	name := t.generalTablespace()
	if name == "" || !isServer(err, erTablespaceMissing) {
		return clean(err)
	}
	if err := l.define(ctx, "CREATE TABLESPACE "+quoteName(name)); isDenied(err) {
		return l.client.server.usage("restore into", "table %q is kept in tablespace %q, which the target lacks, and account %q may create none", t.Name, name, l.client.server.settings.User).
			Hint("%s", missing{privilege: "CREATE TABLESPACE", on: "*.*"}.grant(grantee(ctx, l.client)))
	} else if err != nil {
		return fmt.Errorf("create tablespace %q: %w", name, clean(err))
	}
	return clean(l.define(ctx, statement))
}

// storageWarnings says what the target must have, or gets, for the tables.
func (d *schemaDefinition) storageWarnings() (warnings []string) {
	for i := range d.Tables {
		t := &d.Tables[i]
		name := d.Name + "." + t.Name
		if space := t.generalTablespace(); space != "" {
			warnings = append(warnings, fmt.Sprintf("table %s is kept in tablespace %s: the target gets one of that name, with default options, if it has none", name, space))
		}
		if t.hasOption("DATA DIRECTORY") {
			warnings = append(warnings, fmt.Sprintf("table %s names a data directory: unless innodb_directories of the target has that, it is created in the usual place, and the comparison names it", name))
		}
		if t.encrypted() {
			warnings = append(warnings, fmt.Sprintf("table %s is encrypted: it cannot be created unless the target has a keyring", name))
		}
	}
	return warnings
}

// eventWarnings says that events may change rows before they are compared.
func (d *schemaDefinition) eventWarnings() []string {
	active := 0
	for i := range d.Events {
		if afterWord(string(d.Events[i].Create), " ENABLE ") > 0 {
			active++
		}
	}
	if active == 0 {
		return nil
	}
	return []string{fmt.Sprintf("schema %s has %d enabled events, and the target's event_scheduler is on: they may change rows before those are compared", d.Name, active)}
}
