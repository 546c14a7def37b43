#!/bin/sh
# RPM: stops the service before a removal ($1 is 0), not before an upgrade.
name=yunxiao-token-exporter
if [ "$1" -eq 0 ]; then
    if [ -d /run/systemd/system ]; then
        systemctl --quiet disable --now "$name.socket" "$name.service" || :
    fi
    "/usr/lib/$name/bytecode.sh" remove || :
fi
exit 0
