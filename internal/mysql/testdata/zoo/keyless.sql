-- No key, duplicate rows, only nullable keys.
CREATE TABLE keyless (a INT, b TEXT)
$$
INSERT INTO keyless VALUES (1, 'x'), (1, 'x'), (1, 'x'), (NULL, NULL), (NULL, NULL), (0, '')
$$
CREATE TABLE nullable_key (a INT, b INT, UNIQUE KEY (a, b))
$$
INSERT INTO nullable_key VALUES (1, NULL), (1, NULL), (NULL, NULL), (NULL, NULL), (1, 1)
$$
CREATE TABLE prefix_key (a VARCHAR(50) NOT NULL, UNIQUE KEY (a(3)))
$$
INSERT INTO prefix_key VALUES ('abcd'), ('abd'), ('')
$$
CREATE TABLE not_null_key (v INT, a INT NOT NULL, UNIQUE KEY u (a), KEY (v))
$$
INSERT INTO not_null_key VALUES (1, 3), (1, 2), (NULL, 1)
$$
CREATE TABLE one_column_null (a INT)
$$
INSERT INTO one_column_null VALUES (NULL), (NULL), (0)
$$
CREATE TABLE one_column_empty (a VARCHAR(10))
$$
INSERT INTO one_column_empty VALUES (''), (''), (NULL), (' ')
$$
CREATE TABLE empty_table (a INT)
$$
CREATE TABLE desc_key (a INT, b VARCHAR(10), PRIMARY KEY (a DESC, b))
$$
INSERT INTO desc_key VALUES (1, 'a'), (1, 'b'), (2, 'a')
$$
