"""What systemd is sent: over a real socket, by real daemons."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import threading
import time
import warnings
from functools import partial
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs
from support.running import Exporter, Running, a_record, a_simulator, command, free_port, wait_until, write_config
from support.systemd import Systemd

from exporter.app.daemon import Daemon
from exporter.app.daemon_parts import Options
from exporter.app.service_manager import service_manager
from exporter.common.clock import SystemClock
from exporter.config.load import load
from exporter.web.security import WebSecurity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.platform.yunxiao.simulator.server import Simulator


@pytest.fixture
def platform() -> Iterator[Simulator]:
    with a_simulator({user: [a_record(f"pt-{user}")] for user in "AB"}) as simulator:
        yield simulator


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    with Systemd(str(tmp_path / "notify")) as one:
        yield one


def test_a_daemon_reports_its_start_and_its_end_to_a_socket_in_the_abstract_namespace() -> None:
    demo = [sys.executable, "-m", "exporter", "demo", "--users", "3"]
    with Systemd(f"@yunxiao-test-{os.getpid()}") as systemd:
        # The watchdog of another process, such as a wrapper, is not this one's.
        environment = systemd.environment | {"WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"}
        with Running([*demo, "--web.listen-address", f"127.0.0.1:{free_port()}"], environment) as daemon:
            wait_until(lambda: systemd.received("READY=1"))
            wait_until(lambda: systemd.received("STATUS=Organizations: 1"))
            daemon.signal(signal.SIGTERM)
            wait_until(lambda: systemd.received("STOPPING=1"))
            assert daemon.ended() == 0
        assert systemd.order("READY=1", "STOPPING=1") == [0, len(systemd.messages) - 1]
        assert systemd.received("WATCHDOG=1") == []


def test_it_is_ready_when_it_answers_and_not_only_after_the_first_sweep(
    platform: Simulator, systemd: Systemd, tmp_path: Path
) -> None:
    platform.faults.latency = 30.0
    with Exporter(write_config(tmp_path, platform, "A"), env=systemd.environment) as exporter:
        wait_until(lambda: systemd.received("READY=1"))
        assert exporter.answers("/-/healthy")
        assert not exporter.answers("/-/ready")
        wait_until(lambda: systemd.received("users: 1, failing users: 0, organizations without a complete sweep: 1$"))


def test_a_reload_is_announced_with_the_time_of_the_kernel_and_ends_even_if_it_is_refused(
    platform: Simulator, systemd: Systemd, tmp_path: Path
) -> None:
    config = write_config(tmp_path, platform, "A")
    with Exporter(config, env=systemd.environment).ready() as exporter:
        wait_until(lambda: systemd.received("READY=1"))
        for number, text in enumerate((config.read_text(), "organizations: 1\n"), 1):
            config.write_text(text)
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            exporter.signal(signal.SIGHUP)
            wait_until(partial(systemd.at_least, number + 1, "^READY=1$"))
            reloading = systemd.received("RELOADING=1")
            assert len(reloading) == number
            begun = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", reloading[-1])
            assert begun is not None
            # systemd ignores a reload that began before its signal.
            assert before <= int(begun[1]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            messages = [one for one in systemd.messages if "STATUS" not in one]
            assert messages[-2:] == [reloading[-1], "READY=1"]
        assert "reload refused" in exporter.output


def test_the_watchdog_is_served_until_a_thread_is_stuck(
    platform: Simulator, systemd: Systemd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.address)
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    clock, settings = SystemClock(), load(write_config(tmp_path, platform, "A"), {})
    options = Options(manager=service_manager(os.getpid(), clock))
    daemon = Daemon(settings, lambda: settings, [], WebSecurity.none(), clock, options)
    go_on, stuck = threading.Event(), threading.Event()

    def hang() -> None:
        stuck.set()
        go_on.wait(30)

    worker = daemon._parts.base.supervisor.worker("victim", hang, stuck_after=0.3)
    try:
        daemon.start()
        wait_until(lambda: len(systemd.received("WATCHDOG=1")) > 3)
        worker.start()
        assert stuck.wait(5)
        wait_until(lambda: systemd.received("STATUS=Unhealthy: victim has been stuck for"))
        served = len(systemd.received("WATCHDOG=1"))
        time.sleep(0.5)  # longer than the watchdog's time
        assert len(systemd.received("WATCHDOG=1")) == served
        go_on.set()
        wait_until(lambda: len(systemd.received("WATCHDOG=1")) > served)
    finally:
        go_on.set()
        worker.stop()
        daemon.stop()


def test_child_processes_do_not_get_the_variables(systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.address)
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    with contextlib.closing(service_manager(os.getpid(), SystemClock())) as manager:
        assert (manager.present, manager.watchdog) == (True, 1.0)
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & {*os.environ}


def test_a_service_manager_that_does_not_read_does_not_block_the_exporter(
    systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.app.service_manager._SEND_LIMIT", 0.1)
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.address)
    with contextlib.closing(service_manager(os.getpid(), SystemClock())) as manager, capture_logs() as logged:
        begun = time.monotonic()
        while not logged:
            manager.status("x" * 1000)
            assert time.monotonic() - begun < 5
    assert logged[0]["detail"] == "timed out"


@pytest.mark.parametrize(
    ("address", "detail"),
    [("/nowhere/notify", "[Errno 2] No such file or directory"), ("/" + 200 * "x", "AF_UNIX path too long")],
)
def test_a_socket_that_cannot_be_used_is_logged(monkeypatch: pytest.MonkeyPatch, address: str, detail: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with warnings.catch_warnings(action="ignore", category=ResourceWarning), capture_logs() as logged:
        manager = service_manager(os.getpid(), SystemClock())
    assert not manager.present
    assert [(entry["log_level"], entry["detail"]) for entry in logged] == [
        ("warning", f"NOTIFY_SOCKET {address}: {detail}")
    ]


def test_commands_that_end_do_not_notify(systemd: Systemd) -> None:
    assert command("--version", env=systemd.environment).returncode == 0
    assert systemd.received("") == []
