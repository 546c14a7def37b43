from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from soak import schedule as kinds
from soak.schedule import Lane, Profile, schedule, steady

SECONDS = st.floats(60, 3600)
SEEDS = st.integers(0, 10_000)
PROFILES = st.sampled_from(Profile)


@given(SEEDS, SECONDS, PROFILES)
def test_the_same_seed_gives_the_same_schedule(seed: int, seconds: float, profile: Profile) -> None:
    assert schedule(seed, seconds, profile) == schedule(seed, seconds, profile)


def test_another_seed_gives_another_schedule() -> None:
    assert schedule(1, 1800, Profile.ALL) != schedule(2, 1800, Profile.ALL)


@given(SEEDS, SECONDS, PROFILES)
def test_faults_of_one_lane_do_not_overlap_and_end_before_the_run(seed: int, seconds: float, profile: Profile) -> None:
    events = schedule(seed, seconds, profile)
    assert [event.at for event in events] == sorted(event.at for event in events)
    for lane in Lane:
        mine = [event for event in events if event.lane is lane]
        for before, after in itertools.pairwise(mine):
            assert before.at + before.seconds < after.at
        # Each event is over 24 s before the end; 0.1 s for rounding.
        assert all(event.at + event.seconds <= seconds - 24 + 0.1 for event in mine)


def test_half_an_hour_has_every_fault() -> None:
    for seed in range(20):
        met = {(event.lane, event.what) for event in schedule(seed, 1800, Profile.ALL)}
        wanted = {
            *((Lane.PLATFORM, what) for what in kinds.PLATFORM),
            *((Lane.REDIS, what) for what in kinds.REDIS),
            *((Lane.ALERTMANAGER, what) for what in kinds.ALERTMANAGER),
            *((Lane.DISK, what) for what in kinds.DISK),
            *((Lane.PROCESS, what) for what in kinds.PROCESS),
            *((Lane.RELOAD, what) for what in kinds.RELOAD),
            *((Lane.CLIENTS, what) for what in kinds.CLIENTS),
        }
        assert met == wanted


def test_ninety_seconds_have_something_of_each_lane() -> None:
    for seed in range(20):
        assert {event.lane for event in schedule(seed, 90, Profile.ALL)} == set(Lane)


def test_a_single_daemon_has_no_redis() -> None:
    assert all(event.lane is not Lane.REDIS for event in schedule(1, 1800, Profile.SINGLE))
    assert {event.target for event in schedule(1, 1800, Profile.REPLICAS)} == {"", "a", "b"}


@given(SEEDS, PROFILES)
def test_one_daemon_keeps_its_process_for_the_last_three_fifths(seed: int, profile: Profile) -> None:
    late = [event for event in schedule(seed, 1800, profile) if event.at > 720 and event.what in {"kill -9", "SIGTERM"}]
    assert all(event.target != steady(profile.daemons) for event in late)
    assert late or profile is Profile.SINGLE
