#!/usr/bin/env bash
# Builds the bundle with which the exporter is installed without a package index: for this machine's architecture, or for
# those that are named. Needs the packaging tools first on PATH, a Python with `build`, `hatchling` and `setuptools`
# among them, and pip's index. The chart of this version, if it is in OUT, becomes part of it.
# usage: build-bundle.sh OUT [x86_64 | aarch64]...
set -euo pipefail
out=$(realpath -m "$1")
shift
cd "$(dirname "$0")/.."
python3 -c 'import build, hatchling, packaging, setuptools' 2>/dev/null || {
    echo "build-bundle.sh: the tools of requirements-packaging.lock are not first on PATH; make bundle puts them there" >&2
    exit 1
}

if (($# == 0)); then set -- "$(uname -m)"; fi
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
umask 022
version=$(scripts/version.sh)

mkdir -p "$out"
for machine in "$@"; do
    name=yunxiao-token-exporter-bundle_${version}_$machine
    folder=$stage/$name
    python3 scripts/wheelhouse.py "$folder" --architecture "$machine"
    cp deploy/packages/bundle/README*.md LICENSE CHANGELOG.md "$folder"
    sed "s/@MACHINE@/$machine/g" deploy/packages/bundle/install.sh >"$folder/install.sh"
    chmod 755 "$folder/install.sh"
    mkdir -p "$folder/systemd" "$folder/prometheus" "$folder/grafana"
    cp deploy/systemd/* deploy/packages/environment "$folder/systemd"
    cp prometheus/rules.yaml "$folder/prometheus"
    cp deploy/helm/yunxiao-token-exporter/files/rules.zh.yaml "$folder/prometheus"
    cp exporter/dashboards/*.json "$folder/grafana"
    python3 scripts/place_documents.py bundle "$folder"
    chart=$out/yunxiao-token-exporter-$version.tgz
    if [[ -f $chart ]]; then install -D -m 644 -t "$folder/chart" "$chart"; fi
    (cd "$folder" && find . -type f -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum) >"$stage/SHA256SUMS"
    mv "$stage/SHA256SUMS" "$folder"
    tar --create --directory "$stage" --sort name --mtime "@$SOURCE_DATE_EPOCH" --owner 0 --group 0 --numeric-owner \
        --mode 'u+rw,go+r,go-w' --format gnu "$name" | gzip -9n >"$out/$name.tar.gz"
    echo "created bundle: $out/$name.tar.gz"
done
