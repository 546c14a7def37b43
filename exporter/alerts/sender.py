"""Delivers notifications to one receiver, oldest first.

Each receiver has a sender with its own thread and bounded queue: a receiver that is down delays neither polls nor
scrapes nor the other receivers.
"""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Protocol

import structlog

from exporter.alerts.notification import Moment
from exporter.alerts.outbox import CAPACITY, Outbox
from exporter.alerts.receivers.base import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.alerts.alert import Labels
    from exporter.alerts.notification import Notification
    from exporter.alerts.receivers.base import Receiver
    from exporter.common.cancellation import Stop
    from exporter.common.clock import Clock
    from exporter.common.worker import Supervisor

_log = structlog.get_logger(__name__)
BATCH = 256
"""Notifications in one request, as in Prometheus 3."""
_CAUTIOUS_BATCH = 64
"""Size below which batches are not reduced because there was no answer, and not kept because larger ones failed."""
_CAUTIOUS_FOR = 5 * 60.0
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 30.0
_REFUSED_FOR = 15 * 60.0
"""Seconds during which an alert that the receiver refused is not sent again."""
_SAME_BATCH_FIRST = 5
"""Consecutive error answers after which other, smaller batches are tried first."""
_STUCK_MARGIN = 60.0
_WHOLE_UNITS = 16
"""Size of a batch from which on no unit of notifications is divided. Smaller ones search for what is refused."""


class NotificationObserver(Protocol):
    """Counts what happens to notifications."""

    def sent(self, alertmanager: str, count: int, seconds: float) -> None:
        """A batch of ``count`` notifications was delivered within ``seconds``."""
        ...

    def failed(self, alertmanager: str, count: int) -> None:
        """An attempt to deliver ``count`` notifications failed; they are retried."""
        ...

    def dropped(self, alertmanager: str, count: int) -> None:
        """``count`` notifications were dropped: the queue was full, they were out of date, or they were refused."""
        ...

    def queued(self, alertmanager: str, length: int) -> None:
        """The queue holds ``length`` notifications."""
        ...

    def firing(self, alerts: Mapping[str, int]) -> None:
        """So many alerts are firing, by name."""
        ...

    def internal_error(self, where: str) -> None:
        """An unexpected exception was caught."""
        ...


class Sender:
    """Delivers notifications to one receiver, one request at a time.

    Notifications that could not be delivered return to their place in the queue, so that the order is kept. If the
    receiver keeps answering the same batch with errors, other and smaller batches are tried first: one alert must not
    block all others. A notification is never sent after a newer one of the same alert.

    Args:
        receiver: takes the notifications.
        observer: counts deliveries and failures.
        supervisor: makes the thread.
        parent: stops the sender when it is set.
        clock: the current time.
        capacity: how many notifications the queue holds.
        longest_pause: longest time between two attempts while the receiver is unreachable, in seconds.
    """

    def __init__(
        self,
        receiver: Receiver,
        observer: NotificationObserver,
        supervisor: Supervisor,
        parent: Stop,
        clock: Clock,
        capacity: int = CAPACITY,
        longest_pause: float = _LONGEST_PAUSE,
    ) -> None:
        self._receiver = receiver
        self._observer = observer
        self._clock = clock
        self._pauses = _Pauses(longest_pause)
        self._refused = _Refused(capacity)
        self._size = _BatchSize()
        # Guards _outbox, _in_flight and _paused.
        self._lock = threading.Lock()
        self._outbox = Outbox(capacity)
        self._in_flight: list[Notification] = []
        self._paused = False
        self._worker = supervisor.worker(
            "notify", self.step, parent=parent, stuck_after=receiver.timeout + _STUCK_MARGIN
        )

    @property
    def name(self) -> str:
        """The name of the receiver."""
        return self._receiver.name

    @property
    def room(self) -> int:
        """The number of notifications that can be queued before others are dropped."""
        with self._lock:
            return self._outbox.room

    @property
    def pending(self) -> list[Notification]:
        """The queue, oldest first; once the sender has stopped, everything that was not delivered."""
        with self._lock:
            waiting = self._outbox.take(len(self._outbox))
            self._outbox.put_back(waiting)
            # The thread may not have ended in time.
            in_flight = {one.labels: one for one in self._in_flight}
        return list((in_flight | {one.labels: one for one in waiting}).values())

    def start(self) -> None:
        """Start delivering."""
        self._worker.start()

    def request_stop(self) -> None:
        """Ask the sender to stop without waiting for it, and abort the request in progress."""
        self._worker.stopping.set()
        self._receiver.close()

    def stop(self, timeout: float = 5.0) -> bool:
        """Stop at once and abort the request in progress.

        Returns:
            True if the thread has ended. Nothing more is sent in either case.
        """
        self.request_stop()
        ended = self._worker.stop(timeout)
        # The aborted request may have returned its connection to the pool meanwhile.
        self._receiver.close()
        return ended

    def pause(self) -> None:
        """Deliver nothing until the next `put`; the queue is kept."""
        with self._lock:
            self._paused = True

    def put(self, notifications: Iterable[Notification]) -> None:
        """Queue notifications and deliver the queue; returns at once."""
        with self._lock:
            self._paused = False
            dropped = self._outbox.put(notifications)
            length = len(self._outbox)
        self._count(dropped, length)
        self._worker.wake()

    def step(self) -> float | None:
        """Send one batch if there is one; returns the seconds until the next step, None to wait for `put`."""
        at = Moment.of(self._clock)
        with self._lock:
            if self._paused or not self._outbox:
                return None
            if (rest := self._pauses.until - at.monotonic) > 0:
                return rest
            taken = self._outbox.take(self._size.now, whole=self._size.now >= _WHOLE_UNITS)
            batch = self._refused.without([one for one in taken if not one.out_of_date(at)], at.monotonic)
            self._in_flight = batch
            length = len(self._outbox)
        self._count(len(taken) - len(batch), length)
        if batch:
            self._deliver(batch)
        with self._lock:
            self._in_flight = []
        return 0.0

    def _count(self, dropped: int, length: int) -> None:
        if dropped:
            self._observer.dropped(self.name, dropped)
        self._observer.queued(self.name, length)

    def _deliver(self, batch: list[Notification]) -> None:
        started = self._clock.monotonic()
        try:
            self._receiver.send(batch)
        except DeliveryError as error:
            if error.refused:
                self._divide(batch, str(error))
            else:
                self._retry_later(batch, error)
        except Exception:  # noqa: BLE001 - a defect with one alert must not stop the deliveries; counted once it stands alone
            if len(batch) == 1:
                self._observer.internal_error("notify")
                _log.exception("delivery crashed", alertmanager=self.name)
            self._divide(batch, "the exporter could not send it")
        else:
            self._observer.sent(self.name, len(batch), self._clock.monotonic() - started)
            self._delivered(batch)

    def _delivered(self, batch: list[Notification]) -> None:
        with self._lock:
            self._outbox.delivered(batch)
        self._refused.forget(batch)
        self._size.delivered(len(batch), self._clock.monotonic(), after_failures=self._pauses.failures > 0)
        if self._pauses.failures:
            self._pauses.over()
            _log.info("notifications are delivered again", alertmanager=self.name)

    def _divide(self, batch: list[Notification], detail: str) -> None:
        """Part of the batch is refused: halve it until the refused notification stands alone, then drop that one."""
        if len(batch) > 1:
            self._size.now = len(batch) // 2
            self._put_back(batch)
            return
        (notification,) = batch
        self._observer.dropped(self.name, 1)
        known = self._refused.add(notification.labels, self._clock.monotonic())
        log = _log.debug if known else _log.error
        log("alert refused", alertmanager=self.name, detail=detail, labels=dict(notification.labels))

    def _retry_later(self, batch: list[Notification], error: DeliveryError) -> None:
        if self._worker.stopping.is_set():
            # The stop aborted the request: keep the batch for the next sender of this receiver.
            self._put_back(batch)
            return
        self._observer.failed(self.name, len(batch))
        log = _log.debug if self._pauses.failures else _log.error
        log("cannot deliver notifications, will retry", alertmanager=self.name, detail=str(error))
        self._pauses.failed(self._clock.monotonic(), answered=error.answered)
        try_others = self._pauses.answered > _SAME_BATCH_FIRST
        if try_others:
            self._size.now = max(1, len(batch) // 2)
        elif not error.answered:
            # It may have been too much for the link or for the time limit.
            self._size.now = min(self._size.now, max(_CAUTIOUS_BATCH, len(batch) // 2))
        self._put_back(batch, behind=try_others)

    def _put_back(self, batch: list[Notification], *, behind: bool = False) -> None:
        with self._lock:
            dropped = self._outbox.put_back(batch, behind=behind)
            length = len(self._outbox)
        self._count(dropped, length)


class _BatchSize:
    """How many notifications to send in one request: fewer while the receiver takes no more."""

    def __init__(self) -> None:
        self.now = BATCH
        self._most = BATCH
        # Monotonic time until which no batch is larger than `_most`.
        self._until = 0.0

    def delivered(self, count: int, now: float, *, after_failures: bool) -> None:
        """A batch was delivered. If larger ones failed before, those that follow are not larger for a while."""
        if after_failures:
            self._most, self._until = max(_CAUTIOUS_BATCH, count), now + _CAUTIOUS_FOR
        self.now = min(2 * self.now, BATCH if now >= self._until else self._most)


class _Pauses:
    """Exponential backoff between attempts."""

    def __init__(self, longest: float) -> None:
        self._longest = min(longest, _LONGEST_PAUSE)
        self.failures = 0
        self.answered = 0
        """Consecutive failures that were error answers."""
        self.until = 0.0
        """Monotonic time of the next attempt."""

    def failed(self, now: float, *, answered: bool) -> None:
        self.until = now + min(_FIRST_PAUSE * 2 ** min(self.failures, 10), self._longest)
        self.failures += 1
        self.answered = self.answered + 1 if answered else 0

    def over(self) -> None:
        self.failures = self.answered = 0
        self.until = 0.0


class _Refused:
    """The alerts that the receiver refused, and until when they are not sent again."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        # Oldest first.
        self._until: dict[Labels, float] = {}

    def without(self, batch: list[Notification], now: float) -> list[Notification]:
        """The notifications that may be sent now."""
        if not self._until:
            return batch
        return [one for one in batch if self._until.get(one.labels, now) <= now]

    def add(self, labels: Labels, now: float) -> bool:
        """Record a refusal; returns whether the alert was already refused recently."""
        known = self._until.pop(labels, None) is not None
        self._until[labels] = now + _REFUSED_FOR
        for oldest, until in list(itertools.islice(self._until.items(), 2)):
            if until + _REFUSED_FOR <= now or len(self._until) > self._capacity:
                del self._until[oldest]
        return known

    def forget(self, batch: Iterable[Notification]) -> None:
        """Forget the refusals of alerts that were delivered."""
        if self._until:
            for one in batch:
                self._until.pop(one.labels, None)
