from __future__ import annotations

import pytest
from structlog.testing import capture_logs
from support.builders import ManualClock

from exporter.app.service_manager import ServiceManager, service_manager, watchdog_time


class Scene:
    """A service manager that keeps what it is sent."""

    def __init__(self, watchdog: float | None = None) -> None:
        self.sent: list[str] = []
        self.clock = ManualClock()
        self.manager = ServiceManager(self.clock, self.sent.append, watchdog)

    def since(self) -> list[str]:
        sent, self.sent[:] = list(self.sent), []
        return sent


def test_readiness_is_reported_once() -> None:
    scene = Scene()
    scene.manager.ready()
    scene.manager.ready()
    assert scene.since() == ["READY=1"]


def test_a_reload_is_reported_with_the_time_of_its_beginning_and_its_end() -> None:
    scene = Scene()
    scene.manager.ready()
    scene.since()
    scene.clock.advance(0.25)  # from 1000 s
    with scene.manager.reloading():
        assert scene.since() == ["RELOADING=1\nMONOTONIC_USEC=1000250000"]
        scene.clock.advance(5)
    assert scene.since() == ["READY=1"]


def test_a_reload_that_raises_has_ended_too() -> None:
    scene = Scene()
    scene.manager.ready()
    with pytest.raises(RuntimeError), scene.manager.reloading():
        raise RuntimeError("defect")
    assert scene.since()[-1] == "READY=1"


def test_a_reload_during_the_start_does_not_report_readiness() -> None:
    scene = Scene()
    with scene.manager.reloading():
        pass
    assert scene.since() == []


def test_nothing_is_ready_after_a_stop() -> None:
    scene = Scene()
    scene.manager.ready()
    with scene.manager.reloading():
        scene.since()
        scene.manager.stopping()
        scene.manager.stopping()
    scene.manager.ready()
    assert scene.since() == ["STOPPING=1\nSTATUS=Stopping"]


def test_the_watchdog_is_served_only_if_there_is_one() -> None:
    without, with_one = Scene(), Scene(watchdog=60.0)
    for scene in (without, with_one):
        scene.manager.alive()
    assert without.since() == []
    assert with_one.since() == ["WATCHDOG=1"]


def test_a_status_is_one_line_of_ascii() -> None:
    scene = Scene()
    scene.manager.status("2 users of 云效\nMAINPID=1")
    assert scene.since() == ["STATUS=2 users of ?? MAINPID=1"]


def test_a_message_that_cannot_be_sent_is_logged_once_and_costs_nothing_else() -> None:
    def refuse(_: str) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    manager = ServiceManager(ManualClock(), refuse, 60.0)
    with capture_logs() as logged:
        manager.ready()
        manager.alive()
        with manager.reloading():
            pass
    (entry,) = logged
    assert (entry["log_level"], entry["detail"]) == ("warning", "[Errno 111] Connection refused")
    assert "check NotifyAccess=" in entry["event"]


def test_without_a_service_manager_nothing_happens() -> None:
    manager = ServiceManager(ManualClock(), None, 60.0)
    assert (manager.present, manager.watchdog) == (False, None)
    with capture_logs() as logged:
        manager.ready()
        with manager.reloading():
            manager.alive()
        manager.status("idle")
        manager.stopping()
    assert logged == []


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "120000000"}, 120.0),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "42"}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "43"}, None),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": ""}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
        ({"WATCHDOG_USEC": str(2**64 - 1)}, None),
        ({"WATCHDOG_USEC": "9" * 5000}, None),
        ({"WATCHDOG_USEC": "1s"}, None),
        ({"WATCHDOG_PID": "42"}, None),
    ],
)
def test_the_watchdog_is_that_of_the_environment_for_this_process(
    environ: dict[str, str], seconds: float | None
) -> None:
    assert watchdog_time(environ, 42) == seconds


def test_without_its_variables_there_is_no_service_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    assert not service_manager(1, ManualClock()).present
