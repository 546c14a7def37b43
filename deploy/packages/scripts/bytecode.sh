#!/bin/sh
# Compiles the modules for each Python of the system that the package supports, or removes what was compiled. Without
# byte-code everything works, but each command takes some seconds longer to start.
# usage: bytecode.sh compile | remove
set -eu
library=/usr/lib/yunxiao-token-exporter
if [ -d "$library" ]; then
    find "$library" -depth -type d -name __pycache__ -exec rm -rf {} +
fi
if [ "${1:-}" != compile ]; then
    exit 0
fi
for modules in "$library"/python3.*; do
    python=/usr/bin/${modules##*/}
    if [ -x "$python" ]; then
        "$python" -I -m compileall -q -j 0 "$library/common" "$modules" || echo "$python: some modules were not compiled" >&2
    fi
done
