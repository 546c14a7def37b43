"""The faults that were injected and when, so that the checks know what to expect of each daemon."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

FOREVER = float("inf")


@dataclass(slots=True)
class Window:
    """A period with a fault.

    Attributes:
        what: such as ``redis`` or ``platform``.
        daemons: the affected daemons; empty for all.
        start: seconds since the run began.
        end: seconds since the run began, including the time for recovery; infinite while it lasts.
    """

    what: str
    daemons: frozenset[str]
    start: float
    end: float = FOREVER

    def concerns(self, daemon: str) -> bool:
        """Whether this daemon is affected."""
        return not self.daemons or daemon in self.daemons


class Expectations:
    """Written by the threads that inject faults, read by the checks."""

    def __init__(self) -> None:
        # Guards all fields.
        self._lock = threading.Lock()
        self._windows: list[Window] = []
        self._up: dict[str, list[tuple[float, float]]] = {}
        self._names: frozenset[str] = frozenset()
        self._users: frozenset[str] = frozenset()
        self._coming: frozenset[str] = frozenset()
        self._gone: dict[str, float] = {}
        self._added: dict[str, float] = {}

    def begin(self, what: str, at: float, daemons: Iterable[str] = ()) -> Window:
        """A fault begins."""
        window = Window(what, frozenset(daemons), at)
        with self._lock:
            self._windows.append(window)
        return window

    def end(self, window: Window, at: float, recovery: float = 0.0) -> None:
        """A fault has ended; its effects end after ``recovery`` seconds."""
        with self._lock:
            window.end = at + recovery

    def moment(self, what: str, at: float, recovery: float, daemons: Iterable[str] = ()) -> None:
        """A momentary fault whose effects last for a while."""
        self.end(self.begin(what, at, daemons), at, recovery)

    def calm_since(self, daemon: str, what: Iterable[str]) -> float:
        """Since when no fault of these kinds affects a daemon; infinite while one does."""
        with self._lock:
            return max((one.end for one in self._windows if one.what in what and one.concerns(daemon)), default=0.0)

    def up(self, daemon: str, at: float) -> None:
        """A daemon answers from now on."""
        with self._lock:
            self._up.setdefault(daemon, []).append((at, FOREVER))

    def down(self, daemon: str, at: float) -> None:
        """A daemon cannot be expected to answer from now on."""
        with self._lock:
            spells = self._up.setdefault(daemon, [])
            if spells and spells[-1][1] == FOREVER:
                spells[-1] = (spells[-1][0], at)

    def up_since(self, daemon: str) -> float | None:
        """Since when a daemon must answer; None while it need not."""
        with self._lock:
            spells = self._up.get(daemon, [])
            return spells[-1][0] if spells and spells[-1][1] == FOREVER else None

    def was_up(self, daemon: str, start: float, end: float) -> bool:
        """Whether a daemon had to answer during the whole period."""
        with self._lock:
            return any(begin <= start and end <= over for begin, over in self._up.get(daemon, []))

    def configuring(self, names: frozenset[str], users: frozenset[str]) -> None:
        """The configuration is about to change; some daemons may apply it before others."""
        with self._lock:
            self._coming = names | users

    def configured(self, names: frozenset[str], users: frozenset[str], at: float) -> None:
        """All daemons have applied the changed configuration."""
        with self._lock:
            for gone in (self._names - names) | (self._users - users):
                self._gone[gone] = at
            for added in (names - self._names) | (users - self._users):
                self._added[added] = at
            self._names, self._users, self._coming = names, users, frozenset()

    @property
    def users(self) -> frozenset[str]:
        """The ids of the configured users."""
        with self._lock:
            return self._users

    @property
    def names(self) -> frozenset[str]:
        """The names of the configured organizations."""
        with self._lock:
            return self._names

    def added_at(self, user: str) -> float:
        """When a user was added."""
        with self._lock:
            return self._added.get(user, 0.0)

    def removed_at(self, name: str) -> float | None:
        """When an organization or user was removed; None if it is configured, 0 if it never was."""
        with self._lock:
            if name in self._names or name in self._users or name in self._coming:
                return None
            return self._gone.get(name, 0.0)
