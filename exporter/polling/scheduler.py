"""When sweeps start: one job an organization on APScheduler, never two sweeps of one at once."""

from __future__ import annotations

import contextlib
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, JobEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from exporter.clock import Stop, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.clock import Clock

_log = structlog.get_logger(__name__)
_MOST_JOBS_AT_ONCE = 1000
"""Threads are made as jobs need them; this only keeps APScheduler's default of 10 from holding organizations back."""

_CLOCK_LOOKED_AT_EVERY = 1.0
_CLOCK_STEP = 2.0
"""Seconds by which the clock must jump to count as set, and not as slewed."""


class Scheduler:
    """Runs jobs at fixed intervals, each at once when added, none twice at the same time.

    A run that is due while the one before is still going is skipped and told of. Runs missed altogether (the machine
    slept) are made up for by one.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._stop = Stop()
        self._skipped: dict[str, Callable[[], None]] = {}
        self._crashed: dict[str, Callable[[], None]] = {}
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(_MOST_JOBS_AT_ONCE)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )
        self._scheduler.add_listener(self._on_event, EVENT_JOB_MAX_INSTANCES | EVENT_JOB_ERROR)

    def start(self) -> None:
        """Start running jobs."""
        self._scheduler.start()
        threading.Thread(target=self._follow_clock, name="clock", daemon=True).start()

    def stop(self) -> None:
        """Start no more jobs. Those under way are to be stopped by whoever owns them."""
        self._stop.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def add(
        self,
        name: str,
        job: Callable[[], Any],
        interval: float,
        *,
        skipped: Callable[[], None],
        crashed: Callable[[], None],
    ) -> None:
        """Run a job now and every so many seconds.

        Args:
            name: the job's name, each once.
            job: what to run.
            interval: seconds from start to start.
            skipped: called when a run was skipped since the one before was still going.
            crashed: called when a run raised; the schedule goes on.
        """
        self._skipped[name] = skipped
        self._crashed[name] = crashed
        now = datetime.now(UTC)
        trigger = IntervalTrigger(seconds=interval, start_date=now, timezone=UTC)
        self._scheduler.add_job(job, trigger, id=name, name=name, next_run_time=now)

    def run_soon(self, name: str, after: float = 0.0) -> None:
        """Run a job now, or after so many seconds, and then at its interval from that time on."""
        with contextlib.suppress(JobLookupError):  # it has just been removed
            self._scheduler.modify_job(name, next_run_time=datetime.now(UTC) + timedelta(seconds=after))

    def _follow_clock(self) -> None:
        """Move all jobs along when the machine's clock is set: they are due at times of that clock."""
        ahead = self._clock.now() - self._clock.monotonic()
        while not self._stop.wait(_CLOCK_LOOKED_AT_EVERY):
            step = self._clock.now() - self._clock.monotonic() - ahead
            if abs(step) < _CLOCK_STEP:
                continue
            ahead += step
            _log.warning("the clock was set, moving the schedule along", seconds=round(step, 1))
            for job in self._scheduler.get_jobs():
                with contextlib.suppress(JobLookupError):
                    job.modify(next_run_time=job.next_run_time + timedelta(seconds=step))

    def remove(self, name: str) -> None:
        """Do not run a job again. A run under way goes on."""
        self._scheduler.remove_job(name)
        self._skipped.pop(name, None)
        self._crashed.pop(name, None)

    def _on_event(self, event: JobEvent) -> None:
        # One listener serves both kinds of event, and only one of them has an exception to show.
        if event.code == EVENT_JOB_MAX_INSTANCES:
            if (tell := self._skipped.get(event.job_id)) is not None:
                tell()
            return
        _log.error("job crashed", job=event.job_id, exc_info=getattr(event, "exception", None))
        if (tell := self._crashed.get(event.job_id)) is not None:
            tell()
