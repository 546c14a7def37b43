#!/usr/bin/env bash
# Lints the Helm chart and packs it: OUT/yunxiao-token-exporter-VERSION.tgz. The version is that of the exporter.
# usage: build-chart.sh OUT      with helm on PATH; scripts/kubernetes-tools.sh fetches it
set -euo pipefail
out=$(mkdir -p "$1" && realpath "$1")
cd "$(dirname "$0")/.."
chart=deploy/helm/yunxiao-token-exporter
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' exporter/__init__.py)
grep -qx "version: $version" "$chart/Chart.yaml" || {
    echo "$chart is not of version $version; run: make docs" >&2
    exit 1
}
helm lint --strict --quiet "$chart"
helm package "$chart" --destination "$out"
