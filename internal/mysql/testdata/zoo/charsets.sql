-- Every class of character set, with text that is at home in it, and bytes that are not.
CREATE TABLE charsets (
  id INT PRIMARY KEY, latin1 VARCHAR(300) CHARACTER SET latin1, latin2 VARCHAR(50) CHARACTER SET latin2, cp1251 VARCHAR(50) CHARACTER SET cp1251, koi8r VARCHAR(50) CHARACTER SET koi8r,
  gbk VARCHAR(50) CHARACTER SET gbk, gb2312 VARCHAR(50) CHARACTER SET gb2312, gb18030 VARCHAR(50) CHARACTER SET gb18030, big5 VARCHAR(50) CHARACTER SET big5,
  sjis VARCHAR(50) CHARACTER SET sjis, cp932 VARCHAR(50) CHARACTER SET cp932, ujis VARCHAR(50) CHARACTER SET ujis, euckr VARCHAR(50) CHARACTER SET euckr,
  utf8mb3 VARCHAR(50) CHARACTER SET utf8mb3, utf8mb4 VARCHAR(50) CHARACTER SET utf8mb4, ucs2 VARCHAR(50) CHARACTER SET ucs2, utf16 VARCHAR(50) CHARACTER SET utf16,
  utf16le VARCHAR(50) CHARACTER SET utf16le, utf32 VARCHAR(50) CHARACTER SET utf32, ascii VARCHAR(50) CHARACTER SET ascii, bin VARCHAR(300) CHARACTER SET binary,
  tis620 VARCHAR(50) CHARACTER SET tis620, hebrew VARCHAR(50) CHARACTER SET hebrew, geostd8 VARCHAR(50) CHARACTER SET geostd8
)
$$
INSERT INTO charsets VALUES
 (1, 'äöüß€ÿ', 'čřž', 'привет', 'привет', '中文誠', '中文', '中文😀', '中文', '日本語ソ表', '日本語ソ', '日本語', '한국어', 'é中', '😀 مرحبا 中文', '中é', '😀é\\\n', '😀é', '😀é', 'ascii\\\t', 'a\0b', 'ไทย', 'שלום', 'ა'),
 (2, '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', ''),
 (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
 (4, ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '),
 (5, 'trail  ', 'trail  ', 'trail  ', 'trail  ', 'trail  ', 'trail  ', 'trail  ', 'trail  ', 'trail  ', 'trail  ', 'trail  ', 'trail  ', 'trail  ', 'trail  ', 'trail  ', 'trail  ', 'trail  ', 'trail  ', 'trail  ', 'trail  ', 'trail  ', 'trail  ', 'trail  '),
 (6, '\\N', '\\N', '\\N', '\\N', '\\N', '\\N', '\\N', '\\N', '\\N', '\\N', '\\N', '\\N', '\\N', '\\N', '\\N', '\\N', '\\N', '\\N', '\\N', '\\N', '\\N', '\\N', '\\N')
$$
-- The second byte of these characters is a backslash.
INSERT INTO charsets (id, gbk, big5, sjis, cp932, gb18030) VALUES (7, _gbk 0x955C, _big5 0xA55C, _sjis 0x835C, _cp932 0x835C, _gb18030 0x955C)
$$
INSERT INTO charsets (id, latin1, bin) VALUES (8, _latin1 0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, 0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff)
$$
-- Bytes that stand for no character, as far as the server lets them in.
INSERT INTO charsets (id, ucs2, gbk, tis620, hebrew, geostd8, cp1251) VALUES
 (9, _ucs2 0xD800, _gbk 0xFEFE, _tis620 0xDBFF, _hebrew 0xA1FF, _geostd8 0xFF, _cp1251 0x98), (10, _ucs2 0xDFFF0041, _gbk 0x8140, _tis620 0xFF, _hebrew 0xFF, '', ''), (11, _ucs2 0xFFFF, '', '', '', '', '')
$$
CREATE TABLE keyed_by_ucs2 (u VARCHAR(10) CHARACTER SET ucs2 PRIMARY KEY)
$$
INSERT INTO keyed_by_ucs2 VALUES (_ucs2 0xD800), (_ucs2 0xFFFF), ('a'), ('')
$$
CREATE TABLE texts (
  id INT PRIMARY KEY, c CHAR(20) CHARACTER SET latin1, cu CHAR(10) CHARACTER SET utf16, v VARCHAR(200), tt TINYTEXT, t TEXT, mt MEDIUMTEXT, lt LONGTEXT, lg LONGTEXT CHARACTER SET gbk, n VARCHAR(10) NOT NULL,
  bincoll VARCHAR(20) COLLATE utf8mb4_bin, pad VARCHAR(20) COLLATE utf8mb4_general_ci, nopad VARCHAR(20) COLLATE utf8mb4_0900_as_cs
) DEFAULT CHARSET=utf8mb4
$$
INSERT INTO texts VALUES
 (1, '', '', '', '', '', '', '', '', '', '', '', ''),
 (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'x', NULL, NULL, NULL),
 (3, 'tail  ', '😀 x', 'tab\tnew\nline\r\nback\\slash\0nul\Zz \\N \\', REPEAT('\\', 255), REPEAT('\n', 65535), REPEAT('\t\0', 50000), REPEAT('😀', 30000), '中文誠\\', '\\N', 'A', 'a ', 'ａ '),
 (4, 'NULL', 'NULL', 'NULL', 'N', '\\', '\n', '\t', '\0', 'NULL', 'NULL', 'NULL', 'NULL'),
 (5, '\'"`', '\'"`', '\'"`;--/*', CONCAT(CHAR(0xEF, 0xBB, 0xBF USING utf8mb4), 'bom'), '\r', '\r\n', CHAR(0xE2, 0x80, 0xA8 USING utf8mb4), '“”', 'é', 'é', 'é', 'é')
$$
CREATE TABLE defaults (
  id INT PRIMARY KEY, l VARCHAR(20) CHARACTER SET latin1 DEFAULT 'é''\\', g VARCHAR(20) CHARACTER SET gbk DEFAULT '中', u VARCHAR(20) CHARACTER SET utf16 DEFAULT 'é中', e VARCHAR(20) DEFAULT 'ü\n\t', nil VARCHAR(20) NOT NULL DEFAULT '',
  b BINARY(4) DEFAULT 0x00095C27, vb VARBINARY(9) DEFAULT 0xC328FF, nul VARCHAR(20) DEFAULT 'NULL', nothing VARCHAR(20) DEFAULT NULL, x32 CHAR(3) CHARACTER SET utf32 DEFAULT 'a', k VARCHAR(9) DEFAULT '`,)('
) COMMENT='odd ''text'' with \\ and \n, `ticks` and ünïcode; ) ENGINE=x'
$$
INSERT INTO defaults (id) VALUES (1)
$$
CREATE TABLE emoji_default (id INT PRIMARY KEY, e VARCHAR(20) DEFAULT '😀x', f VARCHAR(20) DEFAULT ('😀y'), en ENUM('😀', 'b'), CHECK (e <> '😀z'))
$$
INSERT INTO emoji_default (id, en) VALUES (1, '😀')
$$
CREATE TABLE keyed_by_gbk (g VARCHAR(20) CHARACTER SET gbk COLLATE gbk_chinese_ci, u VARCHAR(20) CHARACTER SET utf32, l CHAR(5) CHARACTER SET latin1 COLLATE latin1_german1_ci, PRIMARY KEY (g, u, l))
$$
INSERT INTO keyed_by_gbk VALUES ('中', '😀', 'ä'), ('', '', ''), ('文\\', 'a\n', 'ß')
$$
CREATE TABLE long_row (a VARCHAR(16000), b VARCHAR(300) CHARACTER SET latin1) ROW_FORMAT=DYNAMIC
$$
INSERT INTO long_row VALUES (REPEAT('ä', 16000), REPEAT('ä', 300))
$$
