"""Which families are left out where there would be too many series."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.metrics.families import Family


def left_out(details: Mapping[Family, int], others: int, most: int) -> frozenset[str]:
    """The detail families to leave out whole, largest first, so that no more than ``most`` series remain.

    Args:
        details: the number of series of each family that can be left out.
        others: the number of all other series.
        most: the most series that may remain. What cannot be left out stays, even if it is more.
    """
    dropped = set()
    total = others + sum(details.values())
    # Of families of the same size a relative one goes first: the times that it counts down to say the same.
    order = sorted(details, key=lambda family: (details[family], family.relative, family.name), reverse=True)
    for family in order:
        if total <= most:
            break
        dropped.add(family.name)
        total -= details[family]
    return frozenset(dropped)
