#!/usr/bin/env bash
# Installs WHEEL with its pinned dependencies and writes what is then there (SBOM: versions, licenses, who needs what) as
# CycloneDX JSON into OUT. Needs the tools of requirements-packaging.lock on PATH.
# usage: build-sbom.sh WHEEL OUT
set -euo pipefail
wheel=$(realpath "$1") out=$(realpath -m "$2")
cd "$(dirname "$0")/.."
version=$(basename "$wheel" | cut -d- -f2)
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
pip=("$work/venv/bin/python" -m pip --disable-pip-version-check --quiet)
"${pip[@]}" install --require-hashes -r requirements.lock
"${pip[@]}" install --no-deps --no-index "$wheel"
"${pip[@]}" uninstall --yes pip setuptools 2>/dev/null
cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible --output-format JSON \
    --output-file "$work/sbom.json" "$work/venv/bin/python"
# The version is not in pyproject.toml, so the tool does not know it.
"${PYTHON:-python3}" - "$work/sbom.json" "$version" >"$out/yunxiao-token-exporter-$version.cdx.json" <<'PYTHON'
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    sbom = json.load(file)
sbom["metadata"]["component"]["version"] = sys.argv[2]
json.dump(sbom, sys.stdout, indent=2)
print()
PYTHON
