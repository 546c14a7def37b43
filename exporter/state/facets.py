"""The permissions and departments that occur, as choices for filters."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.state.credential_order import Change

Name = TypeVar("Name")
MOST = 200
"""How many names are offered as choices."""


class Facets:
    """Counts what occurs in the states of users."""

    def __init__(self) -> None:
        # Few combinations of permissions occur, so this is cheaper than to count each permission.
        self.combinations: Counter[tuple[str, ...]] = Counter()
        self.departments: Counter[str] = Counter()

    def change(self, changes: Iterable[Change]) -> None:
        """Count the states of some users, which were others before."""
        for before, after in changes:
            for state, sign in ((before, -1), (after, 1)):
                if state is None:
                    continue
                for token in state.credentials:
                    _add(self.combinations, token.permissions, sign)
                owner = state.user.owner
                if owner is not None and owner.department:
                    _add(self.departments, owner.department, sign)

    @property
    def permissions(self) -> Counter[str]:
        """How often permissions are listed."""
        every: Counter[str] = Counter()
        for found, count in self.combinations.items():
            for permission in found:
                every[permission] += count
        return every

    @staticmethod
    def names(counters: Iterable[Counter[str]]) -> tuple[str, ...]:
        """The names that occur most in all counters, sorted."""
        every: Counter[str] = Counter()
        for one in counters:
            every.update(one)
        return tuple(sorted((name for name, _ in every.most_common(MOST)), key=str))


def _add(counter: Counter[Name], name: Name, sign: int) -> None:
    counter[name] += sign
    if not counter[name]:
        del counter[name]
