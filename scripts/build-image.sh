#!/usr/bin/env bash
# Builds the container image with docker, podman or buildah.
# usage: build-image.sh [TAG [BUILD-OPTION…]]
# environment: BUILDER    the command, if not the first of the three that works
#              REGISTRY, PYTHON_IMAGE, PIP_INDEX_URL, PIP_TRUSTED_HOST    mirrors, see Dockerfile
#              SOURCE_DATE_EPOCH    seconds for the label `created`, if not the time of the commit
set -euo pipefail
cd "$(dirname "$0")/.."

works() {
    case $1 in
    docker) docker version --format '{{.Server.Version}}' ;;
    *) "$1" --version ;;
    esac >/dev/null 2>&1
}

version=$(scripts/version.sh)
tag=${1:-yunxiao-token-exporter:$version}
shift $(($# > 0))

read -ra builder <<<"${BUILDER:-}"
if ((${#builder[@]} == 0)); then
    for candidate in docker podman buildah; do
        if works "$candidate"; then
            builder=("$candidate")
            break
        fi
    done
fi
if ((${#builder[@]} == 0)); then
    echo "no builder of images works: install buildah, podman or docker, and check that docker's daemon is running" >&2
    exit 1
fi

options=(--tag "$tag" --build-arg "VERSION=$version")
# OCI images of podman and buildah have no health check.
[[ ${builder[0]##*/} == docker ]] || options+=(--format docker)
if revision=$(git rev-parse HEAD 2>/dev/null); then
    git diff --quiet HEAD || revision+=-dirty
    options+=(--build-arg "REVISION=$revision")
    : "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
fi
created=$(date --utc --date="@${SOURCE_DATE_EPOCH:-$(date +%s)}" +%Y-%m-%dT%H:%M:%SZ)
options+=(--build-arg "CREATED=$created")
for name in REGISTRY PYTHON_IMAGE PIP_INDEX_URL PIP_TRUSTED_HOST; do
    # With the value of the environment.
    [[ -z ${!name:-} ]] || options+=(--build-arg "$name=${!name}")
done
echo "building $tag with ${builder[*]}" >&2
exec "${builder[@]}" build "${options[@]}" "$@" .
