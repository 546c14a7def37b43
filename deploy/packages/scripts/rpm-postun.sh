#!/bin/sh
# RPM: systemd forgets the units of a removed package. The configuration, the state and the account stay.
if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload || :
fi
exit 0
