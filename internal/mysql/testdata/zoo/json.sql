-- Documents with values of every type that JSON knows inside MySQL, also where the text does not tell.
CREATE TABLE documents (id INT PRIMARY KEY, j JSON)
$$
INSERT INTO documents VALUES
 (1, '{"a": [1, 2.5, null, true, false, "x\\ty\\\\ \\u0000 😀"], "": {}, "b": [], "A": 1, "z.\\"q\\"": "~[1]"}'),
 (2, NULL), (3, 'null'), (4, '-1.5e300'), (5, '""'), (6, '[]'), (7, '"~"'), (8, '"!"'), (9, 'true'), (10, '0'), (11, '"base64:type15:YWI="'),
 (12, '[1.0, -0.0, 1e20, 18446744073709551615, 9223372036854775808, 18446744073709551616, 5e-324, 1.7976931348623157e308, 0.1, 123456789012345678, -9223372036854775808, 4294967295, 4294967296, 2147483648]'),
 (13, CONCAT(REPEAT('[', 100), REPEAT(']', 100))), (14, CONCAT(REPEAT('{"a":', 99), '1', REPEAT('}', 99)))
$$
INSERT INTO documents VALUES
 (20, JSON_ARRAY(1.0, -0.0, 1.50, CAST(1 AS DECIMAL(65,30)), 99999999999999999999999999999999999999999999999999999999999999999, -0.000000000000000000000000000001, CAST('12345678901234567890.5' AS DECIMAL(40,1)), CAST(7 AS DECIMAL(5,0)))),
 (21, JSON_ARRAY(CAST(5 AS UNSIGNED), CAST(5 AS SIGNED), 4294967296, CAST(123456789012345678 AS SIGNED), CAST(123456789012345678 AS UNSIGNED), 0, CAST(0 AS UNSIGNED), -1, TRUE)),
 (22, JSON_ARRAY(1e0, -0e0, 1.5e0, 1e300, 0.1e0, 1e20, CAST(0.1 AS FLOAT))),
 (23, JSON_OBJECT('d', DATE'2020-01-01', 't', TIME'-838:59:59', 't6', TIME'12:00:00.123456', 'dt', TIMESTAMP'2020-01-01 00:00:00.123456', 'zero', CAST('0000-00-00' AS DATE), 'partial', CAST('2023-00-00' AS DATE), 'wrong', CAST('2023-02-31 01:02:03' AS DATETIME), 'max', CAST('9999-12-31 23:59:59.999999' AS DATETIME(6)))),
 (24, JSON_OBJECT('b', x'00095C0A27FF', 'empty', CAST('' AS BINARY), 'long', REPEAT(x'00FF', 300), 'longer', REPEAT(x'5C', 70000))),
 (25, JSON_ARRAY(JSON_OBJECT('a.b"c', JSON_ARRAY(1, DATE'2020-01-01', JSON_OBJECT('', 1.50, 'k\\l', 2.5, '$', 3.5, 'a b', 4.5, '中😀', 5.5, 'new\nline', 6.5))), 'plain', 1.5e0)),
 (26, CAST(DATE'2020-01-01' AS JSON)), (27, CAST(1.50 AS JSON)), (28, CAST(CAST(5 AS UNSIGNED) AS JSON)), (29, CAST(TIME'00:00:01' AS JSON))
$$
-- More values than one step puts back, and deep down.
INSERT INTO documents WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99) SELECT 30, JSON_ARRAYAGG(CAST(i AS DECIMAL(10,2))) FROM n
$$
INSERT INTO documents WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99) SELECT 31, JSON_OBJECTAGG(CONCAT('k', i), JSON_OBJECT('at', DATE'2020-01-01' + INTERVAL i DAY)) FROM n
$$
INSERT INTO documents SELECT 32, JSON_REPLACE(j, CONCAT('$', REPEAT('.a', 99)), 1.50) FROM documents WHERE id = 14
$$
CREATE TABLE typed (
  id INT PRIMARY KEY, ts TIMESTAMP(3) NULL, y YEAR, b1 BIT(1), b10 BIT(10), b33 BIT(33), b64 BIT(64), tb TINYBLOB, bl BLOB, mb MEDIUMBLOB, lb LONGBLOB, bi BINARY(3), bi16 BINARY(16), bi255 BINARY(255), vb VARBINARY(9),
  e ENUM('a', 'b'), s SET('x', 'y'), de DECIMAL(20,10), f FLOAT, g POINT, l VARCHAR(10) CHARACTER SET latin1
)
$$
INSERT INTO typed VALUES
 (1, '2020-01-01 00:00:00.5', 2020, b'1', b'1000000001', 1, 0xFFFFFFFFFFFFFFFF, 'a', REPEAT('b', 60000), REPEAT('c', 70000), 'd', 'e', UUID_TO_BIN('6ccd780c-baba-1026-9564-5b8c656024db'), 'f', 0x5C4E00, 'b', 'x,y', 1.5, 0.1, POINT(1, 2), 'é'),
 (2, '0000-00-00 00:00:00', 0, b'0', 0, 0, 0, '', '', '', '', '', 0x00, 0x00, '', 'a', '', 0, -0e0, NULL, ''),
 (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
$$
INSERT INTO documents SELECT 40 + id, JSON_OBJECT('ts', ts, 'y', y, 'b1', b1, 'b10', b10, 'b33', b33, 'b64', b64, 'tb', tb, 'bl', bl, 'mb', mb, 'lb', lb, 'bi', bi, 'bi16', bi16, 'bi255', bi255, 'vb', vb, 'e', e, 's', s, 'de', de, 'f', f, 'g', g, 'l', l) FROM typed
$$
CREATE TABLE two_documents (a JSON NOT NULL, b JSON, c JSON DEFAULT (JSON_ARRAY(1.50)), KEY ((CAST(a->'$.d' AS DATE ARRAY)))) DEFAULT CHARSET=latin1
$$
INSERT INTO two_documents (a, b) VALUES (JSON_OBJECT('d', JSON_ARRAY(DATE'2020-01-01', DATE'2021-01-01'), 'é', 'é'), JSON_ARRAY(1.0)), ('{}', NULL), ('{}', NULL)
$$
