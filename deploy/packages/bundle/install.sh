#!/bin/sh
# Installs yunxiao-token-exporter from this folder into a virtual environment. Asks no package index.
# usage: [PYTHON=/path/to/python3.12] ./install.sh DIRECTORY
set -eu
if [ $# -ne 1 ]; then
    echo "usage: [PYTHON=/path/to/python3.12] $0 DIRECTORY, such as /opt/yunxiao-token-exporter" >&2
    exit 2
fi
mark=.yunxiao-token-exporter
case $1 in
/*) target=$1 ;;
*) target=$PWD/$1 ;;
esac
# What is there is replaced as a whole, so that nothing of an older release stays: only an installation of the exporter
# may be, or what is left of one that was interrupted.
if [ -e "$target" ] && [ -n "$(ls -A "$target")" ]; then
    if [ ! -e "$target/pyvenv.cfg" ]; then
        echo "$0: $target exists and is no virtual environment; name another directory" >&2
        exit 1
    fi
    if [ ! -e "$target/bin/yunxiao-token-exporter" ] && [ ! -e "$target/$mark" ]; then
        echo "$0: $target is a virtual environment of something else; name another directory" >&2
        exit 1
    fi
fi
cd "$(dirname "$0")"

sha256sum --quiet --check SHA256SUMS >&2 || {
    echo "$0: files of the bundle are damaged or missing, see above; copy it again" >&2
    exit 1
}

python=${PYTHON:-}
if [ -z "$python" ]; then
    for version in 3.13 3.12 3.11; do
        if command -v "python$version" >/dev/null; then
            python=python$version
            break
        fi
    done
fi
if [ -z "$python" ]; then
    echo "$0: python3.13, python3.12 or python3.11 is needed; PYTHON=/path/to/python3.12 names one that is not on PATH" >&2
    exit 1
fi
"$python" -c '
import platform, sys
supported = [(3, 11), (3, 12), (3, 13)]
if sys.version_info[:2] not in supported:
    sys.exit("install.sh: %s is Python %d.%d; the bundle is for 3.11, 3.12 and 3.13" % ((sys.executable,) + sys.version_info[:2]))
if platform.machine() != "@MACHINE@":
    sys.exit("install.sh: this machine is %s; the bundle is for @MACHINE@" % platform.machine())
if platform.libc_ver()[0] != "glibc":
    sys.exit("install.sh: this system has no glibc, but the wheels need it; use the container image")
try:
    import ensurepip, venv
except ImportError:
    sys.exit("install.sh: this Python cannot create virtual environments; on Debian and Ubuntu, install python3-venv")
'

# Settings of pip must not lead to an index or to other versions.
for variable in $(env | sed -n 's/^\(PIP_[A-Z_]*\)=.*/\1/p'); do
    unset "$variable"
done
export PIP_CONFIG_FILE=/dev/null PIP_DISABLE_PIP_VERSION_CHECK=1
"$python" -m venv --clear "$target"
: >"$target/$mark"
"$target/bin/python" -m pip install --quiet --no-index --find-links wheels --only-binary :all: --require-hashes \
    --requirement requirements.txt
"$target/bin/yunxiao-token-exporter" --version
echo "installed: $target/bin/yunxiao-token-exporter; README.md says how to run it as a service" >&2
