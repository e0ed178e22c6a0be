SET SESSION sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_ENGINE_SUBSTITUTION'

CREATE DEFINER = {definer} PROCEDURE "fork_greet"(IN who varchar(64), OUT greeting varchar(255))
    COMMENT 'its meaning depends on its sql_mode'
BEGIN
  SELECT 'hello, ' || "who" || '; 你好' INTO greeting;
END

SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES'

CREATE DEFINER = {definer} FUNCTION `fork_path`(name varchar(100)) RETURNS varchar(255) CHARACTER SET utf8mb4
    DETERMINISTIC
BEGIN
  RETURN CONCAT('c:\users\', name);
END

SET SESSION sql_mode = 'ALLOW_INVALID_DATES,PIPES_AS_CONCAT'

CREATE DEFINER = {definer} TRIGGER `fork_ledger_added` AFTER INSERT ON `fork_ledger`
FOR EACH ROW
INSERT INTO `fork_audit` (`ledger_id`, `note`) VALUES (NEW.`id`, 'added ' || NEW.`id`)

SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'

SET SESSION time_zone = '+08:00'

CREATE DEFINER = {definer} EVENT `fork_sweep`
    ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 03:00:00'
    ON COMPLETION PRESERVE ENABLE
    COMMENT 'far in the future, so that it never changes a seeded table'
    DO DELETE FROM `verify_codes` WHERE `create_time` < NOW() - INTERVAL 30 DAY

CREATE DEFINER = {definer} SQL SECURITY DEFINER VIEW `fork_names` AS
SELECT `attributes`.`user_id` AS `user_id`, `attributes`.`nickname` AS `nickname`, `accounts`.`create_time` AS `since`
FROM `attributes` JOIN `accounts` ON `accounts`.`user_id` = `attributes`.`user_id`
