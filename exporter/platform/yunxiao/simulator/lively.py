"""A lively enterprise: tokens are created, renewed, changed and deleted, people join, leave, and fail for a while.

There is no thread: each request applies the steps that are due by then. Each step has its own time and its own random
numbers, so the same seed and start give the same history, whenever requests arrive. Everything stays within bounds: the
same few people act, as many tokens are created as deleted, and those who join have left before.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.platform.yunxiao.simulator.changes import Step, changed, end_of, fits
from exporter.platform.yunxiao.simulator.faults import Fault, FaultKind
from exporter.platform.yunxiao.simulator.made_up import PERMISSIONS, chance_of, new_token
from exporter.platform.yunxiao.simulator.records import DAY

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable

    from exporter.platform.yunxiao.simulator.enterprise import Enterprise
    from exporter.platform.yunxiao.simulator.records import TokenRecord

STEP = 4.0
"""Seconds between two steps."""
ROUND = STEP * len(Step)
"""Seconds in which each kind of step happens once, in an order that depends on the seed."""
MOST_ACTORS = 50
"""People that act; in a large enterprise the others keep their tokens."""
MOST_AWAY = 5
"""People that have left at the same time."""
MOST_TOKENS = 8
"""Tokens of a person who gets no more."""
_MOST_STEPS = 2_000
"""Steps that are applied at once; after a longer pause the older ones are skipped."""
_FAULTS = (
    Fault(FaultKind.STATUS, "403:Forbidden.InvalidUser.UserNotInCurrentOrganization"),
    Fault(FaultKind.HTML),
    Fault(FaultKind.ENVELOPE, "documented"),
)
"""How a user fails: not by errors that are worth a retry, because these would only slow the demo down."""
FAILING = 90.0
"""Seconds for which a user fails."""
_EXPIRING = (20.0, 100.0)
"""Shortest and longest remaining time in seconds of a token that is about to expire."""
_FIRST = 0.5
"""Share of renewals and deletions that concern the token that expires first, or expired first."""


@dataclass(frozen=True, slots=True)
class _Failing:
    fault: Fault
    until: float


class Lively:
    """Changes an enterprise as time passes. Threads may share it.

    Args:
        enterprise: the people; the first ones act.
        seed: the same seed makes the same history.
        start: epoch seconds of the start.
        now: returns the time in epoch seconds.
    """

    def __init__(self, enterprise: Enterprise, seed: int, *, start: float, now: Callable[[], float]) -> None:
        self._enterprise = enterprise
        self._seed = seed
        self._start = start
        self._now = now
        self._actors = tuple(user.user_id for user in enterprise.users()[:MOST_ACTORS])
        for user_id in self._actors:
            # From now on they are stored instead of made up again for each step.
            enterprise.set_tokens(user_id, enterprise.tokens(user_id))
        # Guards the fields below; steps are applied one after the other.
        self._lock = threading.Lock()
        self._done = 0
        self._away: list[str] = []
        # Only ever replaced as a whole.
        self._failing: dict[str, _Failing] = {}

    def advance(self) -> None:
        """Apply the steps that are due by now."""
        # Without the lock at first: almost all requests come between two steps.
        if self._due() <= self._done or not self._actors:
            return
        with self._lock:
            due = self._due()
            self._done = max(self._done, due - _MOST_STEPS)
            while self._done < due:
                self._take(self._done)
                self._done += 1

    def fault_of(self, user_id: str) -> Fault | None:
        """The fault of a user who fails at the moment; None for a good answer."""
        failing = self._failing.get(user_id)
        return None if failing is None or failing.until <= self._now() else failing.fault

    def _due(self) -> int:
        return int((self._now() - self._start) / STEP)

    def _take(self, number: int) -> None:
        """Apply one step, at its own time."""
        at = self._start + (number + 1) * STEP
        step = step_of(self._seed, number)
        chance = chance_of(self._seed, "step", number)
        match step:
            case Step.LEAVE:
                self._leave(chance)
            case Step.JOIN:
                self._join(chance)
            case Step.FAIL:
                self._fail(chance, at)
            case Step.CREATE:
                self._create(chance, at, chance.uniform(15, 300) * DAY)
            case Step.CREATE_EXPIRING:
                self._create(chance, at, chance.uniform(*_EXPIRING))
            case _:
                self._change(step, chance, at)

    def _leave(self, chance: random.Random) -> None:
        present = self._present()
        if len(present) > 1 and len(self._away) < MOST_AWAY:
            user_id = chance.choice(present)
            self._away.append(user_id)
            self._enterprise.leave(user_id)

    def _join(self, chance: random.Random) -> None:
        if self._away:
            self._enterprise.join(self._away.pop(chance.randrange(len(self._away))))

    def _fail(self, chance: random.Random, at: float) -> None:
        failing = {user_id: one for user_id, one in self._failing.items() if one.until > at}
        failing[chance.choice(self._present())] = _Failing(chance.choice(_FAULTS), at + FAILING)
        self._failing = failing

    def _create(self, chance: random.Random, at: float, lifetime: float) -> None:
        able = [one for one in self._present() if len(self._enterprise.tokens(one)) < MOST_TOKENS]
        if able:
            user_id = chance.choice(able)
            granted = chance.sample(PERMISSIONS, chance.randint(1, 3))
            token = new_token(chance, at, lifetime, granted)
            self._enterprise.set_tokens(user_id, (*self._enterprise.tokens(user_id), token))

    def _change(self, step: Step, chance: random.Random, at: float) -> None:
        """Change or delete a token that the step fits, if there is one."""
        able = [
            (one, token) for one in self._present() for token in self._enterprise.tokens(one) if fits(step, token, at)
        ]
        if not able:
            return
        if step in {Step.RENEW, Step.DELETE_FIRST} and chance.random() < _FIRST:
            user_id, token = min(able, key=lambda one: (end_of(one[1]), one[1].token_id))
        else:
            user_id, token = chance.choice(able)
        self._enterprise.set_tokens(
            user_id, _with(self._enterprise.tokens(user_id), token, changed(step, token, chance, at))
        )

    def _present(self) -> list[str]:
        return [one for one in self._actors if one not in self._away]


def step_of(seed: int, number: int) -> Step:
    """The kind of a step, counted from 0. Each kind comes once in each round."""
    rounds, place = divmod(number, len(Step))
    order = list(Step)
    chance_of(seed, "round", rounds).shuffle(order)
    return order[place]


def _with(tokens: Iterable[TokenRecord], old: TokenRecord, new: TokenRecord | None) -> list[TokenRecord]:
    """The tokens with one replaced, or deleted."""
    after = (new if one == old else one for one in tokens)
    return [one for one in after if one is not None]
