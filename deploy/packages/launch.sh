#!/bin/sh
# Runs the exporter with the newest Python of the system for which the package contains compiled modules.
# YUNXIAO_TOKEN_EXPORTER_PYTHON names another interpreter, such as one in /usr/local/bin.
set -eu
library=/usr/lib/yunxiao-token-exporter
python=${YUNXIAO_TOKEN_EXPORTER_PYTHON:-}
versions=
if [ -z "$python" ]; then
    for modules in "$library"/python3.*; do
        version=${modules##*/}
        versions="$versions $version"
        if [ -x "/usr/bin/$version" ]; then
            python=/usr/bin/$version
        fi
    done
fi
if [ -z "$python" ]; then
    echo "yunxiao-token-exporter: no supported Python in /usr/bin; install one of:$versions" >&2
    exit 2
fi
# Modules come from the package only, not from what else is installed for this Python.
unset PYTHONPATH PYTHONHOME
exec "$python" -s -S "$library/launch.py" "$@"
