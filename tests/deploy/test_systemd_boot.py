"""The service under the real systemd, which is booted in namespaces of its own: the isolation lets it work."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import pytest
from conftest import needed
from support import running

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).parents[2]
NAME = "yunxiao-token-exporter"
NOT_POSSIBLE = 77

# The folder of the interpreter may be in a home folder, which the service cannot see.
PREPARE = f"""
cp {quote(str(ROOT))}/deploy/systemd/* "$units/"
mkdir -p "$root/opt/code" "$root/opt/base" "$root/opt/site"
cp -r {quote(str(ROOT))}/exporter "$root/opt/code/"
chmod -R a+rX "$root/opt/code"
mount --bind {quote(sys.base_prefix)} "$root/opt/base"
mount --bind {quote(sysconfig.get_path("purelib"))} "$root/opt/site"
cat >"$root/usr/bin/{NAME}" <<'END'
#!/bin/sh
export PYTHONPATH=/opt/code:/opt/site LD_LIBRARY_PATH=/opt/base/lib
exec /opt/base/bin/python3.{sys.version_info.minor} -s -m exporter "$@"
END
chmod 755 "$root/usr/bin/{NAME}"
chroot "$root" useradd --system --user-group {NAME}
"""
SCRIPT = f"""
unit={NAME}
save() {{ name=$1; shift; "$@" >"/out/$name" 2>&1 || echo "exit code $?" >>"/out/$name"; }}
until_found() {{ for _ in $(seq 100); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; }}
changed() {{ [ "$(systemctl show -P MainPID $unit)" -gt 1 ] && [ "$(systemctl show -P MainPID $unit)" != "$1" ]; }}

cd /opt/code
PYTHONPATH=/opt/code:/opt/site LD_LIBRARY_PATH=/opt/base/lib /opt/base/bin/python3.{sys.version_info.minor} \\
    -m exporter.platform.yunxiao.simulator --users 5 --write-config /run/sim &
until_found test -e /run/sim/config.yaml
install -d -m 750 -g $unit /etc/$unit
sed "s#token_file: .*#token_file: /run/credentials/$unit.service/token#" /run/sim/config.yaml >/etc/$unit/config.yaml
echo 'storage: {{path: /var/lib/{NAME}/state.db}}' >>/etc/$unit/config.yaml
cp /run/sim/users.yaml /etc/$unit/
install -m 600 /run/sim/token /etc/$unit/token
echo 'ARGS="--web.listen-address=127.0.0.1:10097"' >/etc/default/$unit
mkdir /etc/systemd/system/$unit.service.d
printf '[Service]\\nStandardError=append:/out/exporter.log\\n' >/etc/systemd/system/$unit.service.d/log.conf
systemctl daemon-reload

save start systemctl start $unit
until_found curl --fail --silent http://127.0.0.1:10097/-/ready
save state systemctl show --property ActiveState,StatusText $unit
save metrics curl --silent http://127.0.0.1:10097/metrics
save process cat "/proc/$(systemctl show -P MainPID $unit)/status"
save reload systemctl reload $unit
until_found grep "configuration reloaded" /out/exporter.log

printf '[Service]\\nWatchdogSec=2\\nRestartSec=0\\n' >/etc/systemd/system/$unit.service.d/watchdog.conf
systemctl daemon-reload
systemctl restart $unit
sleep 3
save healthy systemctl show --property NRestarts $unit
pid=$(systemctl show -P MainPID $unit)
[ "$pid" -gt 1 ] && kill -STOP "$pid"
until_found changed "$pid"
until_found curl --fail --silent http://127.0.0.1:10097/-/ready
save restarted systemctl show --property ActiveState,NRestarts $unit
save stop systemctl stop $unit
save stopped systemctl show --property ActiveState,Result $unit

rm /etc/default/$unit
systemctl reset-failed $unit 2>/dev/null
systemctl start $unit.socket
save activated curl --silent http://127.0.0.1:10097/-/healthy
systemctl stop $unit.socket $unit

rm /etc/$unit/token
sed -i "s#token_file: .*#token_file: other#" /etc/$unit/config.yaml
install -m 640 -g $unit /run/sim/token /etc/$unit/other
save other systemctl start $unit
"""


class Booted:
    """What the script has saved."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, name: str) -> str:
        return (self._folder / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Generator[Booted]:
    needed("systemctl")
    folder = tmp_path_factory.mktemp("boot")
    (folder / "out").mkdir()
    (folder / "prepare").write_text(PREPARE)
    (folder / "script").write_text(SCRIPT)
    done = subprocess.run(
        ["bash", ROOT / "tests/support/boot-systemd.sh", folder],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    for file in sorted((folder / "out").iterdir()):
        running.keep(f"boot {file.name}", file.read_bytes())
    if done.returncode == NOT_POSSIBLE:
        pytest.skip("this needs root and the right to mount")
    assert done.returncode == 0, done.stdout + done.stderr
    yield Booted(folder / "out")
    shutil.rmtree(folder)


def test_the_service_starts_with_a_token_that_only_root_can_read(booted: Booted) -> None:
    assert booted["start"] == ""
    assert "ActiveState=active\n" in booted["state"]
    assert "StatusText=Organizations: 1, users: 5, failing users: 0" in booted["state"]
    assert booted["metrics"].count("\nyunxiao_user_up{") == 5
    assert "\nyunxiao_user_failure{" not in booted["metrics"]


def test_the_process_has_no_rights_and_a_filter_of_system_calls(booted: Booted) -> None:
    fields = dict(line.split(":\t", 1) for line in booted["process"].splitlines() if ":\t" in line)
    assert (fields["CapEff"], fields["CapBnd"]) == ("0000000000000000", "0000000000000000")
    assert (fields["NoNewPrivs"], fields["Seccomp"], fields["Umask"]) == ("1", "2", "0077")
    assert "0" not in fields["Uid"].split()


def test_metrics_of_the_process_are_there(booted: Booted) -> None:
    for name in ("process_resident_memory_bytes", "process_start_time_seconds", "process_open_fds"):
        assert f"\n{name} " in booted["metrics"]


def test_a_reload_is_accepted(booted: Booted) -> None:
    assert booted["reload"] == ""
    assert booted["exporter.log"].count("configuration reloaded") == 1


def test_the_watchdog_restarts_a_process_that_hangs_and_no_other(booted: Booted) -> None:
    assert booted["healthy"] == "NRestarts=0\n"
    assert booted["restarted"] == "NRestarts=1\nActiveState=active\n"
    # The fault handler shows where each thread was.
    assert "Fatal Python error: Aborted" in booted["exporter.log"]


def test_a_stop_succeeds(booted: Booted) -> None:
    assert (booted["stop"], booted["stopped"]) == ("", "Result=success\nActiveState=inactive\n")


def test_the_socket_unit_starts_the_service(booted: Booted) -> None:
    assert booted["activated"] == "yunxiao-token-exporter is healthy.\n"


def test_a_token_elsewhere_needs_no_change_of_the_unit(booted: Booted) -> None:
    assert booted["other"] == ""
