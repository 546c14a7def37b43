"""Runs jobs at fixed intervals on monotonic time: steps of the system clock do not move them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from exporter.polling.timetable import Timetable

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.common.clock import Clock
    from exporter.common.worker import Supervisor

_log = structlog.get_logger(__name__)
_PAUSE_WITHOUT_THREADS = 1.0
"""Seconds after which a job whose thread could not be started is tried again."""


@dataclass(eq=False, slots=True)
class _Job:
    """A job and its current run.

    Attributes:
        run: what to call.
        skipped: called when a run was skipped.
        crashed: called when a run raised.
        thread: the current run; None between two runs.
    """

    run: Callable[[], Any]
    skipped: Callable[[], None]
    crashed: Callable[[], None]
    thread: threading.Thread | None = None


class Scheduler:
    """Runs jobs at fixed intervals: each as soon as it is added, and never twice at the same time.

    A run that is due during the previous one is skipped. Several runs that were missed, because the machine was
    suspended, count as one. Each run has its own thread, so that no job delays another.

    Args:
        clock: monotonic time.
        supervisor: makes the thread that starts the runs.
    """

    def __init__(self, clock: Clock, supervisor: Supervisor) -> None:
        self._clock = clock
        # Guards the fields below: jobs are added and removed by reloads while the thread starts runs.
        self._lock = threading.Lock()
        self._timetable = Timetable()
        self._jobs: dict[str, _Job] = {}
        self._worker = supervisor.worker("scheduler", self._start_due)

    def start(self) -> None:
        """Start running jobs."""
        self._worker.start()

    def stop(self) -> None:
        """Start no more runs. The owners of the jobs stop current runs; `join` waits for these."""
        self._worker.stop()

    def join(self, timeout: float) -> bool:
        """Wait for the current runs, after `stop` and after their owners have stopped them.

        Args:
            timeout: seconds to wait for all of them together.

        Returns:
            True if no run is left.
        """
        end = self._clock.monotonic() + timeout
        with self._lock:
            threads = [thread for job in self._jobs.values() if (thread := job.thread) is not None]
        for thread in threads:
            thread.join(max(0.0, end - self._clock.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def add(
        self,
        name: str,
        job: Callable[[], Any],
        interval: float,
        *,
        after: float = 0.0,
        skipped: Callable[[], None],
        crashed: Callable[[], None],
    ) -> None:
        """Run a job now, or after some seconds, and then at its interval.

        Args:
            name: the job's name, unique.
            job: what to run.
            interval: seconds from start to start.
            after: seconds until the first run.
            skipped: called when a run was skipped because the previous one still runs.
            crashed: called when a run raised; must count it. The schedule continues.
        """
        with self._lock:
            self._jobs[name] = _Job(job, skipped, crashed)
            self._timetable.add(name, interval, self._clock.monotonic() + after)
        self._worker.wake()

    def run_soon(self, name: str, after: float = 0.0) -> None:
        """Run a job now, or after this many seconds, and then at its interval from that time on."""
        with self._lock:
            self._timetable.run_at(name, self._clock.monotonic() + after)
        self._worker.wake()

    def remove(self, name: str) -> None:
        """Do not run a job again. A current run continues."""
        with self._lock:
            self._timetable.remove(name)
            self._jobs.pop(name, None)

    def _start_due(self) -> float | None:
        """Start the runs that are due; the seconds until the next one."""
        now = self._clock.monotonic()
        with self._lock:
            due = [(name, self._jobs[name]) for name in self._timetable.take_due(now)]
        for name, job in due:
            self._start_run(name, job, now)
        with self._lock:
            upcoming = self._timetable.next_due()
        return None if upcoming is None else upcoming - self._clock.monotonic()

    def _start_run(self, name: str, job: _Job, now: float) -> None:
        if job.thread is not None:
            self._guarded(name, job, job.skipped)
            return
        # A daemon thread: a DNS lookup that hangs cannot be cancelled and must not delay the exit.
        thread = threading.Thread(target=self._run, args=(name, job), name=name, daemon=True)
        job.thread = thread
        try:
            thread.start()
        except RuntimeError:
            # The system has no more threads. That must cost neither other jobs nor the next run of this one.
            job.thread = None
            with self._lock:
                self._timetable.run_at(name, now + _PAUSE_WITHOUT_THREADS)
            _log.error("job could not start since the system has no more threads; it is tried again", job=name)
            job.crashed()

    def _run(self, name: str, job: _Job) -> None:
        try:
            self._guarded(name, job, job.run)
        finally:
            job.thread = None

    def _guarded(self, name: str, job: _Job, call: Callable[[], Any]) -> None:
        try:
            call()
        except Exception:  # noqa: BLE001 - a defect in one run must cost neither the next run nor other jobs; it is counted
            _log.exception("job crashed", job=name)
            job.crashed()
