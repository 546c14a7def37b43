"""The updates that a ledger publishes, and the queue that keeps their order."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.event import Event
    from exporter.model.snapshot import Sweep
    from exporter.model.state import UserState


@dataclass(frozen=True, slots=True)
class Changed:
    """The state of a user has changed.

    Attributes:
        organization: the name.
        before: the previous state; the same object as `after` if another replica polled and published the events.
        after: the new state.
        events: the changes of the user's tokens in between; empty until `Changes.publish` adds them.
    """

    organization: str
    before: UserState
    after: UserState
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Swept:
    """A sweep has been completed."""

    organization: str
    sweep: Sweep


@dataclass(frozen=True, slots=True)
class OwnExpiryChanged:
    """The expiry of the exporter's own token has changed, in epoch seconds; None if it is unknown."""

    organization: str
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class UsersRemoved:
    """These users are no longer watched."""

    organization: str
    user_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OrganizationRemoved:
    """The organization is no longer configured. This is its last update."""

    organization: str


Update = Changed | Swept | OwnExpiryChanged | UsersRemoved | OrganizationRemoved


@dataclass(slots=True)
class Receipt:
    """An update that was put, and what became of it.

    Attributes:
        complete: False once it has been published and a part of the exporter could not take it.
    """

    update: Update
    complete: bool = True


class Delivery:
    """Publishes updates one at a time, in the order in which they were put.

    Call `put` with the lock that orders the updates, and `deliver` without it, so that publishing never blocks readers
    of the state. A thread that delivers waits while another one does. This bounds the queue to what the waiting threads
    have put, and ensures that an update has been published when `deliver` returns.

    Args:
        publish: called with each update, by one thread at a time; returns False if a part of the exporter could not
            take it, which has been counted. What it calls must not wait for a thread that delivers here. If it calls
            `deliver` itself, the outer call goes on with what was put meanwhile.
    """

    def __init__(self, publish: Callable[[Update], bool | None]) -> None:
        self._publish = publish
        self._queue: deque[Receipt] = deque()
        # Held while updates are published, so that they are published in order.
        self._turn = threading.Lock()
        self._delivering: int | None = None

    def put(self, update: Update) -> Receipt:
        """Queue an update; the caller's lock orders them."""
        receipt = Receipt(update)
        self._queue.append(receipt)
        return receipt

    def deliver(self) -> None:
        """Publish everything that has been put so far."""
        if self._delivering == threading.get_ident():
            return
        with self._turn:
            self._delivering = threading.get_ident()
            try:
                while self._queue:
                    receipt = self._queue.popleft()
                    receipt.complete = self._publish(receipt.update) is not False
            finally:
                self._delivering = None
