"""The demo with a clock that is set: within minutes there are events of each kind, and alerts fire and resolve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.alert_oracle import alerts
from support.builders import a_watchdog

from exporter.app.demo import demo_interval, demo_settings, demo_simulator
from exporter.app.organization import Organization
from exporter.app.organization_parts import Shared
from exporter.common.cancellation import Stop
from exporter.common.clock import SystemClock
from exporter.common.redaction import Redactor
from exporter.metrics.telemetry import Telemetry
from exporter.model.event import Change, Event, events
from exporter.model.snapshot import View
from exporter.state.delivery import Changed, UsersRemoved

if TYPE_CHECKING:
    from exporter.config.schema import Config
    from exporter.state.delivery import Update


class SetClock(SystemClock):
    """The system's clock, ahead by as much as it was set forward. Time limits of requests are not affected."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


class Seen:
    """What the exporter publishes, and which alerts fire after each sweep."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.left: set[str] = set()
        self.joined: set[str] = set()
        self.alerts: list[set[tuple[str, str]]] = []

    def published(self, update: Update) -> bool:
        if isinstance(update, Changed):
            self.events.extend(events("demo", update.before, update.after))
        elif isinstance(update, UsersRemoved):
            self.left.update(update.user_ids)
        return True

    def sweep(self, organization: Organization, config: Config, clock: SetClock) -> None:
        before = {user.user_id for user in organization.ledger.users()}
        organization.sweep_once(lambda _: None)
        if before:
            self.joined |= {user.user_id for user in organization.ledger.users()} - before
        found = [dict(one.labels) for one in alerts(View((organization.ledger.view(),)), config, None, clock.now())]
        self.alerts.append({(one["alertname"], one.get("token_id", one.get("user_id", ""))) for one in found})

    def fired(self, name: str) -> set[str]:
        """Whose alerts of this name began after the first sweep."""
        return {whose for alert, whose in set().union(*self.alerts[1:]) - self.alerts[0] if alert == name}

    def resolved(self, name: str) -> set[str]:
        """Whose alerts of this name fired after some sweep and not after the last one."""
        return {whose for alert, whose in set().union(*self.alerts) - self.alerts[-1] if alert == name}


@pytest.fixture(scope="module")
def seen() -> Seen:
    """What is seen in eight minutes, at a sweep every 20 seconds."""
    clock, seen, stop = SetClock(), Seen(), Stop()
    watchdog = a_watchdog(clock)
    watchdog.start()
    with demo_simulator(25, 1, clock, lively=True) as simulator:
        simulator.faults.latency = 0.0
        settings = demo_settings(simulator, Redactor())
        shared = Shared(watchdog, stop, clock, settings.redactor.clean, publish=seen.published)
        telemetry = Telemetry().organization("demo")
        organization = Organization(settings.organizations[0], settings.config, shared, telemetry)
        for _ in range(24):
            seen.sweep(organization, settings.config, clock)
            clock.ahead += 20
        stop.set()
        organization.end()
    watchdog.stop()
    return seen


def test_there_is_an_event_of_each_kind_within_eight_minutes(seen: Seen) -> None:
    assert {event.change for event in seen.events} == set(Change)


def test_people_leave_and_join(seen: Seen) -> None:
    assert seen.left & seen.joined


def test_alerts_about_tokens_fire_and_resolve(seen: Seen) -> None:
    for name in ("YunxiaoTokenExpiringCritical", "YunxiaoTokenExpired"):
        assert seen.fired(name), name
        assert seen.resolved(name), name


def test_polls_of_a_user_fail_for_a_while(seen: Seen) -> None:
    assert seen.fired("YunxiaoUserPollFailing") & seen.resolved("YunxiaoUserPollFailing")


@pytest.mark.parametrize(("users", "seconds"), [(1, 15), (25, 15), (1500, 15), (1501, 16), (5000, 50), (100_000, 1000)])
def test_the_interval_of_a_demo_grows_with_its_users(users: int, seconds: float) -> None:
    assert demo_interval(users) == seconds
