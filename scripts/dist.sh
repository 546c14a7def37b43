#!/usr/bin/env bash
# Builds all that a release consists of, but the images, into dist/.
# Needs the tools of requirements-packaging.lock on PATH.
# usage: dist.sh
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf dist
# The same commit gives the same bytes.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
scripts/build-python.sh dist/python
scripts/build-sbom.sh dist/python/*.whl dist
scripts/build-chart.sh dist
scripts/build-packages.sh dist
scripts/build-bundle.sh dist
sums=$(cd dist && find . -type f -printf '%P\n' | LC_ALL=C sort | xargs sha256sum)
tee dist/SHA256SUMS <<<"$sums"
