#!/bin/sh
# Debian: stops the service before a removal, and removes the byte-code, which belongs to no package.
set -e
name=yunxiao-token-exporter

case "$1" in
remove | deconfigure)
    if [ -d /run/systemd/system ]; then
        systemctl --quiet disable --now "$name.socket" "$name.service" || true
    elif command -v systemctl >/dev/null; then
        systemctl --quiet --no-reload disable "$name.socket" "$name.service" || true
    fi
    "/usr/lib/$name/bytecode.sh" remove
    ;;
upgrade)
    "/usr/lib/$name/bytecode.sh" remove
    ;;
failed-upgrade) ;;
*)
    echo "prerm: unknown argument: $1" >&2
    exit 1
    ;;
esac
