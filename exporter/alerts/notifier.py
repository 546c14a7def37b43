"""Evaluates conditions periodically and queues notifications for each Alertmanager. No I/O."""

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
_WORDS_KEPT_EVERY = 300.0


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What the notifier does, from one reload to the next.

    Attributes:
        evaluate: everything that is worth an alert at a time in epoch seconds.
        senders: one for each Alertmanager.
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
    """Evaluates what is worth an alert and queues what is due for every Alertmanager.

    There is one for the life of the process: a reload gives it another plan. So the tracker has one owner, however
    long an evaluation takes.

    Args:
        tracker: remembers the alerts; only the notifier uses it.
        observer: counts what happens.
        supervisor: makes the thread.
        parent: ends everything.
        clock: where time comes from.
        keep: called with the alerts that a restart needs, after each evaluation.
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
        # Guards _tracker, and _plan while what was evaluated by it goes out.
        self._lock = threading.Lock()
        self._plan: Plan | None = None
        self._started = False
        self._worker = supervisor.worker("alerts", self.step, parent=parent)

    def restore(self, kept: Iterable[KeptAlert], resend: float) -> None:
        """Go on with the alerts of an earlier run."""
        with self._lock:
            self._tracker.restore(kept, Moment.of(self._clock), resend)

    def apply(self, plan: Plan | None) -> None:
        """Go on by another plan; None does nothing until there is one.

        Once this returns, nothing more goes out by the old plan; what an evaluation under way finds is discarded.
        """
        with self._lock:
            self._plan = plan
        if plan is not None and not self._started:
            self._started = True
            self._worker.start()
        self._worker.wake()

    def request_stop(self) -> None:
        """Ask for the stop without waiting for it."""
        self._worker.stopping.set()

    def stop(self, timeout: float = 5.0) -> bool:
        """Stop; returns whether the thread has ended."""
        self.apply(None)
        return self._worker.stop(timeout)

    def step(self) -> float | None:
        """Evaluate once; returns the seconds until the next time, None for no limit."""
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
        """Keep the alerts if one began or ended; the words, which change all the time, are kept now and then."""
        if self._keep is None:
            return
        kept = self._tracker.kept
        identities = tuple((one.labels, one.starts_at, one.ends_at) for one in kept)
        if identities != self._kept or at.monotonic >= self._kept_at + _WORDS_KEPT_EVERY:
            self._kept, self._kept_at = identities, at.monotonic
            self._keep(kept)
