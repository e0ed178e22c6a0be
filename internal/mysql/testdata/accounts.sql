CREATE DATABASE app
$$
CREATE TABLE app.t (a INT, b INT, c INT)
$$
CREATE TABLE app.dropped (a INT)
$$
CREATE PROCEDURE app.p() SELECT 1
$$
CREATE FUNCTION app.f() RETURNS INT DETERMINISTIC RETURN 1
$$
CREATE FUNCTION app.p() RETURNS INT DETERMINISTIC RETURN 2
$$
CREATE DATABASE `od``d.db`
$$
CREATE TABLE `od``d.db`.`t``x` (`c``1` INT)
$$
INSTALL PLUGIN mysql_no_login SONAME 'mysql_no_login.so'
$$
INSTALL PLUGIN auth_socket SONAME 'auth_socket.so'
$$
INSERT INTO mysql.proxies_priv (Host, User, Proxied_host, Proxied_user, With_grant, Grantor) VALUES ('%', 'root', '', '', 1, 'test')
$$
FLUSH PRIVILEGES
$$
CREATE ROLE reader, 'write-r'@'%', 'app'@'localhost'
$$
CREATE USER ''@'localhost' IDENTIFIED BY 'anon'
$$
CREATE USER 'it''s`q"\\b ü😀'@'10.0.0.0/255.0.0.0' IDENTIFIED BY 'pw'
$$
CREATE USER 'dual'@'%' IDENTIFIED BY 'old'
$$
ALTER USER 'dual'@'%' IDENTIFIED BY 'new' RETAIN CURRENT PASSWORD
$$
CREATE USER 'x509'@'192.168.%' IDENTIFIED BY 'pw' REQUIRE X509
$$
CREATE USER 'ssl'@'2001:db8::1' IDENTIFIED BY 'pw' REQUIRE SSL
$$
CREATE USER 'subject'@'%' IDENTIFIED BY 'pw' REQUIRE SUBJECT '/CN=it''s \\ WITH' AND ISSUER '/CN=ca PASSWORD' AND CIPHER 'ECDHE-RSA-AES256-GCM-SHA384'
$$
CREATE USER 'app'@'%' IDENTIFIED BY 'old password' WITH MAX_QUERIES_PER_HOUR 500 MAX_USER_CONNECTIONS 30 PASSWORD EXPIRE INTERVAL 90 DAY PASSWORD HISTORY 5
  PASSWORD REUSE INTERVAL 30 DAY PASSWORD REQUIRE CURRENT OPTIONAL FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME 2 COMMENT 'it''s a " comment'
$$
CREATE USER 'attribute'@'%' IDENTIFIED BY 'pw' ATTRIBUTE '{"a": "x''y REQUIRE \\\\ \\n ü", "b": [1, {"c": null}]}'
$$
CREATE USER 'empty'@'%' IDENTIFIED BY 'pw' ATTRIBUTE '{}'
$$
CREATE USER 'locked'@'%' IDENTIFIED BY 'pw' ACCOUNT LOCK
$$
CREATE USER 'expired'@'%' IDENTIFIED BY 'pw' PASSWORD EXPIRE
$$
CREATE USER 'never'@'%' IDENTIFIED BY 'pw' PASSWORD EXPIRE NEVER PASSWORD REQUIRE CURRENT FAILED_LOGIN_ATTEMPTS 4 PASSWORD_LOCK_TIME UNBOUNDED
$$
CREATE USER 'nologin'@'%' IDENTIFIED WITH mysql_no_login
$$
CREATE USER 'socket'@'localhost' IDENTIFIED WITH auth_socket AS 'it''s'
$$
CREATE USER 'factors'@'%' IDENTIFIED BY 'pw' AND IDENTIFIED WITH auth_socket
$$
CREATE USER 'empty password'@'%'
$$
CREATE USER 'sha256'@'%' IDENTIFIED WITH sha256_password BY 'pw'
$$
CREATE USER 'member'@'%'
$$
GRANT reader TO 'write-r'@'%', 'member'@'%'
$$
GRANT 'write-r'@'%' TO 'app'@'%' WITH ADMIN OPTION
$$
GRANT reader, 'app'@'localhost' TO 'app'@'%'
$$
SET DEFAULT ROLE 'write-r'@'%', reader TO 'app'@'%'
$$
GRANT SELECT, INSERT, REPLICATION CLIENT ON *.* TO 'app'@'%' WITH GRANT OPTION
$$
GRANT BACKUP_ADMIN, CLONE_ADMIN ON *.* TO 'app'@'%'
$$
GRANT SYSTEM_USER ON *.* TO 'app'@'%' WITH GRANT OPTION
$$
REVOKE INSERT ON app.* FROM 'app'@'%'
$$
REVOKE SELECT ON mysql.* FROM 'app'@'%'
$$
GRANT DELETE ON app.* TO 'app'@'%'
$$
GRANT ALL ON *.* TO 'x509'@'192.168.%' WITH GRANT OPTION
$$
GRANT ALL ON `od``d.db`.* TO 'attribute'@'%' WITH GRANT OPTION
$$
GRANT SELECT ON `app\_x%`.* TO 'attribute'@'%'
$$
GRANT SELECT, INSERT (a, b), UPDATE (c), REFERENCES (a) ON app.t TO 'attribute'@'%' WITH GRANT OPTION
$$
GRANT SELECT (`c``1`) ON `od``d.db`.`t``x` TO reader
$$
GRANT EXECUTE ON PROCEDURE app.p TO 'attribute'@'%'
$$
GRANT EXECUTE, ALTER ROUTINE ON FUNCTION app.p TO 'write-r'@'%' WITH GRANT OPTION
$$
GRANT SELECT, TRIGGER ON app.dropped TO 'write-r'@'%'
$$
GRANT CREATE ON app.never_there TO 'expired'@'%'
$$
DROP TABLE app.dropped
$$
GRANT PROXY ON 'app'@'%' TO 'attribute'@'%' WITH GRANT OPTION
$$
REVOKE GRANT OPTION ON *.* FROM 'attribute'@'%'
$$
GRANT PROXY ON 'nobody'@'nowhere' TO 'locked'@'%'
$$
GRANT PROXY ON 'app'@'%' TO 'expired'@'%' WITH GRANT OPTION
