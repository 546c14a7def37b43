from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs
from support.builders import NOW, ManualClock, a_state, a_token

from exporter.app import changes as module
from exporter.app.changes import (
    AuditListener,
    Changes,
    ExpositionListener,
    ReplicaListener,
    StorageListener,
    TelemetryListener,
)
from exporter.model.event import Change
from exporter.model.snapshot import Sweep, SweepResult
from exporter.state.delivery import (
    Changed,
    OrganizationRemoved,
    OwnExpiryChanged,
    Swept,
    Update,
    UsersRemoved,
)

BEFORE = a_state(at=NOW - 60)
AFTER = a_state(a_token("pt-1"), at=NOW)
SWEEP = Sweep(SweepResult.SUCCESS, 1.0, NOW)
UPDATES: tuple[Update, ...] = (
    Changed("acme", BEFORE, AFTER),
    Swept("acme", SWEEP),
    OwnExpiryChanged("acme", 5.0),
    UsersRemoved("acme", ("u1", "u2")),
    OrganizationRemoved("acme"),
)


@dataclass
class Recording:
    """A listener that records what it gets, and raises if it is broken."""

    name: str
    journal: list[tuple[str, Update]]
    broken: bool = False

    def handle(self, update: Update) -> None:
        self.journal.append((self.name, update))
        if self.broken:
            raise RuntimeError("defect")


@dataclass
class Scene:
    clock: ManualClock = field(default_factory=ManualClock)
    journal: list[tuple[str, Update]] = field(default_factory=list)
    crashes: list[int] = field(default_factory=list)

    def changes(self, *broken: str) -> Changes:
        listeners = [Recording(name, self.journal, name in broken) for name in ("text", "storage", "audit")]
        return Changes(listeners, lambda: self.crashes.append(1), self.clock)


def test_each_update_goes_to_every_listener_in_the_fixed_order() -> None:
    scene = Scene()
    assert scene.changes().publish(OrganizationRemoved("acme"))
    assert scene.journal == [(name, OrganizationRemoved("acme")) for name in ("text", "storage", "audit")]
    assert scene.crashes == []


def test_a_listener_that_raises_is_counted_and_does_not_affect_the_others() -> None:
    scene = Scene()
    changes = scene.changes("storage")
    for update in UPDATES:
        assert not changes.publish(update)
    assert [name for name, _ in scene.journal] == ["text", "storage", "audit"] * 5
    assert len(scene.crashes) == 5


def test_a_repeated_defect_is_logged_once_a_minute_per_listener() -> None:
    scene = Scene()
    changes = scene.changes("storage", "audit")
    with capture_logs() as lines:
        for _ in range(100):
            changes.publish(OrganizationRemoved("acme"))
            scene.clock.advance(0.599)
        assert [(line["listener"], line["update"]) for line in lines] == [
            ("storage", "OrganizationRemoved"),
            ("audit", "OrganizationRemoved"),
        ]
        scene.clock.advance(0.2)
        changes.publish(OrganizationRemoved("acme"))
    assert [line["suppressed_lines"] for line in lines] == [None, None, 99, 99]
    assert len(scene.crashes) == 202


def test_a_change_carries_the_events_of_the_tokens() -> None:
    scene = Scene()
    scene.changes().publish(Changed("acme", BEFORE, AFTER))
    (_, update), *_ = scene.journal
    assert isinstance(update, Changed)
    assert [(event.change, event.token_id) for event in update.events] == [(Change.CREATED, "pt-1")]


def test_a_state_from_another_replica_carries_no_events() -> None:
    scene = Scene()
    scene.changes().publish(Changed("acme", AFTER, AFTER))
    assert scene.journal[0][1] == Changed("acme", AFTER, AFTER)


def test_a_state_is_passed_on_even_if_its_events_cannot_be_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("defect")

    monkeypatch.setattr(module, "events", broken)
    scene = Scene()
    assert not scene.changes().publish(Changed("acme", BEFORE, AFTER))
    assert [update for _, update in scene.journal] == [Changed("acme", BEFORE, AFTER)] * 3
    assert len(scene.crashes) == 1


class Calls:
    """Stands where a part of the exporter is called: records the calls."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.seen.append((name, *arguments))


@pytest.mark.parametrize(
    ("listener", "expected"),
    [
        (
            ExpositionListener,
            [("prepare", "acme", AFTER), ("prepare_all",), ("forget", "acme", ("u1", "u2")), ("forget", "acme")],
        ),
        (
            StorageListener,
            [
                ("record", "acme", AFTER, ()),
                ("swept", "acme", SWEEP),
                ("own_token", "acme", 5.0),
                ("removed", "acme", ("u1", "u2")),
                ("organization_removed", "acme"),
            ],
        ),
        (AuditListener, [("record", ()), ("forget", "acme")]),
        (TelemetryListener, [("forget", "acme")]),
        (
            ReplicaListener,
            [
                ("changed", "acme", AFTER),
                ("swept", "acme", SWEEP),
                ("removed", "acme", ("u1", "u2")),
                ("organization_removed", "acme"),
            ],
        ),
    ],
)
def test_each_listener_passes_on_the_updates_that_concern_its_part(
    listener: Any, expected: list[tuple[Any, ...]]
) -> None:
    part = Calls()
    for update in UPDATES:
        listener(part).handle(update)
    assert part.seen == expected
