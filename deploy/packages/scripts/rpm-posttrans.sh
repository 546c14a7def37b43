#!/bin/sh
# RPM: compiles after an upgrade has removed the old modules, then restarts the service if it runs. A new service does
# not start by itself: it needs a configuration.
name=yunxiao-token-exporter
"/usr/lib/$name/bytecode.sh" compile || :
if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload || :
    systemctl try-restart "$name.service" || :
fi
if [ ! -e "/etc/$name/config.yaml" ]; then
    echo "$name is not configured yet: see /usr/share/doc/$name/docs/installation.md"
fi
exit 0
