#!/bin/sh
# Debian: creates the account and the directories. The service does not start by itself: it needs a configuration.
set -e
name=yunxiao-token-exporter

create_account() {
    if command -v systemd-sysusers >/dev/null; then
        systemd-sysusers "$name.conf"
        return
    fi
    # Either may exist: a configuration management may have created the group, or an administrator the account.
    getent group "$name" >/dev/null || groupadd --system "$name"
    getent passwd "$name" >/dev/null ||
        useradd --system --gid "$name" --home-dir "/var/lib/$name" --no-create-home --shell /usr/sbin/nologin \
            --comment "Yunxiao token exporter" "$name"
}

case "$1" in
configure)
    create_account
    # Only if the directory is new: an administrator may want other permissions.
    if [ "$(stat -L -c %G "/etc/$name")" = root ]; then
        chown "root:$name" "/etc/$name"
        chmod 0750 "/etc/$name"
    fi
    if [ ! -e "/etc/$name/config.yaml" ]; then
        echo "$name is not configured yet: see /usr/share/doc/$name/docs/installation.md"
    fi
    if [ ! -d "/var/lib/$name" ]; then
        install -d -o "$name" -g "$name" -m 0700 "/var/lib/$name"
    fi
    "/usr/lib/$name/bytecode.sh" compile
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload || true
        if [ -n "$2" ]; then
            systemctl try-restart "$name.service" || true
        fi
    fi
    ;;
triggered | abort-upgrade | abort-remove | abort-deconfigure)
    # A Python was installed or removed, or the package stays after prerm has removed the byte-code.
    "/usr/lib/$name/bytecode.sh" compile
    ;;
*)
    echo "postinst: unknown argument: $1" >&2
    exit 1
    ;;
esac
