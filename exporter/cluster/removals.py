"""When to compare Redis with the watched users, and how long a removed user stays in the order for standbys to see."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.common.worker import MonotonicClock
    from exporter.model.snapshot import OrganizationView, View

_COMPARE_EVERY = 600.0
"""Seconds between two comparisons of the records in Redis with the watched users."""
_KEPT = 600.0
"""Seconds for which standbys can see that a user was removed."""


class Removals:
    """The users that the leader removed. A replica makes a new one each time that it becomes the leader."""

    def __init__(self, clock: MonotonicClock) -> None:
        self._clock = clock
        self._next = float("-inf")
        self._unlisted: frozenset[str] = frozenset()
        self._removed: dict[bytes, float] = {}

    def compare_soon(self) -> None:
        """Compare in the next step."""
        self._next = float("-inf")

    def claim(self, view: View) -> bool:
        """Whether to compare now: it is time, or the list of users of one more organization is known."""
        listed = any(is_listed(one) for one in view.organizations if one.name in self._unlisted)
        if not listed and self._clock.monotonic() < self._next:
            return False
        # Before the comparison: a call of `compare_soon` during it must not get lost.
        self._next = self._clock.monotonic() + _COMPARE_EVERY
        self._unlisted = frozenset(one.name for one in view.organizations if not is_listed(one))
        return True

    def is_recent(self, name: bytes) -> bool:
        """Whether this replica removed the user within the last ten minutes."""
        return name in self._removed

    def record(self, removed: Iterable[bytes], states: Iterable[bytes]) -> None:
        """Record whose records were removed, and whose were written."""
        now = self._clock.monotonic()
        for name in removed:
            self._removed.setdefault(name, now)
        for name in states:
            self._removed.pop(name, None)

    def expired(self) -> list[bytes]:
        """Users removed so long ago that every standby has seen it; each is returned once."""
        now = self._clock.monotonic()
        old = [name for name, at in self._removed.items() if now - at >= _KEPT]
        for name in old:
            del self._removed[name]
        return old


def is_listed(organization: OrganizationView) -> bool:
    """Whether the list of watched users is certain: from the configuration, or from a discovery of this process."""
    discovery = organization.discovery
    return discovery is None or (discovery.up is True and discovery.users is not None)
