"""When Alertmanager hears of what: looks at the state every now and then and hands notices to one sender each.

The notifier's thread never does I/O, and each Alertmanager has a sender with a thread and a bounded queue of its own:
a dead Alertmanager delays neither polls nor scrapes nor the other Alertmanagers.
"""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Protocol

import structlog
import tenacity

from exporter.alerts.alertmanager import DeliveryError
from exporter.clock import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from exporter.alerts.alertmanager import AlertmanagerClient
    from exporter.alerts.conditions import Alert, Labels
    from exporter.alerts.tracker import Notice, Tracker
    from exporter.clock import Clock

_log = structlog.get_logger(__name__)
QUEUE_CAPACITY = 10_000
"""Notices that wait for one Alertmanager; as many as Prometheus keeps by default."""
BATCH = 64
"""Notices in one request; as many as Prometheus sends at once."""
_ATTEMPTS = 3
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
_REFUSED_FOR = 15 * 60.0
"""Seconds for which an alert that Alertmanager has refused is not offered again."""
_LOOKS_PER_RESEND = 4
_LONGEST_BETWEEN_LOOKS = 15.0


class NotificationObserver(Protocol):
    """Counts what happens to notices."""

    def sent(self, alertmanager: str, count: int, seconds: float) -> None:
        """A batch was taken, after so many seconds."""
        ...

    def failed(self, alertmanager: str, count: int) -> None:
        """So many notices could not be delivered; they are tried again."""
        ...

    def dropped(self, alertmanager: str, count: int) -> None:
        """So many notices were given up: the queue was full, or Alertmanager refused them."""
        ...

    def queued(self, alertmanager: str, length: int) -> None:
        """So many notices are waiting."""
        ...

    def firing(self, notices: Sequence[Notice]) -> None:
        """These alerts fire now."""
        ...

    def internal_error(self, where: str) -> None:
        """A defect was caught and survived."""
        ...


class Sender:
    """Delivers notices to one Alertmanager, in the order in which they came.

    A newer notice takes the place of an older one that waits, so that none is pushed back for ever. Where there is no
    room, those go whose alert Alertmanager has heard of most recently.

    Args:
        client: how to get there.
        observer: counts what happens.
        parent: ends everything.
        clock: where time comes from.
        capacity: notices that may wait.
        longest_pause: seconds between two tries at most, while Alertmanager cannot be reached.
    """

    def __init__(
        self,
        client: AlertmanagerClient,
        observer: NotificationObserver,
        parent: Stop,
        clock: Clock,
        capacity: int = QUEUE_CAPACITY,
        longest_pause: float = _LONGEST_PAUSE,
    ) -> None:
        self._client = client
        self._observer = observer
        self._clock = clock
        self._capacity = capacity
        self._longest_pause = min(longest_pause, _LONGEST_PAUSE)
        self._stop = Stop(parent)
        self._failures = 0
        # Which alerts Alertmanager has taken, in the order of the last time; and until when it is spared the refused.
        self._taken: dict[Labels, None] = {}
        self._refused: dict[Labels, float] = {}
        # Guards _waiting and _taken, and wakes the thread when there is something to deliver.
        self._changed = threading.Condition()
        self._waiting: dict[Labels, Notice] = {}
        self._thread = threading.Thread(target=self._run, name="alertmanager", daemon=True)

    @property
    def url(self) -> str:
        """The address of the Alertmanager."""
        return self._client.target.url

    def start(self) -> None:
        """Start delivering."""
        self._thread.start()

    def stop(self) -> None:
        """Stop at once; what waits is lost, which the lease on each alert makes up for."""
        self._stop.set()
        with self._changed:
            self._changed.notify()
        self._client.close()
        if self._thread.is_alive():
            self._thread.join(1)
        self._stop.release()

    def put(self, notices: Iterable[Notice]) -> None:
        """Queue notices; never waits."""
        with self._changed:
            self._waiting.update((notice.labels, notice) for notice in notices)
            dropped = self._make_room()
            length = len(self._waiting)
            self._changed.notify()
        self._count(dropped, length)

    def _make_room(self) -> int:
        """Give up what is too much; gives how many."""
        surplus = len(self._waiting) - self._capacity
        if surplus <= 0:
            return 0
        newest_first = itertools.chain(reversed(self._taken), reversed(list(self._waiting)))
        for labels in list(itertools.islice((one for one in newest_first if one in self._waiting), 2 * surplus)):
            if len(self._waiting) > self._capacity:
                self._waiting.pop(labels, None)
        return surplus

    def _count(self, dropped: int, length: int) -> None:
        if dropped:
            self._observer.dropped(self.url, dropped)
        self._observer.queued(self.url, length)

    def _run(self) -> None:
        while (batch := self._take()) is not None:
            try:
                self._deliver(batch)
            except Exception:  # noqa: BLE001 - a defect with one batch must not end the deliveries; it is counted
                self._observer.internal_error("notify")
                _log.exception("delivery crashed", alertmanager=self.url)

    def _take(self) -> list[Notice] | None:
        with self._changed:
            while not self._waiting and not self._stop.is_set():
                self._changed.wait()
            if self._stop.is_set():
                return None
            taken = [self._waiting.pop(labels) for labels in list(self._waiting)[:BATCH]]
            length = len(self._waiting)
        now = self._clock.now()
        batch = [notice for notice in taken if not notice.lapsed(now) and not self._spared(notice.labels)]
        self._count(len(taken) - len(batch), length)
        return batch

    def _spared(self, labels: Labels) -> bool:
        until = self._refused.get(labels)
        return until is not None and self._clock.monotonic() < until

    def _deliver(self, batch: list[Notice]) -> None:
        """Deliver a batch. Where something in it is refused, halve it until what is refused stands alone."""
        if not batch:
            return
        started = self._clock.monotonic()
        try:
            self._attempt(batch)
        except DeliveryError as error:
            if self._stop.is_set():
                return
            if not error.refused:
                self._put_back(batch, error)
            elif len(batch) == 1:
                self._refuse(batch[0].labels, error)
            else:
                middle = len(batch) // 2
                self._deliver(batch[:middle])
                self._deliver(batch[middle:])
            return
        self._observer.sent(self.url, len(batch), self._clock.monotonic() - started)
        self._took(batch)
        if self._failures:
            self._failures = 0
            _log.info("Alertmanager takes alerts again", alertmanager=self.url)

    def _took(self, batch: list[Notice]) -> None:
        with self._changed:
            for notice in batch:
                self._taken.pop(notice.labels, None)
                self._taken[notice.labels] = None
            for labels in list(itertools.islice(self._taken, max(0, len(self._taken) - 2 * self._capacity))):
                del self._taken[labels]
        for notice in batch:
            self._refused.pop(notice.labels, None)

    def _put_back(self, batch: list[Notice], error: DeliveryError) -> None:
        """Queue what could not be delivered once more, behind the others, and pause."""
        self._observer.failed(self.url, len(batch))
        log = _log.debug if self._failures else _log.error
        log("Alertmanager cannot be reached, its alerts are sent again later", alertmanager=self.url, detail=str(error))
        with self._changed:
            for notice in batch:
                self._waiting.setdefault(notice.labels, notice)
            dropped = self._make_room()
            length = len(self._waiting)
        self._count(dropped, length)
        self._stop.wait(min(_FIRST_PAUSE * 2 ** min(self._failures, 10), self._longest_pause))
        self._failures += 1

    def _refuse(self, labels: Labels, error: DeliveryError) -> None:
        self._observer.dropped(self.url, 1)
        log = _log.debug if labels in self._refused else _log.error
        log("alert refused", alertmanager=self.url, detail=str(error), labels=dict(labels))
        now = self._clock.monotonic()
        self._refused = {old: until for old, until in self._refused.items() if until + _REFUSED_FOR > now}
        self._refused[labels] = now + _REFUSED_FOR

    def _attempt(self, batch: list[Notice]) -> None:
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            retry=tenacity.retry_if_exception(self._worth_another_try),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=2),
            sleep=self._sleep,
            reraise=True,
        )
        retrying(self._client.send, batch)

    def _worth_another_try(self, error: BaseException) -> bool:
        return isinstance(error, DeliveryError) and not error.refused and not self._stop.is_set()

    def _sleep(self, seconds: float) -> None:
        self._stop.wait(seconds)


class Notifier:
    """Looks at what is worth an alert and tells every Alertmanager.

    Args:
        conditions: everything that is worth an alert at a time in epoch seconds.
        tracker: remembers what has been told.
        senders: one for each Alertmanager.
        resend: seconds between two notices of the same firing alert.
        keep: told of the alerts that fire, with their starts, after each look.
    """

    def __init__(
        self,
        conditions: Callable[[float], Iterable[Alert]],
        tracker: Tracker,
        senders: Sequence[Sender],
        observer: NotificationObserver,
        parent: Stop,
        clock: Clock,
        resend: float,
        keep: Callable[[Iterable[tuple[Labels, float]]], None] | None = None,
    ) -> None:
        self._keep = keep
        self._conditions = conditions
        self._tracker = tracker
        self._senders = senders
        self._observer = observer
        self._stop = Stop(parent)
        self._clock = clock
        self._resend = resend
        self._every = min(resend / _LOOKS_PER_RESEND, _LONGEST_BETWEEN_LOOKS)
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)

    def start(self) -> None:
        """Start looking and telling."""
        for sender in self._senders:
            sender.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop at once."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(1)
        for sender in self._senders:
            sender.stop()
        self._stop.release()

    def look(self) -> None:
        """Look once."""
        now = self._clock.now()
        notices = self._tracker.due(self._conditions(now), now, self._resend)
        firing = self._tracker.firing
        self._observer.firing(firing)
        if self._keep is not None:
            self._keep((notice.labels, notice.starts_at) for notice in firing)
        if notices:
            for sender in self._senders:
                sender.put(notices)

    def _run(self) -> None:
        while True:
            try:
                self.look()
            except Exception:  # noqa: BLE001 - a defect in one look must not silence the next; it is counted
                self._observer.internal_error("alerts")
                _log.exception("looking for alerts crashed")
            if self._stop.wait(self._every):
                return
