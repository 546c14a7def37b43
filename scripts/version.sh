#!/usr/bin/env bash
# Prints the version in the code.
# usage: version.sh
set -euo pipefail
sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$(dirname "$0")/../exporter/__init__.py"
