package mysql

import (
	"bytes"
	"fmt"
	"strings"
)

// A JSON value knows types that its text does not tell: the text 1.50 may be a
// DECIMAL or a DOUBLE, "2020-01-01" a DATE or a string, 5 signed or unsigned,
// and bytes are a string that begins with base64:. A document whose text says
// it all is captured as that text. Any other is captured as a marker, a list
// of [path, type, text] of each value that reading the text would give another
// type, a line feed, which no JSON text of the server holds, and the text.
const (
	typedMark = "~"
	// foreignMark stands instead where a value cannot be made again by any
	// expression: see foreignJSON.
	foreignMark = "!"
)

// typedJSON holds for a node v of a document if its text, read again, would
// give another type. The server's own parser decides.
const typedJSON = "(JSON_TYPE(%[1]s) NOT IN ('OBJECT', 'ARRAY', 'STRING', 'BOOLEAN', 'NULL') AND JSON_TYPE(%[1]s) <> JSON_TYPE(CAST(%[1]s AS CHAR)))"

// readJSON reads the document that the expression column names. Only where the
// root, a cell or a member is typed is the document walked with its paths.
func readJSON(column string) string {
	is := func(v string) string { return fmt.Sprintf(typedJSON, v) }
	some := func(path string) string {
		return "EXISTS (SELECT 1 FROM JSON_TABLE(" + column + ", '" + path + "' COLUMNS (v JSON PATH '$')) AS x WHERE " + is("x.v") + ")"
	}
	walk := "WITH RECURSIVE w (p, v) AS (SELECT CAST('$' AS CHAR(16777215)), " + column +
		" UNION ALL SELECT CONCAT(w.p, '.', JSON_QUOTE(m.k)), JSON_EXTRACT(w.v, CONCAT('$.', JSON_QUOTE(m.k)))" +
		" FROM w JOIN JSON_TABLE(JSON_KEYS(w.v), '$[*]' COLUMNS (k LONGTEXT PATH '$')) AS m" +
		" UNION ALL SELECT CONCAT(w.p, '[', c.n - 1, ']'), c.v" +
		" FROM w JOIN JSON_TABLE(w.v, '$[*]' COLUMNS (n FOR ORDINALITY, v JSON PATH '$')) AS c WHERE JSON_TYPE(w.v) = 'ARRAY')" +
		" SELECT CONCAT(IF(MAX(" + foreignJSON + "), '" + foreignMark + "', '" + typedMark + "')," +
		" JSON_ARRAYAGG(JSON_ARRAY(w.p, JSON_TYPE(w.v), JSON_UNQUOTE(w.v)))) FROM w WHERE " + is("w.v")
	return "IF(" + is(column) + " OR " + some("$**[*]") + " OR " + some("$**.*") + ", CONCAT((" + walk + "), '\\n', " + column + "), " + column + ")"
}

// foreignJSON holds for a typed node that loadJSON cannot make again: bytes of
// a type that no expression gives, and a TIMESTAMP that is none in UTC. The
// bytes do come back, as a LONGBLOB, and the time as a DATETIME.
const foreignJSON = "CASE JSON_TYPE(w.v) WHEN 'BLOB' THEN CASE SUBSTRING_INDEX(SUBSTRING_INDEX(JSON_UNQUOTE(w.v), ':', 2), ':', -1)" +
	" WHEN 'type15' THEN LENGTH(FROM_BASE64(SUBSTRING_INDEX(JSON_UNQUOTE(w.v), ':', -1))) > 65535" +
	" ELSE SUBSTRING_INDEX(SUBSTRING_INDEX(JSON_UNQUOTE(w.v), ':', 2), ':', -1) NOT IN ('type249', 'type250', 'type251', 'type252', 'type254') END" +
	" WHEN 'TIMESTAMP' THEN JSON_UNQUOTE(w.v) NOT LIKE '0000-00-00%' AND JSON_UNQUOTE(w.v) NOT BETWEEN '1970-01-01 00:00:01' AND '2038-01-19 03:14:07.999999'" +
	" ELSE JSON_TYPE(w.v) NOT IN ('INTEGER', 'UNSIGNED INTEGER', 'DOUBLE', 'DECIMAL', 'DATE', 'TIME', 'DATETIME', 'BIT') END"

// isTyped reports whether a captured document is more than its text.
func isTyped(captured []byte) bool {
	return bytes.HasPrefix(captured, []byte(typedMark)) || isForeign(captured)
}

// isForeign reports whether a captured document holds what does not come back
// with its type.
func isForeign(captured []byte) bool { return bytes.HasPrefix(captured, []byte(foreignMark)) }

// replacements is how many typed values one step of loadJSON puts in place:
// each step copies the document.
const replacements = 16

// plainJSON makes the document of a text without a mark. The server makes no
// JSON of a string whose character set is binary.
const plainJSON = "CONVERT(%s USING utf8mb4)"

// loadJSON makes the document from what readJSON read, which %s names. A step
// replaces some values, and the last step has the document.
func loadJSON() string {
	var pairs strings.Builder
	for i := range replacements {
		fmt.Fprintf(&pairs, ", COALESCE(JSON_UNQUOTE(JSON_EXTRACT(a.x, CONCAT('$[', s.i + %[1]d, '][0]'))), '$[4294967295]'), JSON_EXTRACT(a.x, CONCAT('$[', s.i + %[1]d, '][1]'))", i)
	}
	rebuild := "WITH RECURSIVE a (x) AS (SELECT JSON_ARRAYAGG(JSON_ARRAY(m.p, " + typedValue() + ")) FROM " +
		"JSON_TABLE(SUBSTR(SUBSTRING_INDEX(r.t, '\\n', 1), 2), '$[*]' COLUMNS (p LONGTEXT PATH '$[0]', t VARCHAR(20) PATH '$[1]', s LONGTEXT PATH '$[2]')) AS m" +
		typedColumns() + "), s (i, d) AS (SELECT 0, CAST(SUBSTR(r.t, LOCATE('\\n', r.t) + 1) AS JSON)" +
		fmt.Sprintf(" UNION ALL SELECT s.i + %d, JSON_REPLACE(s.d%s) FROM s JOIN a WHERE s.i < JSON_LENGTH(a.x))", replacements, pairs.String()) +
		" SELECT s.d FROM s ORDER BY s.i DESC LIMIT 1"
	return "(SELECT IF(LEFT(r.t, 1) IN ('" + typedMark + "', '" + foreignMark + "'), (" + rebuild + "), CAST(r.t AS JSON)) FROM JSON_TABLE(JSON_ARRAY(" + plainJSON + "), '$[*]' COLUMNS (t LONGTEXT PATH '$')) AS r)"
}

// wholeJSON makes an error of a document that the server has not made of its
// text: what is longer than max_allowed_packet it makes NULL, without a word.
func wholeJSON(document, text string) string {
	return "COALESCE(" + document + ", IF(" + text + " IS NULL, NULL, CAST(CONCAT('" + foreignMark + "', LENGTH(" + text + ")) AS JSON)))"
}

// typedValue is the value of a list's entry m as JSON of its type. The type of
// bytes is that of the expression, so each type needs one of its own.
func typedValue() string {
	var b strings.Builder
	b.WriteString("CASE m.t WHEN 'INTEGER' THEN CAST(CAST(m.s AS SIGNED) AS JSON) WHEN 'UNSIGNED INTEGER' THEN CAST(CAST(m.s AS UNSIGNED) AS JSON)" +
		" WHEN 'DOUBLE' THEN CAST(CAST(m.s AS DOUBLE) AS JSON) WHEN 'DATE' THEN CAST(CAST(m.s AS DATE) AS JSON)" +
		" WHEN 'TIME' THEN CAST(CAST(m.s AS TIME(6)) AS JSON) WHEN 'DATETIME' THEN CAST(CAST(m.s AS DATETIME(6)) AS JSON)" +
		" WHEN 'TIMESTAMP' THEN COALESCE(CAST(o.ts AS JSON), CAST(CAST(m.s AS DATETIME(6)) AS JSON)) WHEN 'DECIMAL' THEN CASE LENGTH(m.s) - LENGTH(SUBSTRING_INDEX(m.s, '.', 1))")
	for scale := range 31 {
		// The length of the fraction with its point: 0, or 2 and more.
		fmt.Fprintf(&b, " WHEN %d THEN CAST(CAST(m.s AS DECIMAL(65,%d)) AS JSON)", scale+min(scale, 1), scale)
	}
	element := func(expression string) string { return "JSON_EXTRACT(JSON_ARRAY(" + expression + "), '$[0]')" }
	fmt.Fprintf(&b, " END WHEN 'BIT' THEN CASE LENGTH(%s)", longBytes)
	for n := 1; n <= 8; n++ {
		fmt.Fprintf(&b, " WHEN %d THEN %s", n, element(fmt.Sprintf("o.bit%d", n)))
	}
	b.WriteString(" END WHEN 'BLOB' THEN CASE SUBSTRING_INDEX(SUBSTRING_INDEX(m.s, ':', 2), ':', -1)" +
		" WHEN 'type15' THEN IF(LENGTH(" + longBytes + ") > 65535, " + element(longBytes) + ", " + element(shortBytes) + ")" +
		" WHEN 'type249' THEN " + element("o.tiny") + " WHEN 'type250' THEN " + element("LEFT("+longBytes+", 16777215)") +
		" WHEN 'type251' THEN " + element(longBytes) + " WHEN 'type252' THEN " + element("o.plain") + " WHEN 'type254' THEN ")
	fixed := "CASE LENGTH(" + longBytes + ")"
	for n := range 256 {
		fixed += fmt.Sprintf(" WHEN %[1]d THEN f.b%[1]d", n)
	}
	b.WriteString(element(fixed+" END") + " ELSE " + element(longBytes) + " END ELSE CAST(JSON_QUOTE(m.s) AS JSON) END")
	return b.String()
}

const (
	// longBytes are the bytes of a list's entry as a LONGBLOB.
	longBytes = "FROM_BASE64(SUBSTRING_INDEX(m.s, ':', -1))"
	// shortBytes are the same as a VARBINARY, the only type that JSON_TABLE
	// takes for bytes.
	shortBytes = "LEFT(" + longBytes + ", 65535)"
)

// typedColumns are columns of the types that no CAST knows: a value that has
// passed through one is of its type.
func typedColumns() string {
	var b strings.Builder
	b.WriteString(" LEFT JOIN JSON_TABLE(CASE WHEN m.t = 'TIMESTAMP' THEN JSON_ARRAY(m.s) WHEN m.t = 'BLOB' THEN JSON_ARRAY(" + shortBytes + ")" +
		" WHEN m.t = 'BIT' THEN JSON_ARRAY(CAST(CONV(HEX(" + longBytes + "), 16, 10) AS UNSIGNED)) ELSE JSON_ARRAY() END, '$[*]'" +
		" COLUMNS (tiny TINYBLOB PATH '$', plain BLOB PATH '$', ts TIMESTAMP(6) PATH '$'")
	for n := 1; n <= 8; n++ {
		fmt.Fprintf(&b, ", bit%d BIT(%d) PATH '$'", n, 8*n)
	}
	b.WriteString(")) AS o ON TRUE LEFT JOIN JSON_TABLE(IF(m.t = 'BLOB' AND LEFT(m.s, 15) = 'base64:type254:', JSON_ARRAY(" + shortBytes + "), JSON_ARRAY()), '$[*]' COLUMNS (")
	for n := range 256 {
		fmt.Fprintf(&b, "b%[1]d BINARY(%[1]d) PATH '$', ", n)
	}
	b.WriteString("n FOR ORDINALITY)) AS f ON TRUE")
	return b.String()
}
