"""One pass over the users of an organization: bounded concurrency, one outcome for every user."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from exporter.common.cancellation import Stop, StoppedError
from exporter.model.snapshot import Sweep, SweepResult
from exporter.model.state import Failure, Reason, UserState
from exporter.platform.base import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exporter.common.clock import Clock
    from exporter.model.token import Token
    from exporter.model.user import User
    from exporter.state.ledger import Outcomes

_log = structlog.get_logger(__name__)

_SPREAD_SHARE = 0.8
"""Part of the interval over which a spread sweep sends its requests; the rest is left for slow answers and retries."""


_PATIENCE = 3
"""Failures in a row after which a user is asked less often."""
_WARM = 1.5
"""Intervals of age up to which data of an earlier run counts as new."""
_FEW = 10
"""One in so many users may have older data, or none."""
_DEFECT = "the exporter met a defect of its own; the log has the traceback"
_RAREST = 8
"""Sweeps of which a failing user is asked in one at least."""


class TokenLister(Protocol):
    """The part of the API client that a sweep needs."""

    def list_tokens(self, user_id: str, stop: Stop) -> tuple[Token, ...]:
        """The tokens of one user; raises `ApiError` or `StoppedError`."""
        ...


class SweepObserver(Protocol):
    """Counts what sweeps do."""

    def internal_error(self, where: str) -> None:
        """A defect was caught and survived."""
        ...

    def swept(self, result: SweepResult) -> None:
        """A sweep ended."""
        ...


@dataclass(frozen=True, slots=True)
class Due:
    """A user, and how many seconds after the sweep's start the turn comes."""

    user: User
    offset: float


def schedule(users: Sequence[User], over: float) -> list[Due]:
    """Whom to ask when, soonest first, with the users spread over so many seconds; 0 asks them in their order.

    A user's offset comes from the id alone, so it is the same in every sweep and after every restart, and each user is
    asked once an interval whoever joins or leaves. Prometheus places its targets in the same way.
    """
    if over <= 0:
        return [Due(user, 0.0) for user in users]
    return sorted((Due(user, over * _fraction(user.user_id)) for user in users), key=lambda due: due.offset)


def _fraction(user_id: str) -> float:
    digest = hashlib.blake2b(user_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


class Sweeper:
    """Sweeps one organization.

    Args:
        ledger: whom to watch, and where the outcomes go.
        client: the API.
        concurrency: users polled at once; the client limits the requests.
        interval: seconds between the starts of two sweeps.
        spread: whether later sweeps are spread over the interval.
        observer: counts.
        stop: ends the sweep.
        clock: where time comes from.
        progress: called after each user, from the worker's thread.
    """

    def __init__(
        self,
        ledger: Outcomes,
        client: TokenLister,
        observer: SweepObserver,
        stop: Stop,
        clock: Clock,
        *,
        concurrency: int,
        interval: float,
        spread: bool,
        progress: Callable[[User], None] | None = None,
    ) -> None:
        self._ledger = ledger
        self._client = client
        self._observer = observer
        self._stop = stop
        self._clock = clock
        self._concurrency = concurrency
        self._interval = interval
        self._over = interval * _SPREAD_SHARE if spread else 0.0
        self._progress = progress
        self._cold = True
        self._number = 0
        self._alone = False
        self._refused = False
        # Guards _paused and _running: a pause may come while a sweep begins.
        self._pausing = threading.Lock()
        self._paused = False
        self._again = False
        self._running: set[_Run] = set()
        # Guards _under_way: a catch-up and a sweep may go on at the same time, but not about the same user.
        self._lock = threading.Lock()
        self._under_way: set[str] = set()
        self._log = _log.bind(organization=ledger.name)

    def sweep(self) -> SweepResult:
        """Ask for every user once; the first time as fast as the limits allow. Nobody is asked while paused."""
        result = self._sweep()
        # Resumed while what the pause called off had not ended: the run that the schedule left out is made up for.
        while result is SweepResult.CANCELLED and self._again and not self._stop.is_set():
            result = self._sweep()
        return result

    def _sweep(self) -> SweepResult:
        self._again = False
        if self._paused:
            return SweepResult.CANCELLED
        self._number += 1
        states = self._ledger.view().users
        self._cold = self._cold and not (self._number == 1 and self._warm(states))
        if self._cold:
            # Whose data is oldest waits least; who has none comes first.
            states = tuple(sorted(states, key=lambda state: state.last_success or 0.0))
        asked = [state.user for state in states if self._turn_of(state)]
        passed_over = len(states) - len(asked)
        dues = schedule(asked, 0.0 if self._cold else self._over)
        self._log.debug("sweep starts", users=len(dues))
        started = self._clock.monotonic()
        run = self._work(dues)
        duration = self._clock.monotonic() - started
        if run.called_off:
            self._observer.swept(SweepResult.CANCELLED)
            return SweepResult.CANCELLED
        if run.unauthorized is not None:
            self._ledger.all_failed(run.unauthorized, self._clock.now())
            self._log.error("sweep ended early", reason=run.unauthorized.reason.value, **_advice(run.unauthorized))
        result = run.result(passed_over)
        # A failure that most users share is the platform's, and no reason to ask any of them less often.
        self._alone = (run.failures.total() + passed_over) * 2 <= len(states)
        # After a refusal nobody has been asked in earnest: the next sweep is a first one again.
        self._cold = self._refused = run.unauthorized is not None
        self._ledger.swept(Sweep(result, duration, self._clock.now()))
        self._observer.swept(result)
        failures = {reason.value: count for reason, count in run.failures.items()}
        self._log.info(
            "sweep completed",
            result=result.value,
            users=len(dues),
            seconds=round(duration, 3),
            failures=failures or None,
        )
        return result

    def catch_up(self) -> None:
        """Ask at once for users that joined after the first sweep, instead of leaving them to the next one."""
        if self._cold or self._paused:
            return
        pending = [Due(state.user, 0.0) for state in self._ledger.view().users if not state.polled]
        if not pending:
            return
        self._log.debug("catching up", users=len(pending))
        run = self._work(pending)
        if run.unauthorized is not None and not run.called_off:
            self._ledger.all_failed(run.unauthorized, self._clock.now())

    def pause(self) -> None:
        """Ask nobody from now on, and call off what is under way."""
        with self._pausing:
            self._paused = True
            runs = tuple(self._running)
        for run in runs:
            run.call_off()

    def resume(self) -> None:
        """Ask again; the next sweep is a first one, whose data is oldest comes first."""
        with self._pausing:
            self._paused = False
            self._again = bool(self._running)
        self._cold = True

    def _work(self, dues: Sequence[Due]) -> _Run:
        run = _Run(self, dues, self._stop, self._clock)
        with self._pausing:
            self._running.add(run)
            if self._paused:
                run.call_off()
        run.work(min(self._concurrency, len(dues)))
        with self._pausing:
            self._running.discard(run)
        return run

    def _warm(self, states: Sequence[UserState]) -> bool:
        """Whether an earlier run's data is so new that nobody needs to be asked in haste; the few exceptions are."""
        oldest = self._clock.now() - _WARM * self._interval
        old = sum((state.last_success or 0.0) < oldest for state in states)
        return old * _FEW < len(states)

    def _turn_of(self, state: UserState) -> bool:
        """Whether a user is asked in this sweep: who keeps failing, and fails alone, in every 2nd, 4th or 8th."""
        excess = state.failures - _PATIENCE
        if excess <= 0 or not self._alone or self._cold:
            return True
        # Not the whole power: after months of failures it has a million digits.
        every: int = min(2 ** min(excess, _RAREST), _RAREST)
        return int(self._number + _fraction(state.user.user_id) * every) % every == 0

    @property
    def refused(self) -> bool:
        """Whether the platform refused the token in the last sweep."""
        return self._refused

    def claim(self, user: User) -> bool:
        """Take a user on for a poll, unless one is under way already."""
        with self._lock:
            if user.user_id in self._under_way:
                return False
            self._under_way.add(user.user_id)
            return True

    def release(self, user: User) -> None:
        """The poll of a user has ended."""
        with self._lock:
            self._under_way.discard(user.user_id)

    def poll(self, user: User, stop: Stop) -> Failure | None:
        """Ask for one user and note the outcome; the failure, if it was one.

        Raises:
            StoppedError: called off; nothing is noted.
        """
        try:
            tokens = self._client.list_tokens(user.user_id, stop)
        except ApiError as error:
            failure = error.failure
        except StoppedError:
            raise
        except Exception:  # noqa: BLE001 - a defect met with one user must cost no other user; it is counted
            failure = self._crashed("poll crashed", user)
        else:
            return self._record_success(user, tokens)
        if failure.reason is not Reason.UNAUTHORIZED:
            self._record_failure(user, failure)
        return failure

    def _record_success(self, user: User, tokens: tuple[Token, ...]) -> Failure | None:
        """Record a poll that worked; the failure if a part of the exporter could not take the result."""
        try:
            self._note_recovery(user)
            taken = self._ledger.succeeded(user.user_id, tokens, self._clock.now())
        except Exception:  # noqa: BLE001 - a defect must end neither the worker nor the sweep; it is counted
            return self._crashed("recording a poll crashed", user)
        # Counted and logged already, by whoever called the part that could not take it.
        return None if taken else Failure(Reason.INTERNAL, _DEFECT)

    def _record_failure(self, user: User, failure: Failure) -> None:
        try:
            self._note_failure(user, failure)
            self._ledger.failed(user.user_id, failure, self._clock.now())
        except Exception:  # noqa: BLE001 - as above; the sweep counts this user as failed anyway
            self._crashed("recording a failure crashed", user)

    def _crashed(self, message: str, user: User) -> Failure:
        """Count a defect of the exporter, log its traceback, and describe it as a failure of this user."""
        self._observer.internal_error("poll")
        self._log.exception(message, user_id=user.user_id)
        return Failure(Reason.INTERNAL, _DEFECT)

    def progressed(self, user: User) -> None:
        """Report that a user is done."""
        if self._progress is None:
            return
        try:
            self._progress(user)
        except Exception:  # noqa: BLE001 - a broken progress bar must not end the worker; it is counted
            self._crashed("reporting progress crashed", user)

    def _note_recovery(self, user: User) -> None:
        before = self._ledger.state(user.user_id)
        if before is not None and before.failure is not None:
            self._log.info("poll works again", user_id=user.user_id, user=user.name)

    def _note_failure(self, user: User, failure: Failure) -> None:
        before = self._ledger.state(user.user_id)
        known = before is not None and before.failure is not None and before.failure.reason is failure.reason
        # Told once when it begins; a sweep's summary counts it from then on.
        log = self._log.debug if known else self._log.warning
        log("poll failed", user_id=user.user_id, user=user.name, reason=failure.reason.value, **_advice(failure))


def _advice(failure: Failure) -> dict[str, str]:
    return {"detail": failure.message, "meaning": failure.reason.meaning}


class _Run:
    """The workers of one sweep, and what they have seen."""

    def __init__(self, sweeper: Sweeper, dues: Sequence[Due], parent: Stop, clock: Clock) -> None:
        self._sweeper = sweeper
        self._clock = clock
        self._started = clock.monotonic()
        self._users = len(dues)
        self._parent = parent
        self._left = False
        # Calls the other workers off when one learns that the token is dead.
        self._off = Stop(parent)
        # Set by the last worker, or by the parent: then nobody waits for a worker that a name look-up holds.
        self._finished = Stop(parent)
        # Guards the fields below: every worker takes and notes.
        self._lock = threading.Lock()
        self._dues: Iterator[Due] = iter(dues)
        self._working = 0
        self._taken = 0
        self.failures: Counter[Reason] = Counter()
        self.unauthorized: Failure | None = None

    def work(self, workers: int) -> None:
        """Go over all users with so many threads; returns when they are done or the sweep is called off."""
        # Daemon threads: a name look-up that hangs cannot be called off and must not hold up the exit.
        threads = [
            threading.Thread(target=self._worker, name=f"poll-{number}", daemon=True) for number in range(workers)
        ]
        self._working = len(threads)
        for thread in threads:
            try:
                thread.start()
            except RuntimeError:
                # The system gives no more threads: those that run do the work of all.
                self._leave()
        if workers:
            self._finished.wait(None)
        self._off.release()
        self._finished.release()

    def call_off(self) -> None:
        """End before everybody has been asked."""
        self._left = True
        self._off.set()

    @property
    def called_off(self) -> bool:
        """Whether it was ended before everybody had been asked."""
        return self._left or self._parent.is_set()

    def result(self, passed_over: int) -> SweepResult:
        """How the sweep ended, seen from its failures and the failing users that it passed over."""
        # Users whom no worker took, because no thread could be had, have not been polled.
        failed = self.failures.total() + passed_over + self._users - self._taken
        if self.unauthorized is not None or (failed and failed == self._users + passed_over):
            return SweepResult.FAILED
        return SweepResult.PARTIAL if failed else SweepResult.SUCCESS

    def _worker(self) -> None:
        try:
            while (due := self._take()) is not None:
                if self._off.wait(self._started + due.offset - self._clock.monotonic()):
                    return
                if not self._sweeper.claim(due.user):
                    continue
                try:
                    self._note(self._sweeper.poll(due.user, self._off))
                finally:
                    self._sweeper.release(due.user)
                self._sweeper.progressed(due.user)
        except StoppedError:
            return
        finally:
            self._leave()

    def _leave(self) -> None:
        """A worker has ended, or could not start."""
        with self._lock:
            self._working -= 1
            if self._working == 0:
                self._finished.set()

    def _take(self) -> Due | None:
        with self._lock:
            due = next(self._dues, None)
            self._taken += due is not None
            return due

    def _note(self, failure: Failure | None) -> None:
        if failure is None:
            return
        with self._lock:
            self.failures[failure.reason] += 1
            if failure.reason is Reason.UNAUTHORIZED:
                self.unauthorized = failure
                self._off.set()
