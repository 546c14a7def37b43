#!/usr/bin/env bash
# Installs missing Debian packages as root; otherwise names them.
# usage: debian-packages.sh python | test | packaging | soak
set -euo pipefail

missing=()
need() { # need COMMAND PACKAGE
    command -v "$1" >/dev/null 2>&1 || missing+=("$2")
}

case "${1:-}" in
python)
    need python3 python3
    # Debian's python3 cannot create virtual environments without python3-venv.
    "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    ;;
test)
    need prometheus prometheus
    need promtool prometheus
    need prometheus-alertmanager prometheus-alertmanager
    need amtool prometheus-alertmanager
    need victoria-metrics victoria-metrics
    need vmalert victoria-metrics
    need chromium chromium
    need redis-server redis-server
    need faketime faketime
    need systemd-socket-activate systemd
    ;;
packaging)
    need systemd-analyze systemd
    need curl curl
    need ip iproute2
    need shellcheck shellcheck
    ;;
soak)
    need redis-server redis-server
    need faketime faketime
    ;;
*)
    echo "usage: $0 python | test | packaging | soak" >&2
    exit 2
    ;;
esac

if ((${#missing[@]} == 0)); then
    exit 0
fi
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
    echo "installing Debian packages: ${missing[*]}" >&2
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
    exit 0
fi
echo "missing Debian packages: ${missing[*]}; install them as root: apt-get install ${missing[*]}" >&2
# Tests without their server are skipped, except in CI, where no test may be skipped.
[[ "$1" == test && "${CI:-}" != true ]]
