-- Names with backslashes, which the stock client cannot send.
CREATE TABLE `a\b\` (`\` INT PRIMARY KEY, `\\` INT, `c\'d` INT, KEY `\` (`\\`)) COMMENT='\\'
$$
INSERT INTO `a\b\` VALUES (1, 2, 3)
$$
CREATE VIEW `\v` AS SELECT `\` AS `\n` FROM `a\b\`
$$
