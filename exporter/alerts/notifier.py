"""Evaluates conditions periodically and queues notifications for each receiver. No I/O."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.alerts.tracker import Moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.alerts.conditions import Evaluation
    from exporter.alerts.sender import NotificationObserver, Sender
    from exporter.alerts.tracker import Tracker
    from exporter.common.cancellation import Stop
    from exporter.common.clock import Clock
    from exporter.common.worker import Supervisor
    from exporter.model.kept_alert import KeptAlert

_EVALUATIONS_PER_RESEND = 4
_LONGEST_BETWEEN_EVALUATIONS = 15.0
_ANNOTATIONS_KEPT_EVERY = 300.0


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What the notifier does until the next reload.

    Attributes:
        evaluate: finds the alerts that fire at a time in epoch seconds.
        senders: one for each receiver.
        resend: seconds between two notifications of the same firing alert.
    """

    evaluate: Callable[[float], Evaluation]
    senders: tuple[Sender, ...]
    resend: float

    @property
    def interval(self) -> float:
        """Seconds between two evaluations."""
        return min(self.resend / _EVALUATIONS_PER_RESEND, _LONGEST_BETWEEN_EVALUATIONS)


class Notifier:
    """Evaluates the conditions and queues the notifications that are due.

    There is one for the lifetime of the process; a reload applies another plan. So the tracker has a single owner,
    however long an evaluation takes.

    Args:
        tracker: tracks the alerts; used by the notifier only.
        observer: counts firing alerts.
        supervisor: makes the thread.
        parent: stops the notifier when it is set.
        clock: the current time.
        keep: called with the alerts to keep over a restart, after evaluations that changed them; None to keep none.
    """

    def __init__(
        self,
        tracker: Tracker,
        observer: NotificationObserver,
        supervisor: Supervisor,
        parent: Stop,
        clock: Clock,
        keep: Callable[[Iterable[KeptAlert]], None] | None = None,
    ) -> None:
        self._tracker = tracker
        self._observer = observer
        self._clock = clock
        self._keep = keep
        self._kept: tuple[object, ...] = ()
        self._kept_at = 0.0
        # Guards _tracker, and _plan while its notifications are queued.
        self._lock = threading.Lock()
        self._plan: Plan | None = None
        self._started = False
        self._worker = supervisor.worker("alerts", self.step, parent=parent)

    def restore(self, kept: Iterable[KeptAlert], resend: float) -> None:
        """Continue with the alerts of an earlier run."""
        with self._lock:
            self._tracker.restore(kept, Moment.of(self._clock), resend)

    def apply(self, plan: Plan | None) -> None:
        """Apply another plan, or pause if it is None.

        Once this returns, no more notifications of the old plan are queued; an evaluation in progress is discarded.
        """
        with self._lock:
            self._plan = plan
        if plan is not None and not self._started:
            self._started = True
            self._worker.start()
        self._worker.wake()

    def request_stop(self) -> None:
        """Ask the notifier to stop without waiting for it."""
        self._worker.stopping.set()

    def stop(self, timeout: float = 5.0) -> bool:
        """Stop; returns whether the thread has ended."""
        self.apply(None)
        return self._worker.stop(timeout)

    def step(self) -> float | None:
        """Evaluate once; returns the seconds until the next evaluation, None to wait for a plan."""
        plan = self._plan
        if plan is None:
            return None
        at = Moment.of(self._clock)
        found = plan.evaluate(at.wall)
        with self._lock:
            if self._plan is not plan:
                return 0.0
            notifications = self._tracker.due(found.alerts, at, plan.resend, found.unknown)
            for sender in plan.senders:
                sender.put(notifications)
            self._observer.firing(self._tracker.firing)
            self._keep_alerts(at)
        return plan.interval

    def _keep_alerts(self, at: Moment) -> None:
        """Keep the alerts when one starts or ends; changed annotations alone are kept every few minutes."""
        if self._keep is None:
            return
        kept = self._tracker.kept
        identities = tuple((one.labels, one.starts_at, one.ends_at) for one in kept)
        if identities != self._kept or at.monotonic >= self._kept_at + _ANNOTATIONS_KEPT_EVERY:
            self._kept, self._kept_at = identities, at.monotonic
            self._keep(kept)
