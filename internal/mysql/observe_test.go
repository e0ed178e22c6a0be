package mysql

import (
	"database/sql"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// observation is what a schema looks like to somebody who knows nothing of
// this package: the texts that the server shows of its objects, its own
// checksums, and rows read by the binary protocol, which carries FLOAT and
// DOUBLE as their bits.
type observation map[string]string

// observe looks at a schema.
func observe(t testing.TB, db *sql.DB, schema string) observation {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	run(t, conn, "SET NAMES utf8mb4", "USE "+quoteName(schema), "SET time_zone = '+00:00'", "SET sql_mode = ''", "SET information_schema_stats_expiry = 0",
		"SET show_gipk_in_create_table_and_information_schema = ON", "SET cte_max_recursion_depth = 1000000")
	o := observation{}
	o.objects(t, conn, schema)
	// CHECKSUM TABLE sees an ARCHIVE table as it was when it was opened.
	for _, r := range rowsOf(t, conn, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE ENGINE = 'ARCHIVE' AND TABLE_SCHEMA = "+quoteText(schema)) {
		run(t, conn, "FLUSH TABLES "+quoteName(r[0]))
	}
	for name, sum := range checksums(t, conn, schema) {
		o["checksum of table "+name] = sum
	}
	// The checksum of a table with a multi-valued index is another one each time.
	for _, r := range rowsOf(t, conn, "SELECT TABLE_NAME FROM information_schema.STATISTICS WHERE EXPRESSION LIKE '%array)' AND TABLE_SCHEMA = "+quoteText(schema)) {
		delete(o, "checksum of table "+r[0])
	}
	for _, r := range rowsOf(t, conn, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA = "+quoteText(schema)) {
		o["rows of table "+r[0]] = strings.Join(sortedRows(t, conn, schema, r[0]), "\n")
	}
	return o
}

// objects notes what the server shows of every object, and what its tables of
// definitions hold of them beside times and the schema's name.
func (o observation) objects(t testing.TB, conn *sql.Conn, schema string) {
	t.Helper()
	is := " = " + quoteText(schema)
	lists := []struct{ kind, query string }{
		{"TABLE", "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA" + is},
		{"VIEW", "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE = 'VIEW' AND TABLE_SCHEMA" + is},
		{"PROCEDURE", "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'PROCEDURE' AND ROUTINE_SCHEMA" + is},
		{"FUNCTION", "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'FUNCTION' AND ROUTINE_SCHEMA" + is},
		{"TRIGGER", "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA" + is},
		{"EVENT", "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA" + is},
	}
	for _, list := range lists {
		for _, r := range rowsOf(t, conn, list.query) {
			shown := rowsOf(t, conn, "SHOW CREATE "+list.kind+" "+quoteName(r[0]))
			o[strings.ToLower(list.kind)+" "+r[0]] = shownText(list.kind, shown[0])
		}
	}
	for name, query := range map[string]string{
		"columns":    "SELECT TABLE_NAME, ORDINAL_POSITION, COLUMN_NAME, COLUMN_DEFAULT, IS_NULLABLE, COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME, EXTRA, COLUMN_COMMENT, GENERATION_EXPRESSION, SRS_ID FROM information_schema.COLUMNS WHERE TABLE_SCHEMA" + is,
		"indexes":    "SELECT TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, COLLATION, SUB_PART, NON_UNIQUE, INDEX_TYPE, INDEX_COMMENT, IS_VISIBLE, EXPRESSION FROM information_schema.STATISTICS WHERE TABLE_SCHEMA" + is,
		"tables":     "SELECT TABLE_NAME, ENGINE, ROW_FORMAT, TABLE_COLLATION, CREATE_OPTIONS, TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA" + is,
		"partitions": "SELECT TABLE_NAME, PARTITION_NAME, SUBPARTITION_NAME, PARTITION_METHOD, SUBPARTITION_METHOD, PARTITION_EXPRESSION, SUBPARTITION_EXPRESSION, PARTITION_DESCRIPTION, PARTITION_COMMENT, TABLESPACE_NAME FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA" + is,
		"routines":   "SELECT ROUTINE_NAME, ROUTINE_TYPE, DTD_IDENTIFIER, ROUTINE_DEFINITION, IS_DETERMINISTIC, SQL_DATA_ACCESS, SECURITY_TYPE, SQL_MODE, ROUTINE_COMMENT, DEFINER, CHARACTER_SET_CLIENT, COLLATION_CONNECTION, DATABASE_COLLATION FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA" + is,
		"triggers":   "SELECT TRIGGER_NAME, EVENT_MANIPULATION, EVENT_OBJECT_TABLE, ACTION_ORDER, ACTION_STATEMENT, ACTION_TIMING, SQL_MODE, DEFINER, CHARACTER_SET_CLIENT, COLLATION_CONNECTION, DATABASE_COLLATION FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA" + is,
		"events":     "SELECT EVENT_NAME, DEFINER, TIME_ZONE, EVENT_DEFINITION, EVENT_TYPE, EXECUTE_AT, INTERVAL_VALUE, INTERVAL_FIELD, SQL_MODE, STARTS, ENDS, STATUS, ON_COMPLETION, EVENT_COMMENT, CHARACTER_SET_CLIENT, COLLATION_CONNECTION, DATABASE_COLLATION FROM information_schema.EVENTS WHERE EVENT_SCHEMA" + is,
		"views":      "SELECT TABLE_NAME, CHECK_OPTION, IS_UPDATABLE, DEFINER, SECURITY_TYPE, CHARACTER_SET_CLIENT, COLLATION_CONNECTION FROM information_schema.VIEWS WHERE TABLE_SCHEMA" + is,
		"schema":     "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME, DEFAULT_ENCRYPTION FROM information_schema.SCHEMATA WHERE SCHEMA_NAME" + is,
		"options":    "SELECT OPTIONS FROM information_schema.SCHEMATA_EXTENSIONS WHERE SCHEMA_NAME" + is,
		"references": "SELECT CONSTRAINT_NAME, UNIQUE_CONSTRAINT_NAME, MATCH_OPTION, UPDATE_RULE, DELETE_RULE, TABLE_NAME, REFERENCED_TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA" + is,
		"histograms": `SELECT TABLE_NAME, COLUMN_NAME, HISTOGRAM->>'$."number-of-buckets-specified"', HISTOGRAM->>'$."auto-update"', HISTOGRAM->>'$."histogram-type"', HISTOGRAM->>'$.buckets' FROM information_schema.COLUMN_STATISTICS WHERE SCHEMA_NAME` + is,
		"checks":     "SELECT t.TABLE_NAME, c.CONSTRAINT_NAME, c.CHECK_CLAUSE, t.ENFORCED FROM information_schema.CHECK_CONSTRAINTS AS c JOIN information_schema.TABLE_CONSTRAINTS AS t USING (CONSTRAINT_SCHEMA, CONSTRAINT_NAME) WHERE c.CONSTRAINT_SCHEMA" + is,
	} {
		o[name] = joinRows(rowsOf(t, conn, query))
	}
}

// shownText leaves times out, and brings the keys of a table, whose order is
// that of their creation and means nothing, into one order.
func shownText(kind string, row []string) string {
	if kind == "TRIGGER" {
		row = slices.Delete(row, 6, 7)
	}
	if kind != "TABLE" {
		return strings.Join(row, "\n")
	}
	lines := strings.Split(row[1], "\n")
	keys := make([]string, 0, len(lines))
	for i := range lines {
		if keyLine.MatchString(lines[i]) {
			keys = append(keys, strings.TrimSuffix(lines[i], ","))
			lines[i] = ""
		}
	}
	slices.Sort(keys)
	return strings.Join(append(lines, keys...), "\n")
}

var keyLine = regexp.MustCompile(`^  (UNIQUE |FULLTEXT |SPATIAL )?(KEY|CONSTRAINT) `)

// sortedRows reads all rows, each column in the ways that show it best.
func sortedRows(t testing.TB, conn *sql.Conn, schema, table string) []string {
	t.Helper()
	var list []string
	for _, r := range rowsOf(t, conn, "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = "+quoteText(schema)+" AND TABLE_NAME = "+quoteText(table)+" ORDER BY ORDINAL_POSITION") {
		list = append(list, views(quoteName(r[0]), r[1])...)
	}
	statement, err := conn.PrepareContext(t.Context(), "SELECT "+strings.Join(list, ", ")+" FROM "+quoteName(schema)+"."+quoteName(table))
	if err != nil {
		t.Fatalf("table %q: %v", table, err)
	}
	defer statement.Close()
	rows, err := statement.QueryContext(t.Context())
	if err != nil {
		t.Fatalf("table %q: %v", table, err)
	}
	return slices.Sorted(slices.Values(strings.Split(joinRows(scanRows(t, rows)), "\n")))
}

func views(column, dataType string) []string {
	switch dataType {
	case "float", "double", "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year":
		return []string{column}
	case "date", "time", "datetime", "timestamp":
		return []string{"CAST(" + column + " AS CHAR)"}
	case "enum", "set":
		return []string{column + " + 0", "HEX(" + column + ")"}
	case "bit":
		return []string{column + " + 0", "HEX(" + column + ")"}
	case "json":
		types := func(path string) string {
			return "(SELECT CONCAT(JSON_ARRAYAGG(JSON_TYPE(v))) FROM JSON_TABLE(" + column + ", '" + path + "' COLUMNS (v JSON PATH '$')) AS x)"
		}
		return []string{"HEX(CAST(" + column + " AS CHAR))", "JSON_TYPE(" + column + ")", types("$**[*]"), types("$**.*")}
	default:
		return []string{"HEX(" + column + ")", "LENGTH(" + column + ")"}
	}
}

func rowsOf(t testing.TB, conn *sql.Conn, query string) [][]string {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%.80s: %v", query, err)
	}
	return scanRows(t, rows)
}

func scanRows(t testing.TB, rows *sql.Rows) (all [][]string) {
	t.Helper()
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		texts := make([]string, len(values))
		for i, v := range values {
			texts[i] = observed(v)
		}
		all = append(all, texts)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// observed prints a value so that no two values look the same.
func observed(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case float32:
		return fmt.Sprintf("%v (%08x)", v, math.Float32bits(v))
	case float64:
		return fmt.Sprintf("%v (%016x)", v, math.Float64bits(v))
	case []byte:
		return string(v)
	default:
		return fmt.Sprint(v)
	}
}

func joinRows(rows [][]string) string {
	lines := make([]string, len(rows))
	for i, r := range rows {
		lines[i] = strings.Join(r, " | ")
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
