"""The alerts that Alertmanager has while clocks step, deliveries fail and the exporter restarts."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from support.alert_oracle import due
from support.builders import NOW

from exporter.alerts.alert import Alert
from exporter.alerts.notification import Moment
from exporter.alerts.tracker import Tracker

if TYPE_CHECKING:
    from exporter.alerts.notification import Notification

RESEND = 60.0
EVERY = 15.0
LEASE = 4 * RESEND
LABELS = (("alertname", "A"), ("token_id", "pt-1"))


def epoch(text: object) -> float:
    return datetime.fromisoformat(str(text)).timestamp()


class AlertmanagerModel:
    """What Alertmanager 0.25 does with an alert of one label set (`api/v2`, `provider/mem`, `types.Alert.Merge`)."""

    def __init__(self) -> None:
        self.span: tuple[float, float] | None = None

    def put(self, starts: float, ends: float, now: float) -> None:
        assert ends >= starts, "400: start time must be before end time"
        if self.span is not None:
            old_starts, old_ends = self.span
            if old_starts < ends < old_ends or old_starts < starts < old_ends:
                resolved = ends <= now
                if not resolved or old_ends <= now:
                    ends = max(ends, old_ends)
                starts = min(starts, old_starts)
        self.span = (starts, ends)

    def firing(self, now: float) -> bool:
        return self.span is not None and self.span[1] > now


class World:
    """True time is monotonic; the clocks of the exporter and of Alertmanager each have an offset."""

    def __init__(self, exporter_off: float, alertmanager_off: float) -> None:
        self.time = 0.0
        self.started = 0.0
        self.exporter_off = exporter_off
        self.alertmanager_off = alertmanager_off
        self.tracker = Tracker()
        self.alertmanager = AlertmanagerModel()
        self.cause: float | None = None
        self.server_clock: float | None = None
        self.labels_seen: set[object] = set()

    @property
    def moment(self) -> Moment:
        return Moment(NOW + self.time + self.exporter_off, 1000 + self.time - self.started)

    @property
    def alertmanagers_now(self) -> float:
        return NOW + self.time + self.alertmanager_off

    def restart(self) -> None:
        kept = self.tracker.kept
        self.tracker = Tracker()
        self.started, self.server_clock = self.time, None
        self.tracker.restore(kept, self.moment, RESEND)

    def evaluate(self, *, delivered: bool) -> None:
        at = self.moment
        alerts = [] if self.cause is None else [Alert(LABELS, (), min(self.cause, at.wall))]
        for notification in due(self.tracker, alerts, at, RESEND):
            self.check(notification, at)
            if delivered:
                self.send(notification, at)
        self.time += EVERY

    def send(self, notification: Notification, at: Moment) -> None:
        # like the receiver: Alertmanager's clock from its last answer
        ahead = 0.0 if self.server_clock is None else self.server_clock + at.monotonic - at.wall
        body = json.loads(notification.as_json(at, ahead))
        self.alertmanager.put(epoch(body["startsAt"]), epoch(body["endsAt"]), self.alertmanagers_now)
        self.server_clock = int(self.alertmanagers_now) - at.monotonic

    def check(self, notification: Notification, at: Moment) -> None:
        body = json.loads(notification.as_json(at))
        starts, ends = epoch(body["startsAt"]), epoch(body["endsAt"])
        assert starts < ends
        assert starts <= at.wall
        assert notification.labels == LABELS
        if notification.firing:
            assert at.wall < ends <= at.wall + LEASE
        else:
            assert ends <= at.wall


steps = st.sampled_from([0.0, 0.4, 5.0, 90.0, 600.0, 3600.0, 8 * 3600.0, 80_000.0]).flatmap(
    lambda size: st.sampled_from([size, -size])
)
actions = st.one_of(
    st.tuples(st.just("run"), st.integers(1, 30), st.booleans()),
    st.tuples(st.just("step exporter"), steps, st.none()),
    st.tuples(st.just("step both"), steps, st.none()),
    st.tuples(st.just("begin"), st.floats(0, 1e6), st.none()),
    st.tuples(st.just("end"), st.none(), st.none()),
    st.tuples(st.just("restart"), st.none(), st.none()),
)


def act(world: World, action: tuple[str, float | None, bool | None]) -> None:
    name, amount, delivered = action
    if name == "run":
        for _ in range(int(amount or 0)):
            world.evaluate(delivered=bool(delivered))
    elif name == "step exporter":
        world.exporter_off += amount or 0.0
    elif name == "step both":
        world.exporter_off += amount or 0.0
        world.alertmanager_off += amount or 0.0
    elif name == "begin":
        world.cause = world.moment.wall - (amount or 0.0)
    elif name == "end":
        world.cause = None
    else:
        world.restart()


@settings(max_examples=150, deadline=None)
@given(steps, st.lists(actions, max_size=14), steps)
def test_alertmanager_converges_to_the_true_state_despite_clock_steps(
    off: float, history: list[tuple[str, float | None, bool | None]], last: float
) -> None:
    world = World(off, 0.0)
    for action in history:
        act(world, action)
    # From here on Alertmanager is up. One last step, of the exporter's clock only.
    world.exporter_off += last
    began = world.cause = world.cause or world.moment.wall
    for number in range(20):
        world.evaluate(delivered=True)
        # By the second resend each side has seen the other's clock.
        if number > 2 * RESEND / EVERY:
            assert world.alertmanager.firing(world.alertmanagers_now)
    assert world.tracker.kept[0].starts_at <= max(began, world.moment.wall)
    world.cause = None
    for _ in range(int(2 * RESEND / EVERY) + 1):
        world.evaluate(delivered=True)
    assert not world.alertmanager.firing(world.alertmanagers_now)
    for _ in range(int(1000 / EVERY)):
        world.evaluate(delivered=True)
        assert not world.alertmanager.firing(world.alertmanagers_now)
    assert world.tracker.kept == ()
