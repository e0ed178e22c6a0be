package mysql

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// Scripts that the stock mysql client runs, in this order, with the schema
// selected. They name no schema, so that it may have another name.
const (
	schemaFile = "schema.sql" // tables with their primary keys
	loadFile   = "load.sql"   // the rows; one script for all schemas
	postFile   = "post.sql"   // indexes, foreign keys, routines, views, triggers, events
)

// loadMode is the sql_mode under which rows and tables come back as they were:
// zero and partial dates included, and 0 in an AUTO_INCREMENT column kept.
const loadMode = "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES"

const scriptHead = `-- Written by openim-dr. To restore by hand: decompress and decrypt the files of
-- this source, create the schema and select it, then run schema.sql, load.sql
-- (from the directory that holds the schemas' directories) and post.sql, the
-- last with mysql --comments, or comments inside routines are lost.
SET NAMES utf8mb4;
SET time_zone = '+00:00';
SET sql_mode = '` + loadMode + `';
SET foreign_key_checks = 0;
SET unique_checks = 0;
SET cte_max_recursion_depth = 4294967295;
`

const brokenHead = "\n-- The views below referred to something that was gone when they were captured.\n" +
	"-- They cannot be created before that is there, even if only for the moment.\n"

// scriptWriter gathers the text of a script.
type scriptWriter struct{ to *bufio.Writer }

// add writes text; the first error stays with the writer and is Flush's.
func (w scriptWriter) add(text string) { _, _ = w.to.WriteString(text) }

// writeTables writes schema.sql.
func (d *schemaDefinition) writeTables(to io.Writer) error {
	w := scriptWriter{bufio.NewWriter(to)}
	w.add(scriptHead)
	w.add("ALTER DATABASE CHARACTER SET = " + d.CharacterSet + " COLLATE = " + d.Collation + ";\n")
	for i := range d.Tables {
		parts, err := parseCreateTable(d.Tables[i].Create)
		if err != nil {
			return fmt.Errorf("table %q: %w", d.Tables[i].Name, err)
		}
		w.add("\n" + parts.base() + ";\n")
	}
	return w.to.Flush()
}

// writePost writes post.sql.
func (d *schemaDefinition) writePost(to io.Writer) error {
	w := scriptWriter{bufio.NewWriter(to)}
	w.add(scriptHead)
	w.add("-- Where a foreign key refers to a key that is not unique, MySQL 8.4 and later want this\n" +
		"-- first (it takes SESSION_VARIABLES_ADMIN): SET SESSION restrict_fk_on_non_standard_key = OFF;\n")
	for _, later := range []func(*createTable) []string{(*createTable).indexes, (*createTable).references} {
		for i := range d.Tables {
			parts, err := parseCreateTable(d.Tables[i].Create)
			if err != nil {
				return fmt.Errorf("table %q: %w", d.Tables[i].Name, err)
			}
			for _, clauses := range later(parts) {
				w.add("\nALTER TABLE " + quoteName(d.Tables[i].Name) + "\n  " + clauses + ";\n")
			}
		}
	}
	d.writeHistograms(w)
	broken := 0
	for _, o := range d.objects() {
		if o.Broken {
			broken++
			continue
		}
		o.writeTo(w, d.Collation)
	}
	if broken > 0 {
		w.add(brokenHead)
		for _, o := range d.objects() {
			if o.Broken {
				o.writeTo(w, d.Collation)
			}
		}
	}
	return w.to.Flush()
}

// writeTo writes one object, in the session in which it was once created, with
// a delimiter that its text does not hold. The schema's collation of that day is
// part of that session.
func (o *object) writeTo(w scriptWriter, collation string) {
	delimiter := ";;"
	for strings.Contains(string(o.Create), delimiter) {
		delimiter += ";"
	}
	w.add("\n")
	differs := o.SchemaCollation != "" && o.SchemaCollation != collation
	if differs {
		w.add("ALTER DATABASE COLLATE = " + o.SchemaCollation + ";\n")
	}
	for _, statement := range o.session() {
		w.add(statement + ";\n")
	}
	w.add("DELIMITER " + delimiter + "\n")
	w.add(string(o.Create))
	w.add("\n" + delimiter + "\nDELIMITER ;\n")
	if differs {
		w.add("ALTER DATABASE COLLATE = " + collation + ";\n")
	}
}

// session returns the statements that put a session into the state in which
// the object was created.
func (o *object) session() []string {
	statements := []string{
		"SET character_set_client = " + o.CharacterSet,
		"SET collation_connection = " + o.Collation,
		"SET sql_mode = " + quoteText(o.SQLMode),
	}
	if o.TimeZone != "" {
		statements = append(statements, "SET time_zone = "+quoteText(o.TimeZone))
	}
	return statements
}

// writeLoad writes load.sql.
func (d *dump) writeLoad(to io.Writer) error {
	w := scriptWriter{bufio.NewWriter(to)}
	w.add(scriptHead)
	for _, schema := range d.schemas {
		for i := range schema.Tables {
			t := &schema.Tables[i]
			for _, c := range t.Chunks {
				file := strings.Join([]string{repository.FileName(schema.Name), repository.FileName(t.Name), c.File}, "/")
				w.add(t.loadStatement(file, quoteName(schema.Name)+"."+quoteName(t.Name)) + ";\n")
			}
		}
	}
	return w.to.Flush()
}

// loadStatement returns the LOAD DATA that reads a chunk. Bytes are taken as
// they are, whatever the character set of their column; columns that want it
// are set by an expression.
func (t *table) loadStatement(file, into string) string {
	targets := make([]string, len(t.Columns))
	var set []string
	for i := range t.Columns {
		c := &t.Columns[i]
		targets[i] = quoteName(c.Name)
		if c.Load != "" {
			targets[i] = fmt.Sprintf("@v%d", i+1)
			set = append(set, quoteName(c.Name)+" = "+c.loadVariable(targets[i]))
		}
	}
	statement := "LOAD DATA LOCAL INFILE " + quoteText(file) + " INTO TABLE " + into +
		` CHARACTER SET binary FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n' (` + strings.Join(targets, ", ") + ")"
	if len(set) > 0 {
		statement += " SET " + strings.Join(set, ", ")
	}
	return statement
}
