from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from support.builders import NOW, ManualClock, a_state, a_token

from exporter.app.restore import forget_unconfigured, restore
from exporter.app.teardown import Teardown
from exporter.model.event import Change
from exporter.model.snapshot import OrganizationView
from exporter.state.delivery import OrganizationRemoved

if TYPE_CHECKING:
    from exporter.app.daemon_parts import Parts

EVENTS = [SimpleNamespace(organization=name) for name in ("acme", "gone", "events only")]
LAST = {("acme", Change.CREATED): 5.0, ("last only", Change.CREATED): 6.0}


class FakeStorage:
    """A state file with two organizations, of which `gone` is not configured."""

    def __init__(self, did: list[str]) -> None:
        self.did = did
        self.events, self.last_events = EVENTS, LAST

    def claim(self) -> None:
        self.did.append("claim")

    def load(self) -> tuple[dict[str, OrganizationView], tuple[str, ...]]:
        self.did.append("load")
        view = OrganizationView("acme", (a_state(a_token()),), None, since=NOW - 60)
        return {"acme": view, "gone": view}, ("an alert",)

    def stop(self) -> None:
        self.did.append("stop")


class Scene:
    def __init__(self, *, stored: bool = True) -> None:
        self.did: list[str] = []
        self.restored: list[Any] = []
        self.published: list[object] = []
        self.exposed: list[object] = []
        self.teardown = Teardown(lambda: None)
        self.parts = cast(
            "Parts",
            SimpleNamespace(
                base=SimpleNamespace(
                    clock=ManualClock(),
                    current=SimpleNamespace(organizations=frozenset({"acme"})),
                    telemetry=SimpleNamespace(last_event=lambda *event: self.exposed.append(event)),
                ),
                storage=FakeStorage(self.did) if stored else None,
                alerting=SimpleNamespace(restore=self.restored.append),
                audit=SimpleNamespace(
                    restore=lambda *parts: self.restored.extend(parts),
                    last=lambda: {("acme", Change.CREATED): 5.0},
                ),
                changes=SimpleNamespace(publish=self.published.append),
            ),
        )


def test_alerts_events_and_states_of_an_earlier_run_go_to_their_parts() -> None:
    scene = Scene()
    restored = restore(scene.parts, scene.teardown)
    assert sorted(restored) == ["acme", "gone"]
    assert {view.since for view in restored.values()} == {NOW}
    assert scene.restored == [("an alert",), [EVENTS[0]], {("acme", Change.CREATED): 5.0}]
    scene.teardown.run()
    assert scene.did == ["claim", "load", "stop"]


def test_whatever_mentions_an_organization_that_is_not_configured_has_it_forgotten() -> None:
    scene = Scene()
    forget_unconfigured(scene.parts, restore(scene.parts, scene.teardown))
    assert scene.published == [OrganizationRemoved(name) for name in ("events only", "gone", "last only")]
    assert scene.exposed == [("acme", Change.CREATED, 5.0)]


def test_without_a_state_file_nothing_is_restored_or_forgotten() -> None:
    scene = Scene(stored=False)
    assert restore(scene.parts, scene.teardown) == {}
    forget_unconfigured(scene.parts, {})
    assert (scene.restored, scene.published, scene.exposed) == ([], [], [])
