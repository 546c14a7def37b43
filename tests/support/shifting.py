"""A list of users that changes while it is read: somebody leaves or joins between two of its pages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from exporter.common.cancellation import Stop

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Move:
    """Somebody leaves or joins.

    Attributes:
        after: the number of requests for pages after which it happens, in one reading of the list.
        position: where in the list, counted from 0.
        joins: whether a new user joins there; otherwise the user there leaves.
    """

    after: int
    position: int
    joins: bool


class ShiftingList:
    """The part of the API client that discovery needs, for `platform/users` alone.

    Args:
        number: users at the beginning.
        cap: the largest page.
        totals: whether headers give the number of users and pages.
    """

    def __init__(self, number: int, *, cap: int = 100, totals: bool = True) -> None:
        self.users = [f"u{one}" for one in range(number)]
        self.pages_read = 0
        self._cap = cap
        self._totals = totals
        self._joined = number
        self._moves: list[Move] = []
        self._requests = 0

    def begin(self, moves: Sequence[Move] = ()) -> None:
        """Begin a reading in which these moves happen, in their order where they happen at once."""
        self._requests = 0
        self._moves = sorted(moves, key=lambda move: move.after)

    def page(self, operation: str, path: str, query: Mapping[str, str], stop: Stop) -> tuple[bytes, Mapping[str, str]]:
        """A page of the list as it is now."""
        stop.check()
        assert (operation, path) == ("list_users", "platform/users")
        while self._moves and self._moves[0].after <= self._requests:
            self._move(self._moves.pop(0))
        self._requests += 1
        self.pages_read += 1
        number, size = int(query["page"]), min(int(query["perPage"]), self._cap)
        page: list[dict[str, Any]] = [{"id": one} for one in self.users[(number - 1) * size : number * size]]
        headers = {"x-total": str(len(self.users)), "x-total-pages": str(-(-len(self.users) // size))}
        return json.dumps(page).encode(), headers if self._totals else {}

    def read(self, parse: Callable[[], T]) -> T:
        """Parse an answer."""
        return parse()

    def count_unreadable(self, field: str, count: int) -> None:
        """Every entry is readable."""
        raise AssertionError(field, count)

    def count_truncated(self, field: str, count: int) -> None:
        """No text is cut."""
        raise AssertionError(field, count)

    def _move(self, move: Move) -> None:
        position = move.position % (len(self.users) + 1)
        if move.joins:
            self.users.insert(position, f"u{self._joined}")
            self._joined += 1
        elif position < len(self.users):
            del self.users[position]
