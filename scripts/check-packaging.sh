#!/usr/bin/env bash
# Builds and checks the chart, packages, image and site, with the tools in the virtual environment TOOLS.
# usage: check-packaging.sh PYTHON TOOLS [PYTEST-ARGUMENT…]
set -euo pipefail
python=$1
PATH="$(realpath "$2")/bin:$PATH"
export PATH
shift 2
exec "$python" -m pytest -n 2 --dist loadfile tests/deploy "$@"
