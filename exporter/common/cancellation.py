"""Requests to stop that end every wait made through them at once."""

from __future__ import annotations

import threading


class StoppedError(Exception):
    """The work was called off: by shutdown, by a reload, or because its sweep has ended."""


class Stop:
    """A request to stop that ends every wait made through it at once.

    A stop may have a parent: stopping the parent stops the child too, stopping the child leaves the parent alone. The
    daemon has one, each organization one below it, and each sweep one below that.
    """

    def __init__(self, parent: Stop | None = None) -> None:
        self._event = threading.Event()
        # Guards _children and the order "set, then tell the children", so that no child is born unstopped.
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
        """Ask for the stop. Asking twice is harmless."""
        with self._lock:
            self._event.set()
            children = list(self._children)
        for child in children:
            child.set()

    def release(self) -> None:
        """Let the parent forget this stop, once nothing waits on it any more."""
        if self._parent is not None:
            with self._parent._lock:  # noqa: SLF001
                if self in self._parent._children:  # noqa: SLF001
                    self._parent._children.remove(self)  # noqa: SLF001

    def is_set(self) -> bool:
        """Whether the stop has been asked for."""
        return self._event.is_set()

    def wait(self, seconds: float | None) -> bool:
        """Wait so many seconds (None: as long as it takes) or until the stop. True if it came to the stop."""
        return self._event.wait(None if seconds is None else max(0.0, seconds))

    def check(self) -> None:
        """Raise `StoppedError` if the stop has been asked for."""
        if self._event.is_set():
            raise StoppedError
