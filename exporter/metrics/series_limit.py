"""Which series are left out where there would be too many.

Whoever has many tokens must not cost the others theirs, and what is known to expire must not vanish for everybody.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from exporter.metrics.families import Family

UserKey = tuple[str, str]
"""The name of an organization and the id of a user in it."""
KEPT = ("yunxiao_token_expiry_timestamp_seconds", "yunxiao_user_permission_expiry_timestamp_seconds")
"""The first of these families that is enabled is never left out whole."""
_LARGE = 10
"""Times the median of a user's series from which a user counts as large."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is left out.

    Attributes:
        families: the names of those that are left out whole.
        users: those whose series of all detail families are.
    """

    families: frozenset[str] = frozenset()
    users: frozenset[UserKey] = frozenset()


NOTHING = LeftOut()


def left_out(families: Sequence[Family], users: Mapping[UserKey, Sequence[int]], others: int, most: int) -> LeftOut:
    """What to leave out so that no more than ``most`` series remain.

    1. If large users alone are what is too much, with ten times the series of the median user or more, then their
       series, the largest user's first.
    2. Else families whole: relative ones first, since the times that they count down to say the same, then the largest
       first. One of those that say when something expires always stays.
    3. If that is not enough, the series of users as well, the largest user's first.

    Args:
        families: the families that can be left out.
        users: the number of series of each of these families, in their order, by user.
        others: the number of all other series. They stay, even if they are more than ``most``.
        most: the most series that may remain.
    """
    sizes = {key: sum(counts) for key, counts in users.items()}
    excess = others + sum(sizes.values()) - most
    if excess <= 0:
        return NOTHING
    usual = statistics.median_low([size for size in sizes.values() if size] or [0])
    large = {key: size for key, size in sizes.items() if size >= _LARGE * usual}
    if sum(large.values()) >= excess:
        return LeftOut(users=_largest(large, excess))
    dropped: set[int] = set()
    for position, size in _in_order(families, users.values()):
        if excess <= 0:
            break
        dropped.add(position)
        excess -= size
    remaining = {
        key: sum(count for position, count in enumerate(counts) if position not in dropped)
        for key, counts in (users.items() if excess > 0 else ())
    }
    return LeftOut(frozenset(families[position].name for position in dropped), _largest(remaining, excess))


def _in_order(families: Sequence[Family], users: Iterable[Sequence[int]]) -> list[tuple[int, int]]:
    """The families that can be left out whole, by their position and size, in the order in which to do so."""
    totals = [sum(column) for column in zip(*users, strict=True)] or [0] * len(families)
    names = {family.name for family in families}
    kept = next((name for name in KEPT if name in names), None)
    found = [
        (family.relative, totals[position], family.name, position)
        for position, family in enumerate(families)
        if family.name != kept and totals[position]
    ]
    return [(position, size) for _, size, _, position in sorted(found, reverse=True)]


def _largest(sizes: Mapping[UserKey, int], excess: int) -> frozenset[UserKey]:
    """As few users as have so many series together, the largest first."""
    chosen = set()
    for key, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        if excess <= 0 or size == 0:
            break
        chosen.add(key)
        excess -= size
    return frozenset(chosen)
