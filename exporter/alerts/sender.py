"""Delivers notices to one Alertmanager, in the order in which they were made.

Each Alertmanager has a sender with a thread and a bounded queue of its own: a dead Alertmanager delays neither polls
nor scrapes nor the other Alertmanagers.
"""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Protocol

import structlog

from exporter.alerts.outbox import CAPACITY, Outbox
from exporter.alerts.receivers.alertmanager import DeliveryError
from exporter.alerts.tracker import Moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exporter.alerts.conditions import Labels
    from exporter.alerts.receivers.alertmanager import AlertmanagerClient
    from exporter.alerts.tracker import Notice
    from exporter.common.cancellation import Stop
    from exporter.common.clock import Clock
    from exporter.common.worker import Supervisor

_log = structlog.get_logger(__name__)
BATCH = 64
"""Notices in one request; as many as Prometheus sends at once."""
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 30.0
_REFUSED_FOR = 15 * 60.0
"""Seconds for which an alert that Alertmanager has refused is not offered again."""
_SAME_BATCH_FIRST = 5
"""Errors in a row that Alertmanager answers before other, smaller batches get their turn."""
_STUCK_MARGIN = 60.0


class NotificationObserver(Protocol):
    """Counts what happens to notices."""

    def sent(self, alertmanager: str, count: int, seconds: float) -> None:
        """A batch was taken, after so many seconds."""
        ...

    def failed(self, alertmanager: str, count: int) -> None:
        """So many notices could not be delivered; they are tried again."""
        ...

    def dropped(self, alertmanager: str, count: int) -> None:
        """So many notices were given up: the queue was full, they were out of date, or Alertmanager refused them."""
        ...

    def queued(self, alertmanager: str, length: int) -> None:
        """So many notices are waiting."""
        ...

    def firing(self, alerts: Sequence[Notice]) -> None:
        """These alerts fire now."""
        ...

    def internal_error(self, where: str) -> None:
        """A defect was caught and survived."""
        ...


class Sender:
    """Delivers notices to one Alertmanager, one request after the other.

    What could not be delivered goes back to its place, so that the order is kept. Where Alertmanager goes on answering
    the same batch with errors, other and smaller batches get their turn: what one alert causes must not hold up all
    others. A notice is never sent after a newer one of the same alert.

    Args:
        client: how to get there.
        observer: counts what happens.
        supervisor: makes the thread.
        parent: ends everything.
        clock: where time comes from.
        capacity: notices that may wait.
        longest_pause: seconds between two tries at most, while Alertmanager cannot be reached.
    """

    def __init__(
        self,
        client: AlertmanagerClient,
        observer: NotificationObserver,
        supervisor: Supervisor,
        parent: Stop,
        clock: Clock,
        capacity: int = CAPACITY,
        longest_pause: float = _LONGEST_PAUSE,
    ) -> None:
        self._client = client
        self._observer = observer
        self._clock = clock
        self._pauses = _Pauses(longest_pause)
        self._refused = _Refused(capacity)
        self._batch_size = BATCH
        # Guards _outbox and _paused.
        self._lock = threading.Lock()
        self._outbox = Outbox(capacity)
        self._paused = False
        self._worker = supervisor.worker(
            "notify", self.step, parent=parent, stuck_after=client.target.timeout + _STUCK_MARGIN
        )

    @property
    def url(self) -> str:
        """The address of the Alertmanager."""
        return self._client.target.url

    @property
    def pending(self) -> list[Notice]:
        """What waits, in its order; all that was not delivered once the sender has been stopped."""
        with self._lock:
            waiting = self._outbox.take(len(self._outbox))
            self._outbox.put_back(waiting)
        return waiting

    def start(self) -> None:
        """Start delivering."""
        self._worker.start()

    def request_stop(self) -> None:
        """Ask for the stop without waiting for it, and end the request under way."""
        self._worker.stopping.set()
        self._client.close()

    def stop(self, timeout: float = 5.0) -> bool:
        """Stop at once, which ends the request under way.

        Returns:
            True if the thread has ended. It sends nothing more in either case.
        """
        self.request_stop()
        ended = self._worker.stop(timeout)
        # The request that was ended may have given its connection back meanwhile.
        self._client.close()
        return ended

    def pause(self) -> None:
        """Deliver nothing until the next `put`; what waits is kept."""
        with self._lock:
            self._paused = True

    def put(self, notices: Iterable[Notice]) -> None:
        """Queue notices and deliver what waits; returns at once."""
        with self._lock:
            self._paused = False
            dropped = self._outbox.put(notices)
            length = len(self._outbox)
        self._count(dropped, length)
        self._worker.wake()

    def step(self) -> float | None:
        """Make one request, if there is something to deliver; returns the seconds until the next, None for no limit."""
        at = Moment.of(self._clock)
        with self._lock:
            if self._paused or not self._outbox:
                return None
            if (rest := self._pauses.until - at.monotonic) > 0:
                return rest
            taken = self._outbox.take(self._batch_size)
            length = len(self._outbox)
        batch = [one for one in taken if not one.out_of_date(at) and not self._refused.spares(one.labels, at.monotonic)]
        self._count(len(taken) - len(batch), length)
        if batch:
            self._deliver(batch)
        return 0.0

    def _count(self, dropped: int, length: int) -> None:
        if dropped:
            self._observer.dropped(self.url, dropped)
        self._observer.queued(self.url, length)

    def _deliver(self, batch: list[Notice]) -> None:
        started = self._clock.monotonic()
        try:
            self._client.send(batch)
        except DeliveryError as error:
            if error.refused:
                self._divide(batch, str(error))
            else:
                self._retry_later(batch, error)
        except Exception:  # noqa: BLE001 - a defect with one alert must not end the deliveries; counted once alone
            if len(batch) == 1:
                self._observer.internal_error("notify")
                _log.exception("delivery crashed", alertmanager=self.url)
            self._divide(batch, "the exporter could not send it")
        else:
            self._observer.sent(self.url, len(batch), self._clock.monotonic() - started)
            self._delivered(batch)

    def _delivered(self, batch: list[Notice]) -> None:
        with self._lock:
            self._outbox.delivered(batch)
        for notice in batch:
            self._refused.forget(notice.labels)
        self._batch_size = min(BATCH, 2 * self._batch_size)
        if self._pauses.failures:
            self._pauses.over()
            _log.info("Alertmanager takes alerts again", alertmanager=self.url)

    def _divide(self, batch: list[Notice], detail: str) -> None:
        """Something in the batch is refused: halve it until what is refused stands alone, and give that up."""
        if len(batch) > 1:
            self._batch_size = len(batch) // 2
            self._put_back(batch)
            return
        (notice,) = batch
        self._observer.dropped(self.url, 1)
        known = self._refused.add(notice.labels, self._clock.monotonic())
        log = _log.debug if known else _log.error
        log("alert refused", alertmanager=self.url, detail=detail, labels=dict(notice.labels))

    def _retry_later(self, batch: list[Notice], error: DeliveryError) -> None:
        if self._worker.stopping.is_set():
            # The stop has ended the request: kept for whoever takes over.
            self._put_back(batch)
            return
        self._observer.failed(self.url, len(batch))
        log = _log.debug if self._pauses.failures else _log.error
        log("Alertmanager cannot be reached, its alerts are sent again later", alertmanager=self.url, detail=str(error))
        self._pauses.failed(self._clock.monotonic(), answered=error.answered)
        another = self._pauses.answered > _SAME_BATCH_FIRST
        if another:
            self._batch_size = max(1, self._batch_size // 2)
        self._put_back(batch, behind=another)

    def _put_back(self, batch: list[Notice], *, behind: bool = False) -> None:
        with self._lock:
            dropped = self._outbox.put_back(batch, behind=behind)
            length = len(self._outbox)
        self._count(dropped, length)


class _Pauses:
    """How long to wait between two tries: longer each time, up to a limit."""

    def __init__(self, longest: float) -> None:
        self._longest = min(longest, _LONGEST_PAUSE)
        self.failures = 0
        self.answered = 0
        """Errors in a row that Alertmanager has answered."""
        self.until = 0.0
        """Monotonic seconds before which there is no further try."""

    def failed(self, now: float, *, answered: bool) -> None:
        self.until = now + min(_FIRST_PAUSE * 2 ** min(self.failures, 10), self._longest)
        self.failures += 1
        self.answered = self.answered + 1 if answered else 0

    def over(self) -> None:
        self.failures = self.answered = 0
        self.until = 0.0


class _Refused:
    """The alerts that Alertmanager has refused, and until when they are not offered again."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        # In the order of the times.
        self._until: dict[Labels, float] = {}

    def spares(self, labels: Labels, now: float) -> bool:
        """Whether an alert is not to be offered now."""
        until = self._until.get(labels)
        return until is not None and now < until

    def add(self, labels: Labels, now: float) -> bool:
        """Remember one; returns whether it was refused not long ago, too."""
        known = self._until.pop(labels, None) is not None
        self._until[labels] = now + _REFUSED_FOR
        for oldest, until in list(itertools.islice(self._until.items(), 2)):
            if until + _REFUSED_FOR <= now or len(self._until) > self._capacity:
                del self._until[oldest]
        return known

    def forget(self, labels: Labels) -> None:
        """Offer it again: Alertmanager has taken it."""
        self._until.pop(labels, None)
