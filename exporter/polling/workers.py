"""The threads of one pass over users. No defect and no failure of one user ends a thread or the pass."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exporter.common.cancellation import Stop, StoppedError
from exporter.model.snapshot import SweepResult
from exporter.polling.poller import TokenRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exporter.common.clock import Clock
    from exporter.model.state import Failure, Reason
    from exporter.polling.backoff import Due
    from exporter.polling.poller import Poller


@dataclass(slots=True)
class _Progress:
    """What the workers of a pass share.

    Attributes:
        waiting: the users that no worker has taken yet.
        workers: workers that still run.
        taken: users that a worker has taken.
        failures: failed polls by reason.
        unauthorized: why the platform refused the token, if it did.
    """

    waiting: Iterator[Due]
    workers: int = 0
    taken: int = 0
    failures: Counter[Reason] = field(default_factory=Counter)
    unauthorized: Failure | None = None


class Pass:
    """One pass: polls each user once, at its time. It ends early if the platform refuses the token.

    Args:
        poller: polls one user.
        dues: the users and their times, soonest first.
        stop: ends the pass.
        clock: monotonic time.
    """

    def __init__(self, poller: Poller, dues: Sequence[Due], stop: Stop, clock: Clock) -> None:
        self._poller = poller
        self._clock = clock
        self._started = clock.monotonic()
        self._users = len(dues)
        self._parent = stop
        self._cancelled = False
        # Stops the other workers when the platform refuses the token.
        self._stop = Stop(stop)
        # Set by the last worker, or by the parent: then nothing waits for a worker that a DNS lookup blocks.
        self._finished = Stop(stop)
        # Guards _progress: all workers read and write it.
        self._lock = threading.Lock()
        self._progress = _Progress(iter(dues))

    def run(self, workers: int) -> None:
        """Poll all users with this many threads; returns when they are done or the pass is cancelled."""
        # Daemon threads: a DNS lookup that hangs cannot be cancelled and must not delay the exit.
        threads = [
            threading.Thread(target=self._worker, name=f"poll-{number}", daemon=True) for number in range(workers)
        ]
        self._progress.workers = len(threads)
        for thread in threads:
            try:
                thread.start()
            except RuntimeError:
                # The system has no more threads: those that run poll all users.
                self._worker_ended()
        if workers:
            self._finished.wait(None)
        self._stop.release()
        self._finished.release()

    def cancel(self) -> None:
        """End before all users are polled."""
        self._cancelled = True
        self._stop.set()

    @property
    def cancelled(self) -> bool:
        """Whether it ended before all users were polled, by `cancel` or by the stop."""
        return self._cancelled or self._parent.is_set()

    @property
    def failures(self) -> Counter[Reason]:
        """Failed polls by reason. Read it when the pass has ended."""
        return self._progress.failures

    @property
    def unauthorized(self) -> Failure | None:
        """Why the platform refused the token; None if it did not. Read it when the pass has ended."""
        return self._progress.unauthorized

    def result(self, skipped: int) -> SweepResult:
        """The result of a sweep that skipped some failing users and polled the others in this pass."""
        # If the system gave no thread at all, no worker took any user: they were not polled.
        failed = self.failures.total() + skipped + self._users - self._progress.taken
        if self.unauthorized is not None or (failed and failed == self._users + skipped):
            return SweepResult.FAILED
        return SweepResult.PARTIAL if failed else SweepResult.SUCCESS

    def _worker(self) -> None:
        try:
            while (due := self._take()) is not None:
                if self._stop.wait(self._started + due.offset - self._clock.monotonic()):
                    return
                if not self._poller.claim(due.user):
                    continue
                try:
                    self._record(self._poller.poll(due.user, self._stop))
                except TokenRefusedError as error:
                    self._end(error.failure)
                    return
                finally:
                    self._poller.release(due.user)
                self._poller.report_progress(due.user)
        except StoppedError:
            return
        finally:
            self._worker_ended()

    def _worker_ended(self) -> None:
        """A worker has ended, or could not start."""
        with self._lock:
            self._progress.workers -= 1
            if self._progress.workers == 0:
                self._finished.set()

    def _take(self) -> Due | None:
        with self._lock:
            due = next(self._progress.waiting, None)
            self._progress.taken += due is not None
            return due

    def _record(self, failure: Failure | None) -> None:
        if failure is None:
            return
        with self._lock:
            self._progress.failures[failure.reason] += 1

    def _end(self, refusal: Failure) -> None:
        """The platform refuses the token: end the pass, and count that once, however many workers met it."""
        with self._lock:
            if self._progress.unauthorized is None:
                self._progress.unauthorized = refusal
                self._progress.failures[refusal.reason] += 1
        self._stop.set()


class RunningPasses:
    """The passes that are running, so that all can be paused. Any thread may call it."""

    def __init__(self) -> None:
        # Guards the fields below: a pause may come while a pass begins.
        self._lock = threading.Lock()
        self._paused = False
        self._interrupted = False
        self._running: set[Pass] = set()

    @property
    def paused(self) -> bool:
        """Whether no pass may run."""
        return self._paused

    def pause(self) -> None:
        """Let no pass run, and cancel those that do."""
        with self._lock:
            self._paused = True
            running = tuple(self._running)
        for one in running:
            one.cancel()

    def resume(self) -> None:
        """Let passes run again."""
        with self._lock:
            self._paused = False
            self._interrupted = bool(self._running)

    def take_interrupted(self) -> bool:
        """Whether the last `resume` came while cancelled passes had not ended yet; True once for each."""
        with self._lock:
            interrupted, self._interrupted = self._interrupted, False
        return interrupted

    def run(self, this_pass: Pass, workers: int) -> None:
        """Run a pass; it is cancelled at once while paused."""
        with self._lock:
            self._running.add(this_pass)
            if self._paused:
                this_pass.cancel()
        this_pass.run(workers)
        with self._lock:
            self._running.discard(this_pass)
