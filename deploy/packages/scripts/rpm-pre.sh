#!/bin/sh
# RPM: creates the account, to which directories of the package belong.
name=yunxiao-token-exporter
getent group "$name" >/dev/null || groupadd --system "$name"
getent passwd "$name" >/dev/null || useradd --system --gid "$name" --home-dir "/var/lib/$name" --no-create-home \
    --shell /usr/sbin/nologin --comment "Yunxiao token exporter" "$name"
exit 0
