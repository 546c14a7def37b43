"""The cost of a sweep, compared with a loop with requests and one with curl and jq, on the same simulated platform.

usage: python -m bench.sweep USERS
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import requests
import urllib3
import yaml

from bench.table import Row, markdown
from exporter.app.once import sweep_once
from exporter.common import logs
from exporter.common.clock import SystemClock
from exporter.common.log_options import Format, Level
from exporter.config.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.config.settings import Settings

LATENCY = 0.05
WORKERS = 64
_SWEEPS = 5
_FEW = 100
"""Users for the loops, whose time per user does not depend on the number."""


def sweeping(users: int) -> str:
    """A table of time and CPU per user.

    It is measured in a process of its own, since the garbage collector would scan what other benchmarks left.
    """
    command = [sys.executable, "-m", "bench.sweep", str(users)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _sweeping(users: int) -> str:
    with platform(users) as folder:
        settings = load(folder / "config.yaml", os.environ)
        rows = [_ours(settings, users), _plain(settings), _urllib3(settings)]
        if shutil.which("curl") and shutil.which("jq"):
            rows.append(_shell(settings, folder))
    title = f"A sweep at {LATENCY * 1000:.0f} ms latency, {users:,} users with {WORKERS} workers"
    return markdown(title, "seconds per user", rows)


@contextlib.contextmanager
def platform(users: int) -> Iterator[Path]:
    """A simulated platform in a process of its own; the folder has a configuration for it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-m", "exporter.platform.yunxiao.simulator", "--users", str(users)]
        command += ["--latency", str(LATENCY), "--write-config", name]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            while "Simulated platform" not in process.stdout.readline():
                pass
            file = folder / "config.yaml"
            config = yaml.safe_load(file.read_text(encoding="utf-8"))
            config["organizations"][0]["limits"]["concurrency"] = WORKERS
            file.write_text(yaml.safe_dump(config), encoding="utf-8")
            yield folder
        finally:
            process.kill()
            process.wait()


def _cpu(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def _ours(settings: Settings, users: int) -> Row:
    # The CPU time varies by a tenth from one sweep to the next.
    cpu, took = statistics.median_low(_sweep(settings, users) for _ in range(_SWEEPS))
    note = f"{1 / took:,.0f} requests per second, {cpu * 1000:.2f} ms CPU each, median of {_SWEEPS} sweeps"
    return Row("ours", took, note)


def _sweep(settings: Settings, users: int) -> tuple[float, float]:
    """Seconds of CPU and of time that a sweep takes, each per user."""
    cpu, started = _cpu(resource.RUSAGE_SELF), time.perf_counter()
    outcome = sweep_once(settings, SystemClock(), lambda _: None, lambda _: None)
    took, cpu = time.perf_counter() - started, _cpu(resource.RUSAGE_SELF) - cpu
    assert not outcome.failures, outcome.failures
    return cpu / users, took / users


def _requests_of(settings: Settings) -> list[tuple[str, str]]:
    (organization,) = settings.organizations
    address = f"{organization.config.endpoint}/oapi/v1/platform/users/admin/personalAccessTokens"
    return [(address, user.user_id) for user in organization.users[:_FEW]]


def _plain(settings: Settings) -> Row:
    token = settings.organizations[0].token.current().reveal()
    wanted = _requests_of(settings)
    cpu, started = _cpu(resource.RUSAGE_SELF), time.perf_counter()
    with requests.Session() as session:
        for address, user_id in wanted:
            answer = session.get(address, params={"userId": user_id}, headers={"x-yunxiao-token": token}, timeout=10)
            answer.json()
    took, cpu = time.perf_counter() - started, _cpu(resource.RUSAGE_SELF) - cpu
    return Row("a loop with a requests session", took / len(wanted), f"{cpu / len(wanted) * 1000:.2f} ms CPU each")


def _urllib3(settings: Settings) -> Row:
    """What requests is based on, as a lower limit for the CPU of a poll."""
    token = settings.organizations[0].token.current().reveal()
    wanted = _requests_of(settings)
    cpu, started = _cpu(resource.RUSAGE_SELF), time.perf_counter()
    with urllib3.PoolManager() as pool:
        for address, user_id in wanted:
            headers = {"x-yunxiao-token": token}
            pool.request("GET", address, fields={"userId": user_id}, headers=headers, timeout=10, retries=0).json()
    took, cpu = time.perf_counter() - started, _cpu(resource.RUSAGE_SELF) - cpu
    return Row("a loop with a urllib3 pool", took / len(wanted), f"{cpu / len(wanted) * 1000:.2f} ms CPU each")


def _shell(settings: Settings, folder: Path) -> Row:
    """One curl and one jq per user, as in a typical shell script."""
    header = folder / "header"
    header.write_text(f"x-yunxiao-token: {settings.organizations[0].token.current().reveal()}\n", encoding="utf-8")
    wanted = _requests_of(settings)
    script = 'curl -fsS -H "@$0" "$1?userId=$2" | jq -r ".[] | [.token_id, .expired_at] | @tsv"'
    cpu, started = _cpu(resource.RUSAGE_CHILDREN), time.perf_counter()
    for address, user_id in wanted:
        command = ["sh", "-c", script, str(header), address, user_id]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    took, cpu = time.perf_counter() - started, _cpu(resource.RUSAGE_CHILDREN) - cpu
    return Row("a loop with curl and jq", took / len(wanted), f"{cpu / len(wanted) * 1000:.1f} ms CPU each")


if __name__ == "__main__":
    logs.configure(Level.ERROR, Format.LOGFMT)
    print(_sweeping(int(sys.argv[1])), end="")
