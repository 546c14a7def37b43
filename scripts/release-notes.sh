#!/usr/bin/env bash
# Prints what CHANGELOG.md says about VERSION.
# usage: release-notes.sh VERSION
set -euo pipefail
cd "$(dirname "$0")/.."
awk -v heading="## $1 - " '
    index($0, heading) == 1 { found = 1; next }
    found && /^## / { exit }
    found { print }
    END { exit !found }
' CHANGELOG.md
