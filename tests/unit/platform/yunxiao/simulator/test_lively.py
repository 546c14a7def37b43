from __future__ import annotations

from collections import Counter

import pytest

from exporter.platform.yunxiao.simulator.changes import Step
from exporter.platform.yunxiao.simulator.enterprise import Enterprise, TokenRecord
from exporter.platform.yunxiao.simulator.lively import (
    FAILING,
    MOST_ACTORS,
    MOST_AWAY,
    MOST_TOKENS,
    ROUND,
    STEP,
    Lively,
    step_of,
)

START = 1_780_272_000.0
Tokens = dict[str, tuple[TokenRecord, ...]]


class Scene:
    """A lively enterprise and its time."""

    def __init__(self, size: int = 25, seed: int = 1) -> None:
        self.now = START
        self.enterprise = Enterprise(size, seed, base=START)
        self.lively = Lively(self.enterprise, seed, start=START, now=lambda: self.now)
        self.ids = [user.user_id for user in self.enterprise.users()]

    def wait(self, seconds: float) -> Scene:
        self.now += seconds
        self.lively.advance()
        return self

    def state(self) -> tuple[Tokens, list[str], list[bool]]:
        """All tokens, who is listed, and who fails."""
        return (
            {one: self.enterprise.tokens(one) for one in self.ids},
            [one.user_id for one in self.enterprise.people()],
            [self.lively.fault_of(one) is not None for one in self.ids],
        )

    def listed(self) -> int:
        return len(self.enterprise.people())

    def total(self) -> int:
        return sum(len(self.enterprise.tokens(one)) for one in self.ids)


def test_nothing_happens_before_the_first_step() -> None:
    scene = Scene()
    before = scene.state()
    assert scene.wait(STEP - 0.001).state() == before
    assert scene.wait(ROUND).state() != before


@pytest.mark.parametrize("seed", [1, 7])
def test_the_history_depends_on_the_seed_and_not_on_when_requests_arrive(seed: int) -> None:
    often, once, other = Scene(seed=seed), Scene(seed=seed), Scene(seed=seed + 1)
    for _ in range(1200):
        often.wait(0.5)
    assert often.state() == once.wait(600).state()
    assert once.state() != other.wait(600).state()


def test_each_kind_of_step_comes_once_in_each_round() -> None:
    for start in (0, 13, 26):
        assert Counter(step_of(1, number) for number in range(start, start + 13)) == Counter(list(Step))


def test_people_and_tokens_stay_in_a_band_for_days() -> None:
    scene = Scene(size=10)
    tokens = scene.total()
    for _ in range(48):
        scene.wait(3600)  # 900 steps at once; none is skipped
        assert 10 - MOST_AWAY <= scene.listed() <= 10
        assert abs(scene.total() - tokens) <= 4
        assert max(len(scene.enterprise.tokens(one)) for one in scene.ids) <= MOST_TOKENS


def test_after_a_long_pause_only_the_last_steps_happen() -> None:
    scene = Scene(size=3)
    scene.wait(10 * 365 * 86_400)
    assert 0 < scene.listed() <= 3


def test_somebody_fails_for_a_while_and_recovers() -> None:
    scene = Scene()
    while not any(scene.state()[2]):
        scene.wait(STEP)
    began, (failing, *_) = scene.now, [one for one in scene.ids if scene.lively.fault_of(one)]
    while scene.lively.fault_of(failing):
        scene.now += 1  # without a request
    assert scene.now - began == FAILING


def test_some_tokens_expire_within_a_round_and_the_next_two_minutes() -> None:
    scene = Scene().wait(ROUND)
    expiring = [
        token.expires_at - scene.now
        for one in scene.ids
        for token in scene.enterprise.tokens(one)
        if token.created_at >= START and token.expires_at is not None and token.expires_at < scene.now + 120
    ]
    assert len(expiring) == 1


def test_the_first_people_act_and_the_others_keep_their_tokens() -> None:
    scene = Scene(size=60)
    before = scene.state()[0]
    scene.wait(3600)
    after = scene.state()[0]
    changed = [one for one in scene.ids if before[one] != after[one]]
    assert 20 < len(changed) <= MOST_ACTORS
    assert set(changed) <= set(scene.ids[:MOST_ACTORS])


@pytest.mark.parametrize("size", [0, 1, 2])
def test_a_small_enterprise_keeps_at_least_one_of_its_people(size: int) -> None:
    scene = Scene(size=size)
    for _ in range(100):
        scene.wait(STEP * 5)
        assert min(size, 1) <= scene.listed() <= size
