"""Alerts that take each other's place, such as a warning that ends when a critical alert begins. No I/O.

Both are sent in one request: a receiver that gets the end alone would report that all is well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from exporter.alerts.alert import POLICY
from exporter.model.labels import KIND, ORGANIZATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.alerts.alert import Labels

MOST = 8
"""Alerts in one unit. A token is in one stage at a time, but masked ids may stand for many tokens."""
_SUBJECT = frozenset({ORGANIZATION, "user_id", "token_id", KIND, POLICY})
"""What does not change with the severity or with a name."""


class Unit:
    """Alerts to send together.

    Attributes:
        number: identifies it among the notifications of one tracker.
        members: the alerts.
    """

    __slots__ = ("members", "number")

    def __init__(self, number: int, members: list[Sendable]) -> None:
        self.number = number
        self.members = members


class Sendable(Protocol):
    """An alert that is tracked."""

    @property
    def labels(self) -> Labels:
        """Its identity."""
        ...

    unit: Unit | None
    """The alerts to send it with, as long as it waits to be sent."""


def join(begun: Iterable[Sendable], ended: Iterable[Sendable], numbers: Iterator[int]) -> None:
    """Make units of the alerts that have begun and ended at the same time and are about the same thing.

    An ended alert that still waits to be sent stays in its unit, which the new alert joins.

    Args:
        begun: the alerts that have begun.
        ended: the alerts that have ended.
        numbers: numbers for new units, greater than 0.
    """
    pairs: dict[Labels, tuple[list[Sendable], list[Sendable]]] = {}
    for one in ended:
        if subject := _subject(one.labels):
            pairs.setdefault(subject, ([], []))[0].append(one)
    if not pairs:
        return
    for one in begun:
        if (pair := pairs.get(_subject(one.labels))) is not None:
            pair[1].append(one)
    for before, after in pairs.values():
        if not after:
            continue
        earlier = [member for one in before if one.unit is not None for member in one.unit.members]
        # What has begun comes first, in case a receiver gets only a part.
        unit = Unit(next(numbers), _distinct([*after, *before, *earlier])[:MOST])
        for one in unit.members:
            one.unit = unit


def _subject(labels: Labels) -> Labels:
    return tuple([pair for pair in labels if pair[0] in _SUBJECT])


def _distinct(members: Iterable[Sendable]) -> list[Sendable]:
    return list({id(one): one for one in members}.values())
