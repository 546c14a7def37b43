#!/usr/bin/env bash
# Lints the Helm chart and packs it: OUT/yunxiao-token-exporter-VERSION.tgz. The version is that of the exporter.
# usage: build-chart.sh OUT      with helm on PATH; scripts/kubernetes-tools.sh fetches it
set -euo pipefail
out=$(mkdir -p "$1" && realpath "$1")
cd "$(dirname "$0")/.."
if ! command -v helm >/dev/null && [[ "$(uname -m)" != x86_64 ]]; then
    echo "no helm for $(uname -m): the chart, which is the same for all machines, is built on x86-64" >&2
    exit 0
fi
chart=deploy/helm/yunxiao-token-exporter
version=$(scripts/version.sh)
grep -qx "version: $version" "$chart/Chart.yaml" || {
    echo "$chart is not of version $version; run: make docs" >&2
    exit 1
}
helm lint --strict --quiet "$chart"
# The same commit gives the same bytes: the archive has the times of the files.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r "$chart" "$copy/"
find "$copy" -exec touch --date "@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}" {} +
helm package "$copy/yunxiao-token-exporter" --destination "$out"
