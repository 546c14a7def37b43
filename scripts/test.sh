#!/usr/bin/env bash
# Runs all tests but those of packages (check-packaging.sh), several files in parallel because most tests wait for something; then searches their output for secrets.
# usage: test.sh PYTHON [PYTEST-ARGUMENT…]
set -euo pipefail
python=$1
shift
EVIDENCE_FOLDER=$(mktemp -d)
export EVIDENCE_FOLDER
trap 'rm -rf "$EVIDENCE_FOLDER"' EXIT
"$python" -m pytest -n 3 --dist loadfile --no-loadscope-reorder --ignore tests/test_no_secret_shown.py --ignore tests/deploy "$@"
"$python" -m pytest -q tests/test_no_secret_shown.py
