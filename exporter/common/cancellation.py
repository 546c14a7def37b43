"""Stop requests that end all waits made through them immediately."""

from __future__ import annotations

import threading
from typing import Protocol


class Stoppable(Protocol):
    """What a stop request is passed on to."""

    def set(self) -> None:
        """Request the stop."""
        ...


class StoppedError(Exception):
    """The work was cancelled: by shutdown, by a reload, or because its sweep has ended."""


class Stop:
    """A stop request that ends all waits made through it immediately.

    A stop may have a parent: stopping the parent also stops the child, but not the other way round. The daemon has one,
    each organization has a child of it, and each sweep has a child of that.
    """

    def __init__(self, parent: Stop | None = None) -> None:
        self._event = threading.Event()
        # Guards _children, and that a child added while the event is set is stopped too.
        self._lock = threading.Lock()
        # In the order in which they were added. A dictionary, since there may be one for each request in flight.
        self._children: dict[Stoppable, None] = {}
        self._parent = parent
        if parent is not None:
            parent.add(self)

    def add(self, child: Stoppable) -> None:
        """Pass this stop on to a child until `remove`; at once if it was requested already."""
        with self._lock:
            self._children[child] = None
            if self._event.is_set():
                child.set()

    def set(self) -> None:
        """Request the stop. May be called repeatedly."""
        with self._lock:
            self._event.set()
            children = list(self._children)
        for child in children:
            child.set()

    def release(self) -> None:
        """Remove this stop from its parent, once nothing waits on it."""
        if self._parent is not None:
            self._parent.remove(self)

    def remove(self, child: Stoppable) -> None:
        """Pass this stop on to a child no longer."""
        with self._lock:
            self._children.pop(child, None)

    def is_set(self) -> bool:
        """Whether the stop was requested."""
        return self._event.is_set()

    def wait(self, seconds: float | None) -> bool:
        """Wait until the stop, at most for this number of seconds; None for no limit. True if it was requested."""
        if seconds is not None and seconds <= 0:
            return self._event.is_set()
        return self._event.wait(seconds)

    def check(self) -> None:
        """Raise `StoppedError` if the stop was requested."""
        if self._event.is_set():
            raise StoppedError
