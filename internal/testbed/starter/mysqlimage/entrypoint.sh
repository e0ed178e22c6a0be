#!/bin/bash
# Entry point of the testbed's own MySQL image. It keeps the contract of the
# official image as far as tests and scratch servers need it:
#
#   MYSQL_ROOT_PASSWORD, MYSQL_ALLOW_EMPTY_PASSWORD, MYSQL_ROOT_HOST,
#   MYSQL_DATABASE, MYSQL_USER, MYSQL_PASSWORD, and *_FILE of each;
#   arguments that begin with a dash are flags of mysqld;
#   it runs as any user who may write the data directory and /var/run/mysqld;
#   an empty data directory is initialised.
#
# The image's own data directory is initialised already, and accounts are made
# by an init file rather than by a first, temporary server: a container accepts
# connections after two or three seconds.
set -euo pipefail

datadir=/var/lib/mysql
rundir=/var/run/mysqld

fail() {
    echo "entrypoint: $*" >&2
    exit 1
}

# A value comes from the variable NAME or from the file that NAME_FILE names.
value() {
    local name=$1 file=${1}_FILE
    if [ -n "${!name:-}" ] && [ -n "${!file:-}" ]; then
        fail "$name and $file are exclusive"
    fi
    if [ -n "${!file:-}" ]; then
        cat "${!file}"
    else
        printf '%s' "${!name:-}"
    fi
}

# A string literal that is safe under every sql_mode but NO_BACKSLASH_ESCAPES.
literal() {
    local text=${1//\\/\\\\}
    printf "'%s'" "${text//\'/\\\'}"
}

identifier() {
    printf '`%s`' "${1//\`/\`\`}"
}

# The statements run at each start and change nothing the second time. They stay
# out of the binary log, so that an empty server has an empty GTID set.
accounts() {
    local host password database user
    host=$(literal "${MYSQL_ROOT_HOST:-%}")
    password=$(literal "$root_password")
    echo "SET SESSION sql_log_bin = 0;"
    echo "ALTER USER 'root'@'localhost' IDENTIFIED BY $password;"
    echo "CREATE USER IF NOT EXISTS 'root'@$host IDENTIFIED BY $password;"
    echo "ALTER USER 'root'@$host IDENTIFIED BY $password;"
    echo "GRANT ALL ON *.* TO 'root'@$host WITH GRANT OPTION;"
    database=$(value MYSQL_DATABASE)
    if [ -n "$database" ]; then
        echo "CREATE DATABASE IF NOT EXISTS $(identifier "$database");"
    fi
    user=$(value MYSQL_USER)
    if [ -n "$user" ]; then
        echo "CREATE USER IF NOT EXISTS $(literal "$user")@'%' IDENTIFIED BY $(literal "$(value MYSQL_PASSWORD)");"
        if [ -n "$database" ]; then
            echo "GRANT ALL ON $(identifier "${database//_/\\_}").* TO $(literal "$user")@'%';"
        fi
    fi
}

if [ $# -eq 0 ] || [ "${1:0:1}" = - ]; then
    set -- mysqld "$@"
fi
if [ "$1" != mysqld ]; then
    exec "$@"
fi

root_password=$(value MYSQL_ROOT_PASSWORD)
if [ -z "$root_password" ] && [ -z "${MYSQL_ALLOW_EMPTY_PASSWORD:-}" ]; then
    fail "set MYSQL_ROOT_PASSWORD, or MYSQL_ALLOW_EMPTY_PASSWORD=yes"
fi

mkdir -p "$rundir"
if [ "$(id -u)" = 0 ]; then
    chown mysql:mysql "$datadir" "$rundir"
    set -- "$@" --user=mysql
fi
if [ ! -d "$datadir/mysql" ]; then
    "$@" --initialize-insecure
fi
(umask 077 && accounts >"$rundir/accounts.sql")
if [ "$(id -u)" = 0 ]; then
    chown mysql:mysql "$rundir/accounts.sql"
fi
unset root_password MYSQL_ROOT_PASSWORD MYSQL_PASSWORD

exec "$@" --init-file="$rundir/accounts.sql"
