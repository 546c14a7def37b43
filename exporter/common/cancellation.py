"""Stop requests that end all waits made through them immediately."""

from __future__ import annotations

import threading


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
        self._children: list[Stop] = []
        self._parent = parent
        if parent is not None:
            parent._adopt(self)  # noqa: SLF001 - the same class

    def _adopt(self, child: Stop) -> None:
        with self._lock:
            self._children.append(child)
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
            with self._parent._lock:  # noqa: SLF001
                if self in self._parent._children:  # noqa: SLF001
                    self._parent._children.remove(self)  # noqa: SLF001

    def is_set(self) -> bool:
        """Whether the stop was requested."""
        return self._event.is_set()

    def wait(self, seconds: float | None) -> bool:
        """Wait until the stop, at most for this number of seconds; None for no limit. True if it was requested."""
        return self._event.wait(None if seconds is None else max(0.0, seconds))

    def check(self) -> None:
        """Raise `StoppedError` if the stop was requested."""
        if self._event.is_set():
            raise StoppedError
