-- What the server computes, hides, checks and fills in by itself.
CREATE TABLE computed (
  id INT, a INT, virt INT AS (a * 2) VIRTUAL, `stored` VARCHAR(50) GENERATED ALWAYS AS (CONCAT('n', a, ',(`x`)')) STORED NOT NULL, b INT GENERATED ALWAYS AS (virt + 1) VIRTUAL COMMENT 'of another',
  l VARCHAR(20) CHARACTER SET latin1 AS (_latin1'é') VIRTUAL, q VARCHAR(30) AS ('it''s \\ "q" \n') STORED, j JSON, name VARCHAR(30) AS (j->>'$."na me"') VIRTUAL INVISIBLE,
  PRIMARY KEY (id), KEY (virt), UNIQUE KEY (b), KEY (name)
)
$$
INSERT INTO computed (id, a, j) VALUES (1, 2, '{"na me": "x"}'), (2, 3, NULL), (3, -1, '{}')
$$
CREATE TABLE stored_key (a INT, k INT AS (a + 1) STORED, v INT, PRIMARY KEY (k))
$$
INSERT INTO stored_key (a, v) VALUES (1, 1), (2, 2)
$$
CREATE TABLE all_generated (a INT AS (1) STORED, b INT AS (2) VIRTUAL, c INT)
$$
INSERT INTO all_generated (c) VALUES (1), (NULL)
$$
CREATE TABLE hidden (a INT INVISIBLE, b INT, c INT DEFAULT 7 INVISIBLE, d VARCHAR(10) NOT NULL DEFAULT 'x' INVISIBLE, PRIMARY KEY (a))
$$
INSERT INTO hidden (a, b, c, d) VALUES (1, 2, 3, 'y'), (2, 3, NULL, '')
$$
CREATE TABLE functional (
  id INT PRIMARY KEY, a INT, s VARCHAR(50), j JSON, KEY fn ((a + 1)), KEY fn2 ((LOWER(s)), a, (a * 2) DESC), UNIQUE KEY fu ((CONCAT(s, '`', a))),
  KEY mv ((CAST(j->'$.tags' AS CHAR(20) ARRAY))), KEY mvi ((CAST(j->'$.ids[*]' AS UNSIGNED ARRAY)), a)
)
$$
INSERT INTO functional VALUES (1, 2, 'X', '{"tags": ["a", "b"], "ids": [1, 2]}'), (2, NULL, NULL, NULL), (3, 4, 'y', '{"ids": []}')
$$
CREATE TABLE expressions (
  id BINARY(16) NOT NULL DEFAULT (UUID_TO_BIN(UUID())), d DATE DEFAULT (CURRENT_DATE + INTERVAL 1 YEAR), j JSON DEFAULT (JSON_ARRAY('a', 1.5)), t TEXT DEFAULT ('it''s'), p POINT DEFAULT (POINT(1, 2)), n INT DEFAULT (1 + 2), m INT DEFAULT (n * 2), PRIMARY KEY (id)
)
$$
INSERT INTO expressions (id) VALUES (0x01), (0x02)
$$
CREATE TABLE checked (
  a INT CHECK (a > 0), b INT, CONSTRAINT named CHECK (b < 100 /* not 'b' */), CONSTRAINT lax CHECK (a > 50) NOT ENFORCED, CONSTRAINT `odd``name` CHECK ((a + b) <> 7 AND b NOT IN (1, 2)), CHECK (REGEXP_LIKE(CONCAT(a), '^[0-9]+\\.?$'))
)
$$
INSERT INTO checked VALUES (1, 5), (60, NULL), (NULL, NULL)
$$
SET sql_generate_invisible_primary_key = ON
$$
CREATE TABLE gipk (a INT, b VARCHAR(10)) AUTO_INCREMENT = 20
$$
SET sql_generate_invisible_primary_key = OFF
$$
INSERT INTO gipk (my_row_id, a, b) VALUES (5, 1, 'x'), (17, 1, 'x'), (18446744073709551000, 2, 'y')
$$
CREATE TABLE no_columns_visible_but_one (a INT INVISIBLE, b INT INVISIBLE, c INT)
$$
INSERT INTO no_columns_visible_but_one (a, b, c) VALUES (1, 2, 3)
$$
