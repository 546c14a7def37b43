"""The scheduled jobs of one organization: added together, removed together, run early on request."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.metrics.telemetry import OrganizationTelemetry
    from exporter.polling.scheduler import Scheduler

_numbers = itertools.count()


def _ignore() -> None:
    """Do nothing when a run is skipped: the run that is still going does the work."""


class Jobs:
    """Jobs on a scheduler. Before `start` there are none, and `run_soon` does nothing.

    Args:
        organization: its name, for names of jobs and threads.
        telemetry: counts defects of jobs.
    """

    def __init__(self, organization: str, telemetry: OrganizationTelemetry) -> None:
        # Unique, since the last run of a replaced organization may still be ending.
        self._suffix = f"{organization} #{next(_numbers)}"
        self._telemetry = telemetry
        self._scheduler: Scheduler | None = None
        self._kinds: list[str] = []

    def start(self, scheduler: Scheduler) -> None:
        """Add jobs to this scheduler from now on."""
        self._scheduler = scheduler

    def add(
        self,
        kind: str,
        job: Callable[[], object],
        interval: float,
        *,
        counted_as: str,
        skipped: Callable[[], None] = _ignore,
    ) -> None:
        """Run a job now and every `interval` seconds.

        Args:
            kind: what the job is, unique within the organization.
            job: what to run.
            interval: seconds from start to start.
            counted_as: where its defects are counted.
            skipped: called when a run was skipped because the previous one was still going.
        """
        if self._scheduler is None:
            return
        self._kinds.append(kind)
        self._scheduler.add(
            f"{kind} {self._suffix}",
            job,
            interval,
            skipped=skipped,
            crashed=lambda: self._telemetry.internal_error(counted_as),
        )

    def run_soon(self, kind: str, after: float = 0.0) -> None:
        """Run a job after this number of seconds, and from then on at its interval."""
        if self._scheduler is not None and kind in self._kinds:
            self._scheduler.run_soon(f"{kind} {self._suffix}", after)

    def remove(self) -> None:
        """Run no job again. Runs under way go on."""
        if self._scheduler is not None:
            for kind in self._kinds:
                self._scheduler.remove(f"{kind} {self._suffix}")
