-- Views in an order of their own, with every option, in other sessions, and broken.
CREATE TABLE base (id INT PRIMARY KEY, t INT, s VARCHAR(20))
$$
INSERT INTO base VALUES (1, 2, 'x')
$$
CREATE FUNCTION double_it(x INT) RETURNS INT DETERMINISTIC RETURN x * 2
$$
CREATE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW z_checked AS SELECT id, t FROM base WHERE t > 0 WITH CASCADED CHECK OPTION
$$
CREATE ALGORITHM=TEMPTABLE VIEW m_temp AS SELECT COUNT(*) AS n FROM z_checked
$$
CREATE ALGORITHM=UNDEFINED VIEW a_view AS SELECT z_checked.id, double_it(t) AS t2, m_temp.n FROM z_checked, m_temp
$$
CREATE VIEW b_local AS SELECT * FROM z_checked WHERE id < 10 WITH LOCAL CHECK OPTION
$$
CREATE VIEW `na``me` (`c``1`, `c 2`) AS SELECT id, 'it''s \\ "q"' FROM base
$$
CREATE VIEW with_cte AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n
$$
CREATE VIEW constants AS SELECT _latin1'é' AS l, _utf8mb4'😀' AS u, 0xFF AS b, DATE'2020-01-01' AS d, 1.50 AS de, TRUE AS t
$$
SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT'
$$
CREATE VIEW ansi AS SELECT "t" || 'x' AS "c""c" FROM "base"
$$
SET sql_mode = 'NO_BACKSLASH_ESCAPES'
$$
CREATE VIEW no_backslash AS SELECT 'a\n' AS b
$$
SET sql_mode = 'HIGH_NOT_PRECEDENCE,IGNORE_SPACE,REAL_AS_FLOAT'
$$
CREATE VIEW precedence AS SELECT NOT t BETWEEN -5 AND 5 AS n FROM base
$$
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'
$$
SET NAMES latin1
$$
CREATE VIEW from_latin1 AS SELECT 'Ã©' AS e
$$
CREATE VIEW `vö` AS SELECT 'ü' AS `cöl`
$$
SET NAMES utf8mb4 COLLATE utf8mb4_bin
$$
CREATE VIEW from_bin AS SELECT 'a' = 'A' AS same
$$
SET NAMES utf8mb4
$$
CREATE TABLE gone (a INT, b VARCHAR(10))
$$
CREATE FUNCTION gone_too(x INT) RETURNS INT DETERMINISTIC RETURN x
$$
CREATE VIEW z_broken AS SELECT g.a, g.b, gone_too(n.id) AS c FROM gone AS g JOIN base AS n ON n.id = g.a WHERE g.b <> 'x'
$$
CREATE VIEW broken_of_broken AS SELECT a + 1 AS a1 FROM z_broken
$$
CREATE VIEW a_broken_star AS SELECT * FROM gone
$$
CREATE VIEW lacks_column AS SELECT id, s FROM base
$$
DROP TABLE gone
$$
DROP FUNCTION gone_too
$$
ALTER TABLE base DROP COLUMN s
$$
