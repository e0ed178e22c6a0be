-- Names that need quoting, names of 64 characters, and names that differ only in case.
CREATE TABLE `tick``dot.sp ace` (`a``b` INT, `c.d` INT, `e f` INT, `"g"` INT, `h'i` INT, `;` INT, `%s %d` INT, PRIMARY KEY (`a``b`), KEY `k``,(` (`c.d`), CONSTRAINT `chk``)` CHECK (`e f` > 0))
$$
INSERT INTO `tick``dot.sp ace` VALUES (1, 2, 3, 4, 5, 6, 7)
$$
CREATE TABLE `new
line	tab` (`col
umn` INT PRIMARY KEY, `KEY ``x`` (` INT, `PRIMARY KEY (` INT) COMMENT='KEY `x` (
) ENGINE=InnoDB AUTO_INCREMENT=7'
$$
INSERT INTO `new
line	tab` VALUES (1, 2, 3)
$$
CREATE TABLE `1234567890123456789012345678901234567890123456789012345678901234` (
  `abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl` INT PRIMARY KEY, `üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü` INT,
  KEY `ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééée` (`üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü`))
$$
INSERT INTO `1234567890123456789012345678901234567890123456789012345678901234` VALUES (1, 2)
$$
CREATE TABLE `Case` (a INT PRIMARY KEY)
$$
INSERT INTO `Case` VALUES (1)
$$
CREATE TABLE `case` (a INT PRIMARY KEY)
$$
INSERT INTO `case` VALUES (2)
$$
CREATE TABLE `CASE` (A INT PRIMARY KEY)
$$
CREATE TABLE `select` (`from` INT, `where` VARCHAR(10) DEFAULT '`', `order` INT, PRIMARY KEY (`from`), UNIQUE KEY `group` (`order`))
$$
INSERT INTO `select` VALUES (1, DEFAULT, 2)
$$
CREATE TABLE `中文.表` (`列` INT PRIMARY KEY, `..` INT, `/` INT, ` lead` INT)
$$
INSERT INTO `中文.表` VALUES (1, 2, 3, 4)
$$
CREATE TABLE ` lead` (a INT)
$$
INSERT INTO ` lead` VALUES (1)
$$
CREATE TABLE `..` (a INT)
$$
CREATE TABLE `con` (a INT)
$$
CREATE TABLE `a/b` (a INT)
$$
CREATE TABLE `$dollar#1` (`$` INT)
$$
CREATE TABLE `-- comment /* x */` (`-- c` INT, `/* d */` INT)
$$
INSERT INTO `-- comment /* x */` VALUES (1, 2)
$$
CREATE VIEW `view``with.dots
and lines` AS SELECT `a``b` AS `x``y`, `c.d` FROM `tick``dot.sp ace`
$$
CREATE TRIGGER `tri``g.ger` BEFORE INSERT ON `tick``dot.sp ace` FOR EACH ROW SET NEW.`c.d` = NEW.`a``b`
$$
CREATE FUNCTION `fun``c.tion; $$ --`(`par``am` INT) RETURNS INT DETERMINISTIC RETURN `par``am`
$$
CREATE EVENT `eve``nt;` ON SCHEDULE EVERY 1 YEAR STARTS '2035-01-01 00:00:00' DISABLE DO SELECT 1
$$
