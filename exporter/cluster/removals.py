"""When to compare Redis with who is watched, and how long a removed user stays in the order for standbys to see."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.common.worker import MonotonicClock
    from exporter.model.snapshot import OrganizationView, View

_COMPARE_EVERY = 600.0
"""Seconds between two comparisons of what is in Redis with who is watched."""
_KEPT = 600.0
"""Seconds for which standbys can see that a user was removed."""


class Removals:
    """What the replica that polls remembers about removed users; one for each time that it does so."""

    def __init__(self, clock: MonotonicClock) -> None:
        self._clock = clock
        self._next = float("-inf")
        self._unlisted: frozenset[str] = frozenset()
        self._buried: dict[bytes, float] = {}

    def compare_soon(self) -> None:
        """Compare with the next step."""
        self._next = float("-inf")

    def claim(self, view: View) -> bool:
        """Whether to compare now: it is time, or another organization's list of users has become known."""
        listed = any(is_listed(one) for one in view.organizations if one.name in self._unlisted)
        if not listed and self._clock.monotonic() < self._next:
            return False
        # Before the comparison: what is asked for during it must not get lost.
        self._next = self._clock.monotonic() + _COMPARE_EVERY
        self._unlisted = frozenset(one.name for one in view.organizations if not is_listed(one))
        return True

    def is_buried(self, name: bytes) -> bool:
        """Whether a user was removed by this replica not long ago."""
        return name in self._buried

    def buried(self, removed: Iterable[bytes], states: Iterable[bytes]) -> None:
        """Records were removed, and written."""
        now = self._clock.monotonic()
        for name in removed:
            self._buried.setdefault(name, now)
        for name in states:
            self._buried.pop(name, None)

    def expired(self) -> list[bytes]:
        """Users who were removed so long ago that every standby has seen it; named once."""
        now = self._clock.monotonic()
        old = [name for name, at in self._buried.items() if now - at >= _KEPT]
        for name in old:
            del self._buried[name]
        return old


def is_listed(organization: OrganizationView) -> bool:
    """Whether it is certain who is watched: by configuration, or since a discovery of this process worked."""
    discovery = organization.discovery
    return discovery is None or (discovery.up is True and discovery.users is not None)
