#!/usr/bin/env bash
# Prints version=X.Y.Z of tag vX.Y.Z, if the code and the changelog have that version too.
# usage: release-version.sh TAG
set -euo pipefail
cd "$(dirname "$0")/.."
wanted=${1#v}
code=$(scripts/version.sh)
if [[ "$code" != "$wanted" ]]; then
    echo "tag $1, but exporter/__init__.py has version $code" >&2
    exit 1
fi
if ! grep -q "^## $wanted - [0-9-]*$" CHANGELOG.md; then
    echo "CHANGELOG.md has no line \"## $wanted - YYYY-MM-DD\"" >&2
    exit 1
fi
echo "version=$wanted"
