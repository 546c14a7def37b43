"""The stages of a token on its way to its expiry and beyond, and from when each holds. Pure functions."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import StrEnum

from exporter.model.token import NEVER

WARNING_SHARE = 3
"""A warning begins in the last third of a token's lifetime at the earliest."""
CRITICAL_SHARE = 10
"""The critical stage begins in the last tenth of a token's lifetime at the earliest."""


class Stage(StrEnum):
    """How close a token is to its expiry, or how long ago it expired. In the order in which they follow each other."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"
    EXPIRED = "expired"
    NOT_REMOVED = "not_removed"

    @property
    def includes_begin(self) -> bool:
        """Whether the stage holds in the very second of its begin: so it is for those from the expiry on.

        The others hold as soon as less time than the threshold remains, so just after it.
        """
        return self in _INCLUDE_BEGIN


_INCLUDE_BEGIN = frozenset({Stage.EXPIRED, Stage.NOT_REMOVED})


@dataclass(frozen=True, slots=True)
class ExpiryThresholds:
    """When the stages of a user's tokens begin, in seconds.

    Attributes:
        info: before the expiry; None if there is no such stage.
        warning: the same, but at most a third of the token's lifetime.
        critical: the same, but at most a tenth of the token's lifetime.
        expired_for: after the expiry, from which on the token should have been removed.
    """

    info: float | None
    warning: float
    critical: float
    expired_for: float


@functools.lru_cache(maxsize=64)
def stages(
    created_at: float | None, expires_at: float | None, thresholds: ExpiryThresholds
) -> tuple[tuple[Stage, float], ...]:
    """The stages of a token, and the epoch second at which each begins, in their order.

    A stage lasts until the next one begins. One that would not begin before the next one does not occur.

    Several families and the alerts ask about the same tokens of a user, one after the other.

    Args:
        created_at: epoch seconds; None if unknown, which does not shorten the thresholds.
        expires_at: epoch seconds; `NEVER` or None if it never expires or that is unknown: then there are no stages.
        thresholds: those of the token's user.
    """
    if expires_at is None or expires_at == NEVER:
        return ()
    warning, critical = thresholds.warning, thresholds.critical
    if created_at is not None and (lifetime := expires_at - created_at) > 0:
        warning, critical = min(warning, lifetime / WARNING_SHARE), min(critical, lifetime / CRITICAL_SHARE)
    begins = [
        (Stage.WARNING, expires_at - warning),
        (Stage.CRITICAL, expires_at - critical),
        (Stage.EXPIRED, expires_at),
        (Stage.NOT_REMOVED, expires_at + thresholds.expired_for),
    ]
    if thresholds.info is not None:
        begins.insert(0, (Stage.INFO, expires_at - thresholds.info))
    found = [begins[-1]]
    for one in begins[-2::-1]:
        if one[1] < found[0][1]:
            found.insert(0, one)
    return tuple(found)


def stage_at(begins: tuple[tuple[Stage, float], ...], now: float) -> Stage | None:
    """The stage that holds at the time ``now``, in epoch seconds; None before the first.

    Args:
        begins: the result of `stages`.
        now: epoch seconds.
    """
    found = None
    for stage, begin in begins:
        if begin < now or (begin == now and stage.includes_begin):
            found = stage
    return found
