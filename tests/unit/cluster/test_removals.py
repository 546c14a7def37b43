"""When Redis is compared with the watched users, and for how long a removed user is remembered."""

from __future__ import annotations

from exporter.cluster.removals import Removals, is_listed
from exporter.model.snapshot import Discovery, OrganizationView, View


class FakeClock:
    def __init__(self) -> None:
        self.time = 1000.0

    def monotonic(self) -> float:
        return self.time


def a_view(discovery: Discovery | None) -> View:
    return View((OrganizationView("acme", (), None, 0.0, discovery=discovery),))


def test_a_list_is_certain_without_discovery_or_after_a_successful_one() -> None:
    for discovery, certain in (
        (None, True),
        (Discovery(), False),
        (Discovery(users=3), False),  # restored from an earlier run
        (Discovery(up=False, users=3), False),
        (Discovery(up=True, users=3), True),
    ):
        (organization,) = a_view(discovery).organizations
        assert is_listed(organization) is certain, discovery


def test_it_compares_at_first_then_every_ten_minutes_and_when_asked() -> None:
    clock = FakeClock()
    removals = Removals(clock)
    view = a_view(None)
    assert removals.claim(view)
    clock.time += 599.0
    assert not removals.claim(view)
    removals.compare_soon()
    assert removals.claim(view)
    clock.time += 600.0
    assert removals.claim(view)


def test_it_compares_again_once_a_discovery_has_worked() -> None:
    removals = Removals(FakeClock())
    assert removals.claim(a_view(Discovery()))
    assert not removals.claim(a_view(Discovery()))
    assert removals.claim(a_view(Discovery(up=True, users=1)))
    assert not removals.claim(a_view(Discovery(up=True, users=1)))


def test_a_removed_user_is_remembered_for_ten_minutes_or_until_published_again() -> None:
    clock = FakeClock()
    removals = Removals(clock)
    removals.record([b"a", b"b"], [])
    clock.time += 300.0
    removals.record([b"a", b"c"], [b"b"])
    assert (removals.is_recent(b"a"), removals.is_recent(b"b")) == (True, False)
    clock.time += 300.0
    assert removals.expired() == [b"a"]
    assert removals.expired() == []
    assert not removals.is_recent(b"a")
