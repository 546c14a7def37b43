from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest
from structlog.testing import capture_logs
from support.builders import NOW, ManualClock, a_failure, a_state

from exporter.app.heartbeat import Heartbeat, status_line
from exporter.app.service_manager import ServiceManager
from exporter.common.cancellation import Stop
from exporter.common.worker import Supervisor
from exporter.model.snapshot import OrganizationView, Sweep, SweepResult, View

if TYPE_CHECKING:
    from exporter.common.worker import Worker


class Scene:
    """A heartbeat whose supervisor reports the problems that a test sets."""

    def __init__(self, watchdog: float | None = 120.0) -> None:
        self.sent: list[str] = []
        self.problems: tuple[str, ...] = ()
        self.status = "idle"
        clock = ManualClock()
        supervisor = Supervisor(lambda _: None, clock)
        manager = ServiceManager(clock, self.sent.append, watchdog)
        self.heartbeat = Heartbeat(manager, supervisor, lambda: self.status, Stop())
        supervisor._workers.append(cast("Worker", self))  # in the place of a thread of the exporter

    def problem(self) -> str | None:
        return ", ".join(self.problems) or None

    def beat(self) -> list[str]:
        self.sent.clear()
        self.heartbeat.beat()
        return list(self.sent)


def test_each_beat_serves_the_watchdog_and_a_status_is_sent_when_it_changes() -> None:
    scene = Scene()
    assert scene.beat() == ["WATCHDOG=1", "STATUS=idle"]
    assert scene.beat() == ["WATCHDOG=1"]
    scene.status = "busy"
    assert scene.beat() == ["WATCHDOG=1", "STATUS=busy"]


def test_the_watchdog_is_not_served_while_a_thread_is_stuck() -> None:
    scene = Scene()
    scene.beat()
    scene.problems = ("scheduler has been stuck for 61 s",)
    with capture_logs() as logged:
        assert scene.beat() == ["STATUS=Unhealthy: scheduler has been stuck for 61 s"]
        scene.problems = ("scheduler has been stuck for 91 s",)
        assert scene.beat() == ["STATUS=Unhealthy: scheduler has been stuck for 91 s"]
    assert [(entry["log_level"], entry["detail"]) for entry in logged] == [
        ("error", "scheduler has been stuck for 61 s")
    ]
    scene.problems = ()
    assert scene.beat() == ["WATCHDOG=1", "STATUS=idle"]


@pytest.mark.parametrize(("watchdog", "interval"), [(None, 10.0), (120.0, 10.0), (15.0, 7.5), (2.0, 1.0)])
def test_it_beats_twice_in_the_time_of_the_watchdog_at_least(watchdog: float | None, interval: float) -> None:
    assert Scene(watchdog).heartbeat.beat() == interval


def test_without_a_service_manager_there_is_no_thread() -> None:
    clock = ManualClock()
    heartbeat = Heartbeat(ServiceManager(clock), Supervisor(lambda _: None, clock), lambda: "idle", Stop())
    heartbeat.start()
    assert not heartbeat._worker._started
    heartbeat.stop()


def an_organization(name: str, *, swept: bool, polled: int, failing: int) -> OrganizationView:
    users = [a_state() for _ in range(polled)] + [replace(a_state(), failure=a_failure()) for _ in range(failing)]
    return OrganizationView(name, tuple(users), Sweep(SweepResult.SUCCESS, 1.0, NOW) if swept else None, NOW)


def test_the_status_has_counts_and_what_is_wrong() -> None:
    acme = an_organization("acme", swept=True, polled=3, failing=1)
    other = an_organization("other", swept=False, polled=2, failing=0)
    assert status_line(View((acme,)), None) == "Organizations: 1, users: 4, failing users: 1"
    assert (
        status_line(View((acme, other)), 0.0)
        == "Organizations: 2, users: 6, failing users: 1, organizations without a complete sweep: 1, "
        "configuration refused since 1970-01-01T00:00:00Z"
    )
