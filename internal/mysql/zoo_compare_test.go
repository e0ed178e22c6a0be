package mysql

import (
	"slices"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/source"
)

// zooChange is a change to the copy of one subject, in lines of one statement
// each, and what the comparison must find.
type zooChange struct{ name, subject, change, object, what string }

var zooChanges = []zooChange{
	{"a DECIMAL inside JSON becomes a DOUBLE", "json", "UPDATE documents SET j = NULL WHERE id = 27\nUPDATE documents SET j = '1.50' WHERE id = 27", "documents", "digest"},
	{"a DATE inside JSON becomes a string", "json", "UPDATE two_documents SET a = '{\"d\": []}' WHERE JSON_LENGTH(a) = 0 LIMIT 1", "two_documents", "digest"},
	{"the sign of a zero", "decimals", "UPDATE floats SET d = 0e0 WHERE id = 4", "floats", "digest"},
	{"the last bit of a FLOAT", "decimals", "UPDATE keyed_by_double SET f = 0.10000000894069671631 WHERE d = 0.1", "keyed_by_double", "digest"},
	{"one bit of a BIT", "bits", "UPDATE bits SET b64 = b64 ^ 1 WHERE id = 1", "bits", "digest"},
	{"a microsecond", "temporal", "UPDATE times SET t6 = '-00:00:00.000002' WHERE id = 1", "times", "digest"},
	{"the hour that occurs twice", "temporal", "UPDATE stamps SET ts = ts + INTERVAL 1 HOUR WHERE id = 208", "stamps", "digest"},
	{"a trailing zero byte", "blobs", "UPDATE blobs SET vb = 0x6100 WHERE id = 6", "blobs", "digest"},
	{"the error value for the member ''", "sets", "UPDATE sets SET e = 1 WHERE id = 9", "sets", "digest"},
	{"an SRID", "spatial", "UPDATE shapes SET g = ST_SRID(g, 0) WHERE id = 4", "shapes", "digest"},
	{"a vector's element", "vector", "UPDATE vectors SET v = TO_VECTOR('[1, 0.0, 3.4028234e38]') WHERE id = 1", "vectors", "digest"},
	{"a member that SHOW CREATE TABLE shows as ?", "charsets", "ALTER TABLE emoji_default MODIFY en ENUM('😁', 'b')", "emoji_default", "definition"},
	{"a default", "charsets", "ALTER TABLE defaults ALTER vb SET DEFAULT 0xC328FE", "defaults", "definition"},
	{"a collation", "charsets", "ALTER TABLE texts MODIFY bincoll VARCHAR(20) COLLATE utf8mb4_0900_bin", "texts", "definition"},
	{"a table's comment", "storage", "ALTER TABLE statistics COMMENT 'x'", "statistics", "definition"},
	{"a row format", "storage", "ALTER TABLE row_compact ROW_FORMAT=DYNAMIC", "row_compact", "definition"},
	{"compression", "storage", "ALTER TABLE page_zlib COMPRESSION='none'", "page_zlib", "definition"},
	{"how statistics are kept", "storage", "ALTER TABLE volatile STATS_PERSISTENT=1", "volatile", "definition"},
	{"an index hidden", "indexes", "ALTER TABLE indexed ALTER INDEX tree INVISIBLE", "indexed", "definition"},
	{"an index's order", "indexes", "ALTER TABLE primary_options DROP PRIMARY KEY, ADD PRIMARY KEY (a(20), b) COMMENT 'p'", "primary_options", "definition"},
	{"a full-text parser", "indexes", "ALTER TABLE doc_id DROP KEY t\nALTER TABLE doc_id ADD FULLTEXT KEY t (t) WITH PARSER ngram", "doc_id", "definition"},
	{"a histogram", "indexes", "ANALYZE TABLE histograms DROP HISTOGRAM ON b", "histograms", "definition"},
	{"a check not enforced", "generated", "ALTER TABLE checked ALTER CHECK named NOT ENFORCED", "checked", "definition"},
	{"a column shown", "generated", "ALTER TABLE hidden ALTER COLUMN c SET VISIBLE", "hidden", "definition"},
	{"a generated expression", "generated", "ALTER TABLE stored_key MODIFY k INT AS (a + 2 - 1) STORED", "stored_key", "definition"},
	{"a generated invisible key", "generated", "UPDATE gipk SET my_row_id = 6 WHERE my_row_id = 5", "gipk", "digest"},
	{"a partition lost", "partitions", "ALTER TABLE by_range DROP PARTITION p1", "by_range", "definition"},
	{"rows in another partition", "partitions", "ALTER TABLE by_list REORGANIZE PARTITION pn, p1 INTO (PARTITION pn VALUES IN (NULL, 0, 1), PARTITION p1 VALUES IN (-2, 3))", "by_list", "definition"},
	{"an action of a foreign key", "foreign_keys", "ALTER TABLE tree DROP FOREIGN KEY `up``ward`\nALTER TABLE tree ADD CONSTRAINT `up``ward` FOREIGN KEY (up) REFERENCES tree (id)", "tree", "definition"},
	{"the order of a MERGE", "engines", "ALTER TABLE merged UNION=(part2, part1)", "merged", "definition"},
	{"one of equal rows", "keyless", "DELETE FROM keyless WHERE a = 1 LIMIT 1", "keyless", "rows"},
	{"'' for NULL", "keyless", "UPDATE one_column_empty SET a = '' WHERE a IS NULL", "one_column_empty", "digest"},
	{"the next number", "integers", "ALTER TABLE auto_ahead AUTO_INCREMENT = 5", "auto_ahead", "definition"},
	{"a name's case", "names", "RENAME TABLE `Case` TO `cAse`", "Case", "missing"},
	{"the security of a view", "views", "CREATE OR REPLACE ALGORITHM=MERGE SQL SECURITY DEFINER VIEW z_checked AS SELECT id, t FROM base WHERE t > 0 WITH CASCADED CHECK OPTION", "z_checked", "definition"},
	{"a check option", "views", "CREATE OR REPLACE VIEW b_local AS SELECT * FROM z_checked WHERE id < 10 WITH CASCADED CHECK OPTION", "b_local", "definition"},
	{"a broken view lost", "views", "DROP VIEW lacks_column", "lacks_column", "missing"},
	{"a broken view mended", "views", "CREATE TABLE gone (a INT)", "gone", "surplus"},
	{"the comment of a routine", "routines", "ALTER PROCEDURE strict COMMENT 'x'", "strict", "definition"},
	{"the collation that a routine was made under", "routines", "SET NAMES utf8mb4\nDROP PROCEDURE from_collation\nSET sql_mode = ''\nCREATE PROCEDURE from_collation() SELECT 'a' = 'A'", "from_collation", "definition"},
	{"the schema's collation that a function was made under", "routines", "DROP FUNCTION of_german_days\nSET sql_mode = ''\nCREATE FUNCTION of_german_days(x VARCHAR(10)) RETURNS VARCHAR(10) DETERMINISTIC RETURN x", "of_german_days", "definition"},
	{"the sql_mode of a trigger", "triggers", "DROP TRIGGER no_backslash\nSET sql_mode = ''\nCREATE TRIGGER no_backslash AFTER INSERT ON watched FOR EACH ROW INSERT INTO log (v) VALUES ('\\\\')", "no_backslash", "definition"},
	{"the order of triggers", "triggers", "DROP TRIGGER before_update\nCREATE TRIGGER before_update BEFORE UPDATE ON watched FOR EACH ROW SET NEW.v = OLD.v\nDROP TRIGGER first\nCREATE TRIGGER first BEFORE INSERT ON watched FOR EACH ROW SET NEW.v = CONCAT(NEW.v, '1')", "watched", "definition"},
	{"an event's status", "events", "ALTER EVENT quarter DISABLE", "quarter", "definition"},
	{"an event's schedule", "events", "SET time_zone = '+05:30'\nALTER EVENT in_delhi ON SCHEDULE EVERY 2 HOUR STARTS '2035-01-01 00:00:00'", "in_delhi", "definition"},
	{"an event's zone", "events", "SET time_zone = '+00:00'\nALTER EVENT in_system ON SCHEDULE AT '2035-01-01 00:00:00'", "in_system", "definition"},
	{"a schema's collation", "vector", "ALTER DATABASE COLLATE utf8mb4_bin", "", "definition"},
}

// everyChangeIsFound changes the copy in many ways. Invariant 11: whatever kind
// of thing is changed is found.
func (z *wholeZoo) everyChangeIsFound(t *testing.T, s *Server, rename map[string]string) {
	plan, err := s.Plan(t.Context(), z.captured, source.Selection{Rename: rename})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range zooChanges {
		seedFile(t, z.db, rename[z.schemas[tt.subject]], strings.ReplaceAll(tt.change, "\n", "\n$$\n"))
	}
	found := compare(t, s, z.captured, plan)
	for _, tt := range zooChanges {
		object := z.schemas[tt.subject]
		if tt.object != "" {
			object += "." + tt.object
		}
		if !slices.ContainsFunc(found.Differences, func(d source.Difference) bool {
			_, name, isObject := strings.Cut(d.Object, " ")
			return d.What == tt.what && (d.Object == object || isObject && name == object)
		}) {
			t.Errorf("%s: no difference of %s in %s", tt.name, tt.what, object)
		}
	}
}
