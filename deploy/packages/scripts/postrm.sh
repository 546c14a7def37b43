#!/bin/sh
# Debian: a purge removes the configuration and the state. The account stays, because files elsewhere may belong to it.
set -e

case "$1" in
purge)
    for directory in /etc/yunxiao-token-exporter /var/lib/yunxiao-token-exporter; do
        rm -rf "$directory" || echo "$directory stays; if it is a mount point, unmount and remove it" >&2
    done
    ;;
remove | upgrade | failed-upgrade | abort-install | abort-upgrade | disappear) ;;
*)
    echo "postrm: unknown argument: $1" >&2
    exit 1
    ;;
esac
if [ "$1" != upgrade ] && [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload || true
fi
