from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from structlog.testing import capture_logs
from support.builders import NOW, Counts, ManualClock, a_state, a_token, a_user, a_watchdog

from exporter.app.organization import Organization
from exporter.app.organization_parts import Shared
from exporter.cluster.shard import WHOLE, Shard
from exporter.common.cancellation import Stop
from exporter.config.document import Document
from exporter.config.load import load_document
from exporter.model.snapshot import Discovery, OrganizationView
from exporter.platform.pacing import Pacer
from exporter.polling.discovery import KnownUsers

if TYPE_CHECKING:
    from exporter.config.settings import Settings
    from exporter.metrics.telemetry import OrganizationTelemetry

TOKEN = "pt-a_1"


def settings(*ids: str, discover: bool | dict[str, Any] = False, **changes: Any) -> Settings:
    users: dict[str, Any] = {"static": [{"id": one} for one in ids]}
    if discover is not False:
        users["discover"] = {"source": "users", "interval": "1m"} | ({} if discover is True else discover)
    organization = {"name": "acme", "endpoint": "http://127.0.0.1:1", "token_env": "TOKEN", "users": users}
    data = {"poll": {"interval": "2s", "timeout": "1s"}, "organizations": [organization | changes]}
    return load_document(Document("test", data), Path(), {"TOKEN": TOKEN})


class Telemetry(Counts):
    """Counts, and keeps the last value of the gauge."""

    shortest = -1.0

    def begin(self) -> None:
        self.seen.append(("begin",))

    def shortest_interval(self, seconds: float) -> None:
        self.shortest = seconds


class FakeScheduler:
    """Records which jobs are scheduled or run early."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.soon: list[str] = []

    def add(self, name: str, *_: object, **__: object) -> None:
        self.kinds.append(name.partition(" acme")[0])

    def run_soon(self, name: str, _after: float) -> None:
        self.soon.append(name.partition(" acme")[0])

    def remove(self, name: str) -> None:
        self.kinds.remove(name.partition(" acme")[0])


class Scene:
    def __init__(self, shard: Shard = WHOLE, *, shared_rate: bool = False) -> None:
        self.clock = ManualClock()
        self.telemetry = Telemetry()
        self.scheduler = FakeScheduler()

        def pacer(_: str, rate: float | None) -> Pacer:
            return Pacer(rate, self.clock)

        watchdog = a_watchdog(self.clock)
        self.shared = Shared(watchdog, Stop(), self.clock, str, shard, pacer if shared_rate else None)

    def build(
        self, made: Settings, previous: Organization | None = None, restored: OrganizationView | None = None
    ) -> Organization:
        telemetry = cast("OrganizationTelemetry", self.telemetry)
        return Organization(made.organizations[0], made.config, self.shared, telemetry, previous, restored)

    def start(self, organization: Organization) -> None:
        organization.start(cast("Any", self.scheduler))


def watched(organization: Organization) -> str:
    return "".join(user.user_id for user in organization.ledger.users())


def test_building_one_changes_nothing_until_it_takes_over() -> None:
    scene = Scene()
    previous = scene.build(settings("a"))
    new = scene.build(settings("b"), previous)
    assert (new.ledger, watched(previous)) == (previous.ledger, "a")
    new.take_over()
    assert watched(previous) == "b"


def test_other_users_keep_the_client_and_other_settings_of_requests_do_not() -> None:
    organization = Scene().build(settings("a"))
    for other, serves in (
        (settings("b"), True),
        (settings("a", discover=True), False),
        (settings("a", endpoint="http://127.0.0.1:2"), False),
        (settings("a", limits={"concurrency": 3}), False),
    ):
        assert organization.serves(other.organizations[0], other.config.poll) is serves
    organization.adopt(settings("b").organizations[0])
    assert watched(organization) == "b"


def test_the_pacer_outlives_a_reload_as_long_as_platform_and_rate_stay() -> None:
    scene = Scene()
    previous = scene.build(settings("a"))
    assert scene.build(settings("a", limits={"concurrency": 3}), previous).parts.pacer is previous.parts.pacer
    for changes in ({"endpoint": "http://127.0.0.1:2"}, {"limits": {"requests_per_second": 7}}):
        assert scene.build(settings("a", **changes), previous).parts.pacer is not previous.parts.pacer


def test_after_a_restart_all_users_not_listed_by_hand_count_as_discovered() -> None:
    states = tuple(a_state(a_token(), user=a_user(one, one)) for one in "abc")
    restored = OrganizationView("acme", states, None, since=NOW)
    discovers = Scene().build(settings("a", "d", discover=True), restored=restored)
    assert watched(discovers) == "adbc"
    assert discovers.ledger.view().discovery == Discovery(users=2)
    assert watched(Scene().build(settings("a", "d"), restored=restored)) == "ad"


def test_discovered_users_and_the_state_of_discovery_outlive_a_reload() -> None:
    scene = Scene()
    previous = scene.build(settings("a", discover=True))
    previous.take_over()
    found = (a_user("x"), a_user("y"))
    assert previous.refresher is not None
    new = scene.build(settings("b", discover=True), previous)
    # Found after the new one was built.
    previous.refresher.take_over(KnownUsers(found, Discovery(up=True, last_success=NOW, users=2)))
    new.take_over()
    assert watched(new) == "bxy"
    assert new.ledger.view().discovery == Discovery(up=True, last_success=NOW, users=2)


def test_a_replaced_organization_holds_no_users_while_it_waits_for_the_garbage_collector() -> None:
    scene = Scene()
    previous = scene.build(settings("a", discover=True))
    previous.take_over()
    assert previous.refresher is not None
    previous.refresher.take_over(KnownUsers((a_user("x"),), Discovery(up=True, users=1)))
    new = scene.build(settings("b", discover=True), previous)
    previous.retire()
    new.take_over()
    previous.release()
    assert (previous.settings.users, previous.parts.roster.users, previous.refresher.users) == ((), ((), ()), None)
    assert watched(new) == "bx"


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        # The same lists: a user who is missing from the next one may still be on the platform.
        ({}, "x"),
        ({"interval": "2h"}, "x"),
        # Lists have those too whom these leave out.
        ({"include": ["li.*"], "exclude": ["bot"]}, "x"),
        # Other lists: whoever is not on them is not wanted.
        ({"status": "enabled"}, "xy"),
        ({"departments": ["d1"]}, "xy"),
        ({"source": "members"}, "xy"),
    ],
)
def test_after_a_reload_a_missing_user_is_kept_only_if_the_lists_are_the_same(
    changes: dict[str, Any], missing: str
) -> None:
    scene = Scene()
    previous = scene.build(settings("a", discover=True))
    found = KnownUsers((a_user("x"), a_user("y")), Discovery(up=True, users=2), missing=frozenset("x"))
    assert previous.refresher is not None
    previous.refresher.take_over(found)
    new = scene.build(settings("a", discover=changes), previous)
    assert new.refresher is not None
    assert new.refresher.known.missing == frozenset(missing)
    new.take_over()
    assert new.refresher.known.missing == frozenset(missing)


def test_users_listed_by_hand_before_are_not_kept_once_others_are_discovered() -> None:
    scene = Scene()
    previous = scene.build(settings("a", "b"))
    new = scene.build(settings("a", discover=True), previous)
    assert new.refresher is not None
    assert (new.refresher.users, new.refresher.known.missing) == ((a_user("b", "b"),), frozenset("b"))


def test_a_shard_watches_its_own_users_only() -> None:
    parts = [watched(Scene(Shard(number, 2)).build(settings(*"abcdefgh"))) for number in (0, 1)]
    assert sorted("".join(parts)) == list("abcdefgh")
    assert all(parts)


@pytest.mark.parametrize(
    ("scene", "shortest"),
    [
        # 8 users at 2 requests a second.
        (Scene(), 4.0),
        # A rate that processes share keeps a margin of 6 %.
        (Scene(shared_rate=True), 8 / 1.88),
    ],
)
def test_a_rate_that_is_too_low_for_the_interval_is_reported(scene: Scene, shortest: float) -> None:
    organization = scene.build(settings(*"abcdefgh", limits={"requests_per_second": 2}))
    with capture_logs() as logged:
        scene.start(organization)
    assert scene.telemetry.shortest == pytest.approx(shortest)
    (warning,) = [entry for entry in logged if entry["log_level"] == "warning"]
    assert (warning["event"][:28], warning["interval"]) == ("poll.interval is too short: ", "2s")


def test_jobs_are_scheduled_while_it_is_in_force() -> None:
    scene = Scene()
    organization = scene.build(settings("a", discover=True))
    scene.start(organization)
    assert scene.scheduler.kinds == ["discover", "sweep", "watch", "catch up", "own token"]
    organization.resume()
    assert scene.scheduler.soon == ["sweep", "own token"]
    organization.retire()
    assert scene.scheduler.kinds == []
    assert organization.parts.stop.is_set()


def test_ssh_keys_take_one_more_request_for_each_user() -> None:
    scene = Scene()
    watching = settings(
        *"abcdefgh",
        limits={"requests_per_second": 2},
        credentials=("tokens", "ssh_keys"),
        organization_id="o1",
    )
    scene.start(scene.build(watching))
    # Two requests for each of 8 users, at 2 a second.
    assert scene.telemetry.shortest == pytest.approx(8.0)
