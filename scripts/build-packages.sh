#!/usr/bin/env bash
# Builds the Debian and RPM packages of this machine's architecture, or of those that are named. One package serves
# Python 3.11, 3.12 and 3.13. Needs the packaging tools first on PATH, a Python with `build`, `hatchling` and
# `setuptools` among them, and pip's index; two builds of a commit give the same bytes.
# usage: build-packages.sh OUT [amd64 | arm64]...
set -euo pipefail
out=$(realpath -m "$1")
shift
cd "$(dirname "$0")/.."
python3 -c 'import build, hatchling, packaging, setuptools' 2>/dev/null || {
    echo "build-packages.sh: the tools of requirements-packaging.lock are not first on PATH; make packages puts them there" >&2
    exit 1
}

host=$(uname -m)
if (($# == 0)); then
    if [[ $host == aarch64 ]]; then set -- arm64; else set -- amd64; fi
fi
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
date=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
export SOURCE_DATE_EPOCH
umask 022

name=yunxiao-token-exporter
version=$(scripts/version.sh)
# In Debian and RPM, ~ comes before the release: 1.0.0rc1 is 1.0.0~rc1.
package_version=$(sed -E 's/\.?(a|b|rc|dev)([0-9]+)$/~\1\2/' <<<"$version")

lay_out() { # lay_out MACHINE [--python VERSION]: the files of a package for an architecture
    python3 scripts/wheelhouse.py "$stage/$1" --architecture "$@"
    python3 scripts/package_tree.py "$stage/$1/wheels" "$stage/$1/tree"
    python3 scripts/place_documents.py package "$stage/$1/tree/usr/share"
}

declare -A machines=()
for architecture in "$@"; do
    case $architecture in
    amd64) machines[$architecture]=x86_64 ;;
    arm64) machines[$architecture]=aarch64 ;;
    *)
        echo "build-packages.sh: unknown architecture $architecture; amd64 and arm64 are possible" >&2
        exit 2
        ;;
    esac
    lay_out "${machines[$architecture]}"
done

# The manual page and completions come from the command, which runs on this machine only.
[[ -d $stage/$host ]] || lay_out "$host" --python "$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
modules=$(printf '%s:' "$stage/$host/tree/usr/lib/$name"/{common,python3.*})
PYTHONPATH=$modules python3 -s -S -B scripts/command_files.py "$stage/commands"

cat >"$stage/changelog.yaml" <<END
- semver: $version
  date: $date
  packager: $(sed -n 's/^maintainer: //p' deploy/packages/nfpm.yaml)
  deb: {urgency: medium, distributions: [unstable]}
  changes:
    - note: "Release $version, see changelog.gz in /usr/share/doc/$name."
END

mkdir -p "$out"
for architecture in "$@"; do
    machine=${machines[$architecture]}
    tree=$stage/$machine/tree
    install -D -m 644 "$stage/commands/$name.bash" "$tree/usr/share/bash-completion/completions/$name"
    install -D -m 644 "$stage/commands/$name.fish" "$tree/usr/share/fish/vendor_completions.d/$name.fish"
    mkdir -p "$tree/usr/share/man/man1"
    gzip -9n <"$stage/commands/$name.1" >"$tree/usr/share/man/man1/$name.1.gz"
    find "$tree" "$stage/commands" -exec touch -h -d "$date" {} +
    sed -e "s|@TREE@|$tree|; s|@STAGE@|$stage|; s|@ARCH@|$architecture|; s|@VERSION@|$package_version|" \
        deploy/packages/nfpm.yaml >"$stage/nfpm.yaml"
    nfpm package --config "$stage/nfpm.yaml" --packager deb --target "$out/${name}_${version}_$architecture.deb"
    nfpm package --config "$stage/nfpm.yaml" --packager rpm --target "$out/${name}_${version}_$machine.rpm"
done
