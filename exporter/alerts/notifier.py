"""Evaluates conditions periodically and queues notifications for each receiver. No I/O."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.alerts.notification import Moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.alerts.alert import Evaluation
    from exporter.alerts.sender import NotificationObserver, Sender
    from exporter.alerts.tracker import Tracker
    from exporter.common.cancellation import Stop
    from exporter.common.clock import Clock
    from exporter.common.worker import Supervisor
    from exporter.model.kept_alert import KeptAlert, KeptChanges

_EVALUATIONS_PER_RESEND = 4
_LONGEST_BETWEEN_EVALUATIONS = 15.0
_WHILE_BEHIND = 1.0
"""Seconds between two attempts to queue what is due."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What the notifier does until the next reload.

    Attributes:
        evaluate: finds the alerts that fire at a time in epoch seconds, or what has changed since the evaluation with
            this number.
        forget: frees the memory that makes the next evaluation cheap; called once no plan is applied.
        senders: one for each receiver.
        resend: seconds between two notifications of the same firing alert.
    """

    evaluate: Callable[[float, int | None], Evaluation]
    forget: Callable[[], None]
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
        keep: called with what has changed of the alerts to keep over a restart; None to keep none.
    """

    def __init__(
        self,
        tracker: Tracker,
        observer: NotificationObserver,
        supervisor: Supervisor,
        parent: Stop,
        clock: Clock,
        keep: Callable[[KeptChanges], None] | None = None,
    ) -> None:
        self._tracker = tracker
        self._observer = observer
        self._clock = clock
        self._keep = keep
        # Guards _tracker, and _plan while its notifications are queued.
        self._lock = threading.Lock()
        self._plan: Plan | None = None
        # The last plan that was evaluated, and the monotonic time of the next evaluation; used by the thread only.
        self._evaluated: Plan | None = None
        self._evaluate_at = 0.0
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
        """Evaluate if it is time to, and queue what is due.

        Returns:
            The seconds until the next step; None to wait for a plan.
        """
        plan = self._plan
        if plan is None:
            if self._evaluated is not None:
                self._evaluated.forget()
                self._evaluated = None
            return None
        at = Moment.of(self._clock)
        found = None
        if plan is not self._evaluated or at.monotonic >= self._evaluate_at:
            found = plan.evaluate(at.wall, self._tracker.applied)
            self._evaluated, self._evaluate_at = plan, at.monotonic + plan.interval
        with self._lock:
            if self._plan is not plan:
                return 0.0
            self._queue(plan, found, at)
            rest = max(0.0, self._evaluate_at - at.monotonic)
            return min(rest, _WHILE_BEHIND) if self._tracker.behind else rest

    def _queue(self, plan: Plan, found: Evaluation | None, at: Moment) -> None:
        """Queue what is due; ``found`` is None between two evaluations. Requires the lock."""
        if found is not None:
            self._tracker.update(found, at, plan.resend)
        # What no queue has room for stays due: a receiver that cannot keep up costs no work.
        room = max((sender.room for sender in plan.senders), default=0)
        if found is None and not room:
            return
        notifications = self._tracker.due(at, plan.resend, room)
        for sender in plan.senders:
            sender.put(notifications)
        self._observer.firing(self._tracker.firing)
        if self._keep is not None and (changes := self._tracker.kept_changes(at)) is not None:
            self._keep(changes)
