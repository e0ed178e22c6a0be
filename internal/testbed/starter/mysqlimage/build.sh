#!/bin/bash
# Builds the root file system of the testbed's MySQL image as a compressed tar:
# Oracle's server as Debian's unstable suite packages it, with a data directory
# that is initialised already.
#
#   build.sh RECIPE-DIRECTORY WORK-DIRECTORY OUTPUT-DIRECTORY
#
# leaves rootfs.tar.zst and version in the output directory. Needs root,
# debootstrap and zstd.
set -euo pipefail

recipe=$1
work=$2
tree=$work/tree
output=$3

# A build that was killed may have left its tree with /proc mounted in it.
discard() {
    umount -l "$tree/proc" "$tree/sys" 2>/dev/null || true
    rm -rf --one-file-system "$work"
}
discard
trap discard EXIT
mkdir -p "$tree" "$output"

# The mirror and the proxy are whatever the host's own apt uses.
mirror=$(find /etc/apt/sources.list /etc/apt/sources.list.d -type f \( -name '*.list' -o -name '*.sources' \) -exec \
    sed -nE 's/^(URIs: *|deb +(\[[^]]*\] +)?)(https?:[^ ]*\/debian)\/?( .*)?$/\3/p' {} + 2>/dev/null | sort -u | head -n 1) || true
proxy=$(apt-config shell http_proxy Acquire::http::Proxy)
if [ -n "$proxy" ]; then
    eval "export $proxy"
fi

debootstrap --variant=minbase --include=mysql-server sid "$tree" ${mirror:+"$mirror"} # otherwise debootstrap's own default

rm -rf "$tree"/etc/mysql/* "$tree"/var/lib/mysql "$tree"/var/log/mysql/* \
    "$tree"/var/cache/apt/* "$tree"/var/cache/debconf/* "$tree"/var/lib/apt/lists/* \
    "$tree"/usr/share/doc/* "$tree"/usr/share/man/* "$tree"/usr/share/info/* \
    "$tree"/usr/share/locale/* "$tree"/usr/lib/mysql-test "$tree"/usr/share/mysql-test
ln -sfn my.cnf "$tree/etc/mysql/mysql.cnf"
install -m 0644 "$recipe/my.cnf" "$tree/etc/mysql/my.cnf"
ln -sfn /etc/mysql/my.cnf "$tree/etc/my.cnf"
install -m 0755 "$recipe/entrypoint.sh" "$tree/usr/local/bin/entrypoint.sh"
install -d -m 0755 -o root -g root "$tree/docker-entrypoint-initdb.d"
chroot "$tree" install -d -m 0750 -o mysql -g mysql /var/lib/mysql
chroot "$tree" install -d -m 0755 -o mysql -g mysql /var/run/mysqld

# A small redo log keeps the copy small that each container makes of the data
# directory; the server resizes it to its own setting when it starts.
chroot "$tree" mysqld --initialize-insecure --user=mysql --innodb-redo-log-capacity=8M

# One start makes the TLS and RSA keys. The server's identity and its binary
# logs are each container's own.
echo 'SHUTDOWN;' >"$tree/tmp/shutdown.sql"
chroot "$tree" mysqld --user=mysql --innodb-redo-log-capacity=8M --skip-networking \
    --skip-log-bin --init-file=/tmp/shutdown.sql
rm -rf "$tree/tmp/shutdown.sql" "$tree"/var/lib/mysql/auto.cnf "$tree"/var/lib/mysql/binlog.* \
    "$tree"/var/lib/mysql/*.err

chroot "$tree" mysqld --version | sed -E 's/.* Ver ([0-9]+\.[0-9]+\.[0-9]+).*/\1/' >"$output/version"
tar -C "$tree" -c . | zstd -q -T0 -1 -o "$output/rootfs.tar.zst"
