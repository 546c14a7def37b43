#!/usr/bin/env bash
# Builds the source distribution, the wheel and the list of their dependencies (SBOM, CycloneDX) into OUT, and checks them.
# Needs the tools of requirements-packaging.lock on PATH.
# usage: build-python.sh OUT
set -euo pipefail
out=$(realpath -m "$1")
cd "$(dirname "$0")/.."
mkdir -p "$out"
# The same commit gives the same bytes.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}
export SOURCE_DATE_EPOCH
pyproject-build --no-isolation --outdir "$out" . >&2
twine check --strict "$out"/*.whl "$out"/*.tar.gz
check-wheel-contents "$out"/*.whl
