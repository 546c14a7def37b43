from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from exporter.app.organizations import Organizations
from exporter.model.user import User
from exporter.state.ledger import Ledger
from exporter.state.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.app.organization import Organization
    from exporter.config.settings import OrganizationSettings, Settings
    from exporter.model.snapshot import OrganizationView


class FakeOrganization:
    """Records calls instead of polling, and raises where a test wants it to."""

    def __init__(self, scene: Scene, name: str, client: str, before: FakeOrganization | None) -> None:
        self.scene, self.name, self.client = scene, name, client
        self.ledger: Ledger = Ledger(name, [User("1", "x")], publish=scene.publish) if before is None else before.ledger

    @property
    def users(self) -> tuple[User, ...]:
        return self.ledger.users()

    def _did(self, what: str) -> None:
        self.scene.did.append(f"{what} {self.name} {self.client}")
        if what in self.scene.broken:
            raise RuntimeError("defect")

    def serves(self, settings: Any, _poll: object) -> bool:
        return bool(settings.client == self.client)

    def adopt(self, _settings: object) -> None:
        self._did("adopt")

    def take_over(self) -> None:
        self._did("take over")

    def start(self, _scheduler: object) -> None:
        self._did("start")

    def retire(self) -> None:
        self._did("retire")

    def release(self) -> None:
        self._did("release")

    def end(self) -> None:
        self._did("end")

    def pause(self) -> None:
        self._did("pause")

    def resume(self) -> None:
        self._did("resume")


def settings(*names: str) -> Settings:
    """Names such as ``acme:1``; the number stands for the settings of the client."""
    organizations = [
        SimpleNamespace(config=SimpleNamespace(name=one.partition(":")[0]), client=one.partition(":")[2])
        for one in names
    ]
    made = FakeSettings(
        organizations=organizations,
        config=SimpleNamespace(poll=None, metrics=SimpleNamespace(max_tokens_per_user=1000)),
    )
    return cast("Settings", made)


class FakeSettings(SimpleNamespace):
    """Stands for settings; records the users that it shares."""

    def with_known_users(self, known: Mapping[str, Iterable[User]]) -> FakeSettings:
        return FakeSettings(**vars(self) | {"shares": {name: [*users] for name, users in known.items()}})


class Scene:
    def __init__(self) -> None:
        self.did: list[str] = []
        self.broken: set[str] = set()
        self.refused: str | None = None
        self.crashes: list[int] = []
        self.store = Store()
        self.organizations = Organizations(self.make, self.store, cast("Any", None), lambda: self.crashes.append(1))

    def publish(self, update: object) -> None:
        self.did.append(type(update).__name__)

    def make(
        self, one: OrganizationSettings, _: Settings, before: Organization | None, __: OrganizationView | None
    ) -> Organization:
        name, client = one.config.name, cast("Any", one).client
        if name == self.refused:
            raise RuntimeError("defect")
        self.did.append(f"make {name} {client}")
        return cast("Organization", FakeOrganization(self, name, client, cast("FakeOrganization | None", before)))

    def apply(self, *names: str) -> list[str]:
        new = self.organizations.prepare(settings(*names), {})
        self.organizations.put_in_force(new)
        self.organizations.start(new)
        return self.since()

    def since(self) -> list[str]:
        did, self.did = self.did, []
        return did

    @property
    def names(self) -> Iterable[str]:
        return [one.name for one in self.store.view().organizations]


def test_organizations_are_built_then_put_in_force_then_started() -> None:
    scene = Scene()
    assert scene.apply("a:1", "b:1") == [
        *("make a 1", "make b 1"),
        *("take over a 1", "take over b 1"),
        *("start a 1", "start b 1"),
    ]
    assert scene.names == ["a", "b"]


def test_a_reload_shares_the_users_that_are_watched_now() -> None:
    scene = Scene()
    scene.apply("a:1", "b:1")
    # As after a change of a user file, or a discovery: no settings have these users.
    watched = User("2", "y")
    scene.store._ledgers[0].watch([watched])
    new = scene.organizations.prepare(settings("a:1", "c:1"), {})
    shares = cast("FakeSettings", new.settings).shares
    assert {name: [one.user_id for one in users] for name, users in shares.items()} == {"a": ["2"], "b": ["1"]}
    assert shares["a"][0] is watched


def test_a_reload_keeps_what_it_can_replaces_the_rest_and_removes_last() -> None:
    scene = Scene()
    scene.apply("keep:1", "change:1", "drop:1")
    ledger = scene.store._ledgers[1]
    assert scene.apply("keep:1", "change:2", "new:1") == [
        *("make change 2", "make new 1"),
        *("retire change 1", "retire drop 1"),
        *("adopt keep 1", "take over change 2", "take over new 1"),
        "OrganizationRemoved",
        *("release change 1", "release drop 1"),
        *("start change 2", "start new 1"),
    ]
    assert scene.names == ["keep", "change", "new"]
    assert scene.store._ledgers[1] is ledger


def test_a_defect_while_one_is_built_changes_nothing_that_is_in_force() -> None:
    scene = Scene()
    scene.apply("a:1")
    before = scene.store.view()
    scene.refused = "c"
    with pytest.raises(RuntimeError):
        scene.apply("a:1", "b:1", "c:1")
    assert scene.since() == ["make b 1", "end b 1"]
    assert scene.store.view() == before


def test_a_defect_while_one_is_put_in_force_does_not_affect_the_others() -> None:
    scene = Scene()
    scene.apply("a:1", "b:1")
    scene.broken = {"retire", "take over", "release", "start"}
    assert scene.apply("a:2", "b:2") == [
        *("make a 2", "make b 2"),
        *("retire a 1", "retire b 1"),
        *("take over a 2", "take over b 2"),
        *("release a 1", "release b 1"),
        *("start a 2", "start b 2"),
    ]
    assert len(scene.crashes) == 8


def test_organizations_built_on_standby_are_paused_before_they_start() -> None:
    scene = Scene()
    scene.organizations.poll(polls=False)
    assert scene.apply("a:1") == ["make a 1", "take over a 1", "pause a 1", "start a 1"]
    scene.organizations.poll(polls=True)
    assert scene.since() == ["resume a 1"]
    assert scene.apply("a:1", "b:1")[-1] == "start b 1"


def test_nothing_is_recorded_after_close() -> None:
    scene = Scene()
    scene.apply("a:1")
    view = scene.store.view()
    scene.organizations.close()
    scene.store._ledgers[0].succeeded("1", (), 5.0)
    assert scene.store.view().organizations[0] is view.organizations[0]
    scene.organizations.end()
    assert scene.since() == ["end a 1"]
