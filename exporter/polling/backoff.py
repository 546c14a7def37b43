"""When each user of a sweep is polled, and which users are skipped. Pure: values in, values out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.model.state import UserState
    from exporter.model.user import User

_FAILURES_BEFORE_BACKOFF = 3
"""Failures in a row after which a user is polled less often."""
_WARM_INTERVALS = 1.5
"""Poll intervals up to which the data of an earlier run counts as fresh."""
_STALE_SHARE = 10
"""A warm start needs fewer than one user in this many to be stale."""
_MAX_BACKOFF = 8
"""A failing user is polled in at least one of this many sweeps."""


@dataclass(frozen=True, slots=True)
class Due:
    """A user, and the seconds from the start of the sweep until the user is polled."""

    user: User
    offset: float


def schedule(users: Sequence[User], over: float) -> list[Due]:
    """When to poll each user, soonest first.

    The offset of a user depends on the id alone. It is the same in every sweep and after every restart, so each user is
    polled once an interval, whoever joins or leaves. Prometheus spreads its targets in the same way.

    Args:
        users: the users to poll.
        over: seconds over which to spread them; 0 polls them at once, in the order given.
    """
    if over <= 0:
        return [Due(user, 0.0) for user in users]
    return sorted((Due(user, over * _fraction(user.user_id)) for user in users), key=lambda due: due.offset)


def is_warm(states: Sequence[UserState], now: float, interval: float) -> bool:
    """Whether an earlier run left data so fresh that the first sweep can be spread like any other.

    Args:
        states: the states of all users.
        now: epoch seconds.
        interval: seconds between two sweeps.
    """
    oldest = now - _WARM_INTERVALS * interval
    stale = sum((state.last_success or 0.0) < oldest for state in states)
    return stale * _STALE_SHARE < len(states)


def is_polled(state: UserState, sweep: int) -> bool:
    """Whether a sweep polls a user. One that keeps failing is polled in every 2nd, 4th and then 8th sweep.

    Args:
        state: the user's state.
        sweep: the number of the sweep.
    """
    excess = state.failures - _FAILURES_BEFORE_BACKOFF
    if excess <= 0:
        return True
    every: int = min(2**excess, _MAX_BACKOFF)
    # The id decides in which sweep, so that not all failing users are polled in the same one.
    return int(sweep + _fraction(state.user.user_id) * every) % every == 0


def _fraction(user_id: str) -> float:
    """A number in [0, 1) that depends on the id alone."""
    digest = hashlib.blake2b(user_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
