"""Which series are left out if there would be more than `metrics.max_series`.

One user with many tokens must not cost other users their series, and the expiry of tokens is the last to go.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from operator import is_
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from exporter.metrics.chunk import Chunk
    from exporter.metrics.families.base import Family
    from exporter.model.user import UserKey

_log = structlog.get_logger(__name__)
_NAMED = 5
"""Users named in a log line."""
KEPT = (
    "yunxiao_token_expiry_timestamp_seconds",
    "yunxiao_user_permission_expiry_timestamp_seconds",
    "yunxiao_user_permission_lost_timestamp_seconds",
)
"""The first of these families that is enabled is never left out whole."""
_LARGE = 10
"""Times the median of a user's series from which a user counts as large."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is left out.

    Attributes:
        families: the names of families that are left out for all users.
        users: users whose series of all detail families are left out.
    """

    families: frozenset[str] = frozenset()
    users: frozenset[UserKey] = frozenset()


NOTHING = LeftOut()


def left_out(families: Sequence[Family], users: Mapping[UserKey, Sequence[int]], others: int, most: int) -> LeftOut:
    """What to leave out so that at most ``most`` series remain.

    1. If leaving out large users is enough, their series, those of the largest user first. A user is large with at
       least ten times the series of the median user.
    2. Otherwise whole families: relative ones first, since they repeat the expiry timestamps, then the largest first.
       One of the families with expiry timestamps always stays.
    3. If that is not enough, the series of users as well, those of the largest user first.

    Args:
        families: the families that can be left out.
        users: by user, the number of series in each of these families, in their order.
        others: the number of all other series. They stay, even if there are more than ``most``.
        most: the largest number of series that may remain.
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
    """Position and size of the families that can be left out whole, in the order in which to leave them out."""
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
    """As few users as together have ``excess`` series, the largest first."""
    chosen = set()
    for key, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        if excess <= 0 or size == 0:
            break
        chosen.add(key)
        excess -= size
    return frozenset(chosen)


class SeriesLimiter:
    """Applies the limit at each scrape, and logs when families or users begin to be left out or return.

    Args:
        publish: called with every detail family that is enabled, and whether it is left out.
    """

    def __init__(self, publish: Callable[[Mapping[str, bool]], None]) -> None:
        self._publish = publish
        self._left_out = NOTHING
        # The last result, and what it was found for: limits and families, and the series of each user by column.
        self._found = NOTHING
        self._basis: object = None
        self._counts: list[array[int]] = []

    def apply(self, enabled: Sequence[Family], chunks: Sequence[Chunk], sources: Sequence[int], most: int) -> LeftOut:
        """What to leave out of a scrape.

        Args:
            enabled: the families about users.
            chunks: the text of the users.
            sources: for each of the families, the position of its column in the chunks.
            most: the largest number of series about users that may remain.
        """
        details = [position for position, family in enumerate(enabled) if family.detail is not None]
        families = [enabled[position] for position in details]
        counts = [sum([chunk.columns[source].series for chunk in chunks if chunk.columns]) for source in sources]
        series = sum(counts)
        found = NOTHING
        if series > most:
            others = series - sum(counts[position] for position in details)
            found = self._find(families, chunks, [sources[position] for position in details], (others, most))
        before, self._left_out = self._left_out, found
        _report(before, found, series, most)
        self._publish({family.name: family.name in found.families for family in families})
        return found

    def _find(
        self, families: Sequence[Family], chunks: Sequence[Chunk], sources: Sequence[int], limits: tuple[int, int]
    ) -> LeftOut:
        """What to leave out; what was found before, as long as no user has more or fewer series."""
        counts = [chunk.columns[source].counts for chunk in chunks if chunk.columns for source in sources]
        basis = (limits, tuple([family.name for family in families]))
        # A chunk keeps the same object until the text changes, and so do its users.
        same = basis == self._basis and len(counts) == len(self._counts) and all(map(is_, counts, self._counts))
        if not same:
            self._found = left_out(families, _by_user(chunks, sources), *limits)
            self._basis, self._counts = basis, counts
        return self._found


def _by_user(chunks: Sequence[Chunk], sources: Sequence[int]) -> dict[UserKey, tuple[int, ...]]:
    """By user, the number of series in each of these columns."""
    return {
        (chunk.organization, state.user.user_id): counts
        for chunk in chunks
        if chunk.columns
        for state, counts in zip(
            chunk.states, zip(*[chunk.columns[source].counts for source in sources], strict=True), strict=True
        )
    }


def _report(before: LeftOut, now: LeftOut, series: int, most: int) -> None:
    """Log the difference. Which users are left out may change with every poll: only the beginning and end is logged."""
    if new := sorted(now.families - before.families):
        _log.error("too many series, families are left out", families=new, series=series, limit=most)
    elif returned := sorted(before.families - now.families):
        _log.info("fewer series, families are exposed again", families=returned)
    if now.users and not before.users:
        _log.error(
            "too many series, the per-token and per-permission series of the largest users are left out",
            users=len(now.users),
            such_as=sorted(now.users)[:_NAMED],
            series=series,
            limit=most,
        )
    elif before.users and not now.users:
        _log.info("fewer series, those of all users are exposed again")
