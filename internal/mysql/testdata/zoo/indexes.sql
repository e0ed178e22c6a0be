-- Every kind of index and its options.
CREATE TABLE indexed (
  id INT PRIMARY KEY COMMENT 'a ''key''', a INT, b VARCHAR(100), c TEXT, d BLOB, g GEOMETRY NOT NULL SRID 0,
  KEY down (a DESC, b), KEY unseen (a) INVISIBLE, KEY prefix (b(10), c(20)), KEY of_blob (d(15) DESC), UNIQUE KEY u (a, b) COMMENT 'it''s, (a) `comment`', KEY tree (b) USING BTREE KEY_BLOCK_SIZE=1,
  FULLTEXT KEY words (c), FULLTEXT KEY grams (b, c) WITH PARSER ngram COMMENT 'n', FULLTEXT KEY hidden_words (b) INVISIBLE, SPATIAL KEY place (g) COMMENT 's'
)
$$
INSERT INTO indexed VALUES (1, 2, 'b', 'some words 中文', 0x00, POINT(1, 1)), (2, NULL, NULL, NULL, NULL, POINT(0, 0))
$$
CREATE TABLE primary_options (a VARCHAR(50), b INT, PRIMARY KEY (a(20) DESC, b) COMMENT 'p')
$$
INSERT INTO primary_options VALUES ('x', 1), ('X ', 2)
$$
CREATE TABLE hidden_unique (a INT, b INT, UNIQUE KEY (a) INVISIBLE, KEY (b))
$$
INSERT INTO hidden_unique VALUES (1, 2)
$$
CREATE TABLE doc_id (FTS_DOC_ID BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, t TEXT, FULLTEXT KEY (t))
$$
INSERT INTO doc_id VALUES (5, 'five'), (9, 'nine')
$$
CREATE TABLE double_keys (a INT, b INT, KEY one (a), KEY two (a), KEY three (a, b))
$$
INSERT INTO double_keys VALUES (1, 1)
$$
CREATE TABLE histograms (a INT, b VARCHAR(20))
$$
INSERT INTO histograms VALUES (1, 'x'), (2, 'y'), (2, 'y')
$$
ANALYZE TABLE histograms UPDATE HISTOGRAM ON a WITH 10 BUCKETS
$$
ANALYZE TABLE histograms UPDATE HISTOGRAM ON b WITH 1024 BUCKETS AUTO UPDATE
$$
