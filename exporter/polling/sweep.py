"""One pass over the users of an organization: bounded concurrency, one outcome for every user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from exporter.model.snapshot import Sweep, SweepResult
from exporter.polling.backoff import Due, is_polled, is_warm, schedule
from exporter.polling.failures import DefectObserver, log_details
from exporter.polling.poller import Poller
from exporter.polling.sweep_summary import failing, sweep_summary
from exporter.polling.workers import Pass, RunningPasses

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.common.cancellation import Stop
    from exporter.common.clock import Clock
    from exporter.model.state import UserState
    from exporter.model.user import User
    from exporter.platform.base import TokenLister
    from exporter.polling.ssh_keys import SshKeyReader
    from exporter.polling.sweep_summary import SummarySettings
    from exporter.state.ledger import Outcomes

_log = structlog.get_logger(__name__)

_SPREAD_SHARE = 0.8
"""Part of the interval over which a sweep spreads its requests; the rest is left for slow answers and retries."""


class SweepObserver(DefectObserver, Protocol):
    """Counts sweeps and defects."""

    def swept(self, result: SweepResult) -> None:
        """A sweep ended."""
        ...


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """How sweeps are run.

    Attributes:
        concurrency: users polled at the same time; the platform's limits apply to the requests.
        interval: seconds between the starts of two sweeps.
        spread: whether sweeps after the first one are spread over the interval.
        ssh_keys: lists users' SSH keys as well; None for tokens alone.
        summary: what decides on the numbers in the log line at the end of a sweep, which a reload can change; None for
            a line without them.
    """

    concurrency: int
    interval: float
    spread: bool
    ssh_keys: SshKeyReader | None = None
    summary: Callable[[], SummarySettings] | None = None

    @property
    def spread_over(self) -> float:
        """Seconds over which a sweep spreads its requests; 0 for as fast as the limits allow."""
        return self.interval * _SPREAD_SHARE if self.spread else 0.0


class Sweeper:
    """Sweeps one organization. One sweep at a time; `catch_up` may run beside it.

    Args:
        ledger: the watched users and their states; outcomes are recorded in it.
        client: the platform.
        observer: counts sweeps and defects.
        stop: ends the sweep.
        clock: the time.
        settings: concurrency and times.
        progress: called after each user, from the worker's thread.
    """

    def __init__(
        self,
        ledger: Outcomes,
        client: TokenLister,
        observer: SweepObserver,
        stop: Stop,
        clock: Clock,
        settings: SweepSettings,
        progress: Callable[[User], None] | None = None,
    ) -> None:
        self._ledger = ledger
        self._poller = Poller(ledger, client, observer, clock, progress, settings.ssh_keys)
        self._observer = observer
        self._stop = stop
        self._clock = clock
        self._settings = settings
        self._passes = RunningPasses()
        # Whether the next sweep is a first one: as fast as the limits allow, the oldest data first.
        self._first = True
        self._number = 0
        # Whether users that keep failing are polled less often.
        self._backs_off = False
        self._refused = False
        # The users at the last catch-up if all had been polled: nothing to do until they are other states.
        self._caught_up: tuple[UserState, ...] | None = None

    @property
    def _log(self) -> structlog.stdlib.BoundLogger:
        bound: structlog.stdlib.BoundLogger = _log.bind(organization=self._ledger.name)
        return bound

    @property
    def refused(self) -> bool:
        """Whether the platform refused the token in the last sweep."""
        return self._refused

    def sweep(self) -> SweepResult:
        """Poll every user once; the first time as fast as the limits allow. No user is polled while paused."""
        result = self._sweep()
        # A pause cancelled this sweep and was over before it ended: the schedule skipped the run that `resume` asked
        # for, so it is made up for here.
        while result is SweepResult.CANCELLED and self._passes.take_interrupted() and not self._stop.is_set():
            result = self._sweep()
        return result

    def _sweep(self) -> SweepResult:
        self._passes.take_interrupted()
        if self._passes.paused:
            return SweepResult.CANCELLED
        self._number += 1
        states = self._ledger.view().users
        polled = [state.user for state in self._in_order(states) if self._polls(state)]
        skipped = len(states) - len(polled)
        dues = schedule(polled, 0.0 if self._first else self._settings.spread_over)
        self._log.debug("sweep starts", users=len(dues))
        started = self._clock.monotonic()
        this_pass = self._run(dues)
        duration = self._clock.monotonic() - started
        if this_pass.cancelled:
            self._observer.swept(SweepResult.CANCELLED)
            return SweepResult.CANCELLED
        self._conclude(this_pass, len(states), skipped, duration)
        return this_pass.result(skipped)

    def _in_order(self, states: Sequence[UserState]) -> Sequence[UserState]:
        """The users in the order in which to poll them; in a first sweep those with the oldest data come first."""
        if self._number == 1 and is_warm(states, self._clock.now(), self._settings.interval):
            self._first = False
        return sorted(states, key=lambda state: state.last_success or 0.0) if self._first else states

    def _polls(self, state: UserState) -> bool:
        return self._first or not self._backs_off or is_polled(state, self._number)

    def _conclude(self, this_pass: Pass, users: int, skipped: int, duration: float) -> None:
        """Record a sweep that was not cancelled, and what follows for the next this_pass."""
        if this_pass.unauthorized is not None:
            self._ledger.all_failed(this_pass.unauthorized, self._clock.now())
            self._log.error("sweep ended early", **log_details(this_pass.unauthorized))
        # If most users fail, the cause is the platform and no reason to poll any of them less often.
        self._backs_off = (this_pass.failures.total() + skipped) * 2 <= users
        # After a 401 no user has really been polled: the next sweep is a first one again.
        self._first = self._refused = this_pass.unauthorized is not None
        result = this_pass.result(skipped)
        self._ledger.swept(Sweep(result, duration, self._clock.now()))
        self._observer.swept(result)
        self._log.info(
            "sweep completed",
            result=result.value,
            users=users - skipped,
            seconds=round(duration, 3),
            **self._found(),
            **failing(this_pass.failures),
        )

    def _found(self) -> dict[str, int]:
        """What the state after the sweep says about tokens."""
        summary = self._settings.summary
        return {} if summary is None else sweep_summary(self._ledger.view().users, summary(), self._clock.now())

    def catch_up(self) -> None:
        """Poll users that joined after the first sweep now, instead of leaving them to the next sweep."""
        if self._first or self._passes.paused:
            return
        users = self._ledger.view().users
        if users is self._caught_up:
            return
        pending = [Due(state.user, 0.0) for state in users if not state.polled]
        if not pending:
            self._caught_up = users
            return
        self._log.debug("catching up", users=len(pending))
        this_pass = self._run(pending)
        if this_pass.unauthorized is not None and not this_pass.cancelled:
            self._ledger.all_failed(this_pass.unauthorized, self._clock.now())

    def pause(self) -> None:
        """Poll no user from now on, and cancel the polls in progress."""
        self._passes.pause()

    def resume(self) -> None:
        """Poll again. The next sweep is a first one: the oldest data comes first."""
        self._passes.resume()
        self._first = True

    def _run(self, dues: Sequence[Due]) -> Pass:
        this_pass = Pass(self._poller, dues, self._stop, self._clock)
        self._passes.run(this_pass, min(self._settings.concurrency, len(dues)))
        return this_pass
