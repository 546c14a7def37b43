"""The checks find what they are for: each is given a made-up fault, and the same without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from soak.bounds import MB, Bounds, Scale
from soak.expectations import FOREVER, Expectations
from soak.invariants import Freshness, Growth, Health, Leadership, LogRate, Removed, Resources
from soak.measure import Duration
from soak.samples import Probe, Sample, Scrape, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Worked out by hand from docs/soak.md: 40 users in 3 organizations, 4 requests at once, polled every 5 s.
BOUNDS = Bounds(Scale(users=40, organizations=3, concurrency=4, rate=40.0, interval=5.0, timeout=2.0, lease=3.0))
USERS = ("u1", "u2")
WALL = 1_700_000_000.0


def a_sample(
    at: float,
    rss: float = 80.0,
    fds: int = 30,
    threads: int = 30,
    process: int = 1,
    clients: int = 0,
    last_success: Mapping[str, float] | None = None,
    *,
    leader: bool = True,
    wall: float | None = None,
) -> Sample:
    known = last_success or {}
    scrape = Scrape(leader, frozenset({"acme"}), frozenset(known), known)
    now = WALL + at if wall is None else wall
    return Sample(at, "alone", process, 0.0, int(rss * MB), fds, threads, clients, scrape, now)


def expecting(*users: str) -> Expectations:
    expected = Expectations()
    expected.configured(frozenset({"acme"}), frozenset(users), 0.0)
    return expected


def names(violations: Iterable[Violation]) -> list[str]:
    return [violation.invariant for violation in violations]


def test_the_bounds_are_those_of_the_documented_formulas() -> None:
    assert BOUNDS.rss(40) == 110e6 + 40 * 40e3 + 64e6
    assert BOUNDS.fds(3, 40) == 48 + 3 * 10 + 40
    assert BOUNDS.threads(3) == 64 + 3 * 14
    assert BOUNDS.age == 15
    assert (BOUNDS.one_leader, BOUNDS.some_leader) == (11, 13)
    assert BOUNDS.log_lines(40) == 150 + 40 * 12


@pytest.mark.parametrize(
    ("name", "bad"), [("rss", {"rss": 176.0}), ("descriptors", {"fds": 79}), ("threads", {"threads": 107})]
)
def test_too_much_for_five_seconds_is_found(name: str, bad: dict[str, float]) -> None:
    resources = Resources(BOUNDS)
    found = [names(resources.check(a_sample(float(at), **bad), 40, 3)) for at in range(7)]  # type: ignore[arg-type]
    assert found == [[], [], [], [], [], [name], [name]]


def test_a_short_peak_is_not_a_leak_and_clients_count() -> None:
    resources = Resources(BOUNDS)
    for at in range(20):
        assert not list(resources.check(a_sample(at, rss=500.0 if at % 4 else 80.0), 40, 3))
        assert not list(resources.check(a_sample(at, fds=100, clients=40), 40, 3))


def grown(per_second: float, restart_at: int | None = None) -> list[float]:
    """When growth is found, for memory that grows by so many MB a second."""
    growth = Growth(BOUNDS, warm_up=60.0, span=10.0)
    samples = (
        a_sample(at, rss=80 + per_second * at, process=1 if restart_at is None or at < restart_at else 2)
        for at in range(400)
    )
    return [violation.at for sample in samples for violation in growth.check(sample, 40)]


def test_a_slow_leak_is_found() -> None:
    # 0.2 MB a second: 40 MB more than the median of seconds 60 to 69 (64.5) is reached by the median of the last
    # eleven seconds when that is above 264.5, at 270 s.
    assert grown(0.2)[0] == 270.0
    assert grown(0.05) == []


def test_a_new_process_has_its_own_warm_up() -> None:
    # 60 s and 200 s more after the restart, as in the test above.
    assert grown(0.2, restart_at=100)[0] == 370.0


def test_memory_for_added_users_is_not_a_leak() -> None:
    growth = Growth(BOUNDS, warm_up=10.0, span=10.0)
    found = [names(growth.check(a_sample(at, rss=80 if at < 30 else 124), 40 if at < 30 else 140)) for at in range(60)]
    # 44 MB more; allowed: 40, and 4 for a hundred users.
    assert not any(found)


def test_two_leaders_for_longer_than_three_leases_are_found() -> None:
    leadership = Leadership(BOUNDS)
    found = [names(leadership.check(at, {"a": True, "b": at >= 5}, 0.0)) for at in range(20)]
    # Two from 5 s on; 11 s are allowed: three leases of 3 s, and 2 s between two samples.
    assert [at for at in range(20) if found[at]] == [17, 18, 19]
    assert found[17] == ["two leaders"]


def test_two_may_lead_while_redis_is_down_and_for_three_leases_after() -> None:
    leadership = Leadership(BOUNDS)
    for at in range(60):
        assert not list(leadership.check(at, {"a": True, "b": True}, FOREVER))
    found = [at for at in range(60, 80) if list(leadership.check(at, {"a": True, "b": True}, 60.0))]
    assert found[0] == 72


def test_no_leader_is_found_unless_no_replica_runs() -> None:
    leadership = Leadership(BOUNDS)
    found = [at for at in range(30) if list(leadership.check(at, {"a": None, "b": False}, 0.0))]
    assert found[0] == 14
    assert not list(leadership.check(30, {"a": None, "b": None}, 0.0))
    assert not list(leadership.check(31, {"a": True, "b": False}, 0.0))


def polled(stuck: str | None, expected: Expectations, *, leader: bool = True) -> list[float]:
    """When old data is found: each user is polled every 5 s, but one only at 10 s."""
    freshness = Freshness(BOUNDS)
    found = []
    for at in range(60):
        last = {user: WALL + (10 if user == stuck and at >= 10 else at - at % 5) for user in USERS}
        found += [one.at for one in freshness.check(a_sample(at, last_success=last, leader=leader), expected)]
    return found


def test_a_user_who_is_not_polled_is_found() -> None:
    # Polled at 10 s for the last time, so too old after 25 s.
    assert polled("u2", expecting(*USERS))[0] == 26.0
    assert polled(None, expecting(*USERS)) == []


def test_a_user_who_is_missing_is_found() -> None:
    assert polled(None, expecting(*USERS, "u3"))[0] == 16.0


def test_old_data_is_allowed_only_while_the_platform_fails() -> None:
    expected = expecting(*USERS)
    expected.end(expected.begin("platform", 12.0), 20.0, recovery=5.0)
    assert polled("u2", expected)[0] == 41.0


def test_disk_and_alertmanager_faults_do_not_allow_old_data() -> None:
    expected = expecting(*USERS)
    expected.begin("disk", 12.0)
    assert polled("u2", expected)[0] == 26.0


def test_restored_data_does_not_count_as_a_poll() -> None:
    freshness = Freshness(BOUNDS)
    for at in range(60):
        process = 1 if at < 30 else 2
        # All data is older after the restart: what was polled last had not been written.
        last = dict.fromkeys(USERS, WALL + (at - at % 5 if at < 30 or at >= 35 else 10))
        assert not list(freshness.check(a_sample(at, process=process, last_success=last), expecting(*USERS)))


def test_a_standby_does_not_poll() -> None:
    assert polled("u2", expecting(*USERS), leader=False) == []


def test_a_wrong_time_of_success_is_found() -> None:
    freshness = Freshness(BOUNDS)
    found = []
    for at in range(40):
        # From 30 s on the times are an hour ahead.
        last = dict.fromkeys(USERS, WALL + at - at % 5 + (3600 if at >= 30 else 0))
        found += names(freshness.check(a_sample(at, last_success=last), expecting(*USERS)))
    assert set(found) == {"false time"}


def test_a_clock_step_does_not_count_as_a_wrong_time() -> None:
    freshness = Freshness(BOUNDS)
    expected = expecting(*USERS)
    expected.moment("clock", 30.0, 6.0)
    for at in range(60):
        offset = 7200 if at >= 30 else 0
        last = dict.fromkeys(USERS, WALL + at - at % 5 + (7200 if at >= 35 else 0))
        assert not list(freshness.check(a_sample(at, last_success=last, wall=WALL + at + offset), expected))


@pytest.mark.parametrize(
    ("effects", "age", "false"),
    # 15 s is the bound on age, 5 s that on the truth of times; the sample before is one second older
    [(False, 8.0, True), (False, 5.0, False), (True, 8.0, False), (True, 25.0, True), (True, -8.0, True)],
)
def test_polls_that_are_adopted_after_redis_was_away_may_be_older(effects: bool, age: float, false: bool) -> None:  # noqa: FBT001
    freshness = Freshness(BOUNDS)
    expected = expecting(*USERS)
    if effects:
        expected.moment("redis effects", 30.0, 6.0)
    found = []
    for at in range(32):
        last = dict.fromkeys(USERS, WALL + at - age if at == 31 else WALL + at - at % 5)
        found += names(freshness.check(a_sample(at, last_success=last, wall=WALL + at), expected))
    assert ("false time" in found) is false


def test_a_series_of_a_removed_user_is_found() -> None:
    expected = expecting("u1", "u2")
    expected.configured(frozenset({"acme"}), frozenset({"u1"}), 10.0)
    gone = Removed("removed, but shown", 8.0)
    assert not list(gone.check(18.0, "/metrics of a", ["acme", "u1", "u2"], 0.0, expected))
    (found,) = gone.check(19.0, "/metrics of a", ["acme", "u1", "u2"], 0.0, expected)
    assert (found.invariant, found.daemon) == ("removed, but shown", "a")
    assert "u2" in found.text
    # After a restart there is as much time again.
    assert not list(gone.check(25.0, "/metrics of a", ["u2"], 20.0, expected))
    assert list(gone.check(29.0, "/metrics of a", ["u2"], 20.0, expected))
    assert not list(gone.check(60.0, "/metrics of a", ["acme", "u1"], 20.0, expected))


def test_a_name_that_was_never_configured_is_found() -> None:
    assert list(Removed("x", 8.0).check(9.0, "a", ["other"], 0.0, expecting("u1")))
    assert not list(Removed("x", 8.0).check(9.0, "a", ["other"], FOREVER, expecting("u1")))


@pytest.mark.parametrize(
    ("seconds", "status", "lag", "broken"),
    [(0.9, 200, 0.0, False), (1.1, 200, 0.0, True), (1.1, 200, 0.2, False), (0.1, 503, 0.0, True), (0.1, 0, 0.0, True)],
)
def test_a_slow_or_failing_healthy_is_found(seconds: float, status: int, lag: float, *, broken: bool) -> None:
    found = names(Health(BOUNDS).check(Probe("a", 5.0, seconds, status, lag, "")))
    assert found == (["healthy"] if broken else [])


def test_a_flooded_log_is_found() -> None:
    log = LogRate(BOUNDS)
    # 630 lines a minute are allowed.
    assert not list(log.check(0.0, "a", 600, 6000, 40))
    assert names(log.check(30.0, "a", 31, 310, 40)) == ["log lines"]
    assert not list(log.check(75.0, "a", 500, 5000, 40))
    # 64 kB and 300 bytes for each of 630 lines: 253 kB.
    assert names(log.check(76.0, "a", 1, 250_000, 40)) == ["log bytes"]


def test_what_takes_too_long_is_found_and_the_worst_is_kept() -> None:
    duration = Duration("exit", 5.0)
    assert not list(duration.check(1.0, "a", 4.9))
    (found,) = duration.check(2.0, "b", 5.1, "exit code 0")
    assert found.text == "b: exit 5.1 s, limit 5.0; exit code 0"
    assert not list(duration.check(3.0, "a", 2.0))
    assert (duration.worst.value, duration.worst.where, duration.worst.checks) == (5.1, "b", 3)
