#!/bin/bash
# Builds the root file system of an image that holds the stock tools with which
# a point is restored by hand, and nothing else, as a compressed tar: Debian's
# stable packages, as somebody would install them.
#
#   build.sh RECIPE-DIRECTORY WORK-DIRECTORY OUTPUT-DIRECTORY
#
# leaves rootfs.tar.zst in the output directory. Needs root, debootstrap and zstd.
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

debootstrap --variant=minbase --include="$(paste -sd, "$recipe/packages")" \
    bookworm "$tree" ${mirror:+"$mirror"} # otherwise debootstrap's own default

rm -rf "$tree"/var/cache/apt/* "$tree"/var/cache/debconf/* "$tree"/var/lib/apt/lists/* "$tree"/var/lib/mysql \
    "$tree"/usr/share/doc/* "$tree"/usr/share/man/* "$tree"/usr/share/info/* "$tree"/usr/share/locale/*
tar -C "$tree" -c . | zstd -q -T0 -1 -o "$output/rootfs.tar.zst"
