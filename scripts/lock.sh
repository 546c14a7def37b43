#!/usr/bin/env bash
# Pins every dependency with hashes, for all supported Python versions, without naming a registry.
# usage: lock.sh PATH-OF-UV
set -euo pipefail
uv=$1
common=(--quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-header --no-annotate --upgrade)
"$uv" pip compile "${common[@]}" -o requirements.lock pyproject.toml
"$uv" pip compile "${common[@]}" -c requirements.lock -o requirements-dev.lock pyproject.toml --group dev
"$uv" pip compile "${common[@]}" -o requirements-packaging.lock --group packaging
"$uv" pip compile "${common[@]}" -c requirements-packaging.lock -o requirements-build.lock --group build
