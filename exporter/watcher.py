"""Everything that watches one organization: its client, pace, sweeps and files, made and ended together."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import structlog

from exporter.clock import Stop
from exporter.config.faults import ConfigError
from exporter.config.userlists import joined
from exporter.polling.pacing import Pacer
from exporter.polling.sweep import Sweeper
from exporter.store import Ledger
from exporter.yunxiao.client import Target, YunxiaoClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.clock import Clock
    from exporter.config.loader import OrganizationSettings
    from exporter.config.schema import Poll
    from exporter.metrics.telemetry import OrganizationTelemetry
    from exporter.model import User
    from exporter.polling.scheduler import Scheduler
    from exporter.store import OrganizationView
    from exporter.transport import Watchdog

_log = structlog.get_logger(__name__)
_LOOK_EVERY = 5.0
"""Seconds between two looks at the token file and the user files."""
_job_numbers = itertools.count()


class Watcher:
    """Watches one organization.

    Args:
        settings: the organization's configuration.
        poll: the section `poll`.
        known: what is known of it from before, if anything.
        telemetry: its counters.
        watchdog: limits its requests' time.
        parent: ends everything.
        clock: where time comes from.
        progress: called after each user of a sweep.
    """

    def __init__(
        self,
        settings: OrganizationSettings,
        poll: Poll,
        known: OrganizationView | None,
        telemetry: OrganizationTelemetry,
        watchdog: Watchdog,
        parent: Stop,
        clock: Clock,
        progress: Callable[[User], None] | None = None,
    ) -> None:
        config = settings.config
        self.settings = settings
        self.poll = poll
        self.ledger = Ledger(config.name, settings.users, known, since=clock.now())
        self._telemetry = telemetry
        self._stop = Stop(parent)
        self._stamp = settings.users_stamp
        self._token_problem: str | None = None
        self._log = _log.bind(organization=config.name)
        # A name of its own for each watcher: after a reload the old one's last run may still be ending.
        self._job = f"{config.name} #{next(_job_numbers)}"
        target = Target(
            endpoint=config.endpoint,
            timezone=ZoneInfo(config.timezone),
            timeout=poll.timeout,
            concurrency=config.limits.concurrency,
            max_retry_after=config.limits.max_retry_after,
            host_header=config.host_header,
            server_name=config.tls.server_name,
            ca_file=settings.ca_file,
            insecure_skip_verify=config.tls.insecure_skip_verify,
            proxies=settings.proxies,
        )
        pacer = Pacer(config.limits.requests_per_second, clock)
        self._client = YunxiaoClient(target, settings.token, pacer, telemetry, watchdog, clock)
        self.sweeper = Sweeper(
            self.ledger,
            self._client,
            telemetry,
            self._stop,
            clock,
            concurrency=config.limits.concurrency,
            interval=poll.interval,
            spread=poll.spread,
            progress=progress,
        )

    def start(self, scheduler: Scheduler) -> None:
        """Begin to sweep, now and once an interval, and to look at the files."""
        config = self.settings.config
        self._log.info(
            "watching", endpoint=config.endpoint, users=len(self.ledger.users()), interval=f"{self.poll.interval:g}s"
        )
        if config.tls.insecure_skip_verify:
            self._log.warning("the certificate is not checked; whoever sits in between can read the token")
        scheduler.add(
            f"sweep {self._job}",
            self.sweeper.sweep,
            self.poll.interval,
            skipped=self._skipped,
            crashed=lambda: self._telemetry.internal_error("sweep"),
        )
        scheduler.add(
            f"watch {self._job}",
            self.look,
            _LOOK_EVERY,
            skipped=lambda: None,
            crashed=lambda: self._telemetry.internal_error("watch"),
        )

    def retire(self, scheduler: Scheduler) -> None:
        """Take the jobs off the schedule and end what is under way."""
        scheduler.remove(f"sweep {self._job}")
        scheduler.remove(f"watch {self._job}")
        self.end()

    def end(self) -> None:
        """End what is under way, requests included."""
        self._stop.set()
        self._telemetry.retire()
        self._client.close()
        self._stop.release()

    def adopt(self, settings: OrganizationSettings) -> None:
        """Go on with the same client and other users."""
        self.settings = settings
        self._stamp = settings.users_stamp
        self.ledger.watch(settings.users)

    def look(self) -> None:
        """See whether a file has changed; poll users that joined since the first sweep."""
        self._look_at_token()
        self._look_at_users()
        self.sweeper.catch_up()

    def _look_at_token(self) -> None:
        source = self.settings.token
        source.current()
        problem = source.problem
        if problem is not None and problem != self._token_problem:
            self._telemetry.file_error("token_file")
            self._log.error("token file went bad, the last good token stays in force", detail=problem)
        if problem is None and self._token_problem is not None:
            self._log.info("token file is good again")
        self._token_problem = problem

    def _look_at_users(self) -> None:
        settings = self.settings
        stamp = settings.user_files.stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            users = joined(settings.config.users.static, settings.user_files.read())
        except ConfigError as error:
            self._telemetry.file_error("users_file")
            self._log.error("user files went bad, the last good list stays in force", detail=str(error))
            return
        self.ledger.watch(users)
        self._log.info("user files changed", users=len(users))

    def _skipped(self) -> None:
        self._telemetry.skipped()
        self._log.warning(
            "sweep skipped: the one before is still going; raise poll.interval or limits.requests_per_second"
        )
