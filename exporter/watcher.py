"""Everything that watches one organization: its client, pace, sweeps and files, made and ended together."""

from __future__ import annotations

import itertools
import math
import threading
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import structlog

from exporter.clock import Stop
from exporter.config.faults import ConfigError
from exporter.config.userlists import joined
from exporter.durations import format_duration
from exporter.polling.pacing import Pacer
from exporter.polling.sweep import Sweeper
from exporter.store import Ledger
from exporter.yunxiao.client import Target, YunxiaoClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.clock import Clock
    from exporter.config.loader import OrganizationSettings
    from exporter.config.schema import Poll
    from exporter.config.secrets import Secret
    from exporter.metrics.telemetry import OrganizationTelemetry
    from exporter.model import User
    from exporter.polling.scheduler import Scheduler
    from exporter.store import LedgerObserver, OrganizationView
    from exporter.transport import Watchdog

_log = structlog.get_logger(__name__)
_LOOK_EVERY = 2.0
"""Seconds between two looks at the token file and the user files."""
_job_numbers = itertools.count()


def _nothing() -> None:
    """For where nobody needs to be told."""


class Watcher:
    """Watches one organization.

    Args:
        settings: the organization's configuration.
        poll: the section `poll`.
        before: the watcher that this one takes over from, if any: what is known, and how slow the platform wants it.
        telemetry: its counters.
        watchdog: limits its requests' time.
        parent: ends everything.
        clock: where time comes from.
        progress: called after each user of a sweep.
        known: what an earlier run knew, where there is no watcher to take over from.
        observer: told of what becomes known.
    """

    def __init__(
        self,
        settings: OrganizationSettings,
        poll: Poll,
        before: Watcher | None,
        telemetry: OrganizationTelemetry,
        watchdog: Watchdog,
        parent: Stop,
        clock: Clock,
        progress: Callable[[User], None] | None = None,
        *,
        known: OrganizationView | None = None,
        observer: LedgerObserver | None = None,
    ) -> None:
        config = settings.config
        self.settings = settings
        self.poll = poll
        known = known if before is None else before.ledger.view()
        self.ledger: Ledger = Ledger(config.name, settings.users, known, since=clock.now(), observer=observer)
        self._telemetry = telemetry
        self._stop = Stop(parent)
        # Guards settings and _stamp: a look at the files must not overwrite what a reload has just put in force.
        self._lock = threading.Lock()
        self._stamp = settings.users_stamp
        self._refused: Secret | None = None
        self._token_problem: str | None = None
        self._log = _log.bind(organization=config.name)
        self._sweep_soon: Callable[[], None] = _nothing
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
        rate = config.limits.requests_per_second
        # A pause or a lowered rate concerns the platform, whatever else of the configuration has changed.
        kept = None if before is None or before.settings.config.endpoint != config.endpoint else before.pacer
        self.pacer: Pacer = kept if kept is not None and kept.highest == rate else Pacer(rate, clock)
        self._client = YunxiaoClient(target, settings.token, self.pacer, telemetry, watchdog, clock)
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
        self._check_interval()
        if config.tls.insecure_skip_verify:
            self._log.warning("the certificate is not checked; whoever sits in between can read the token")
        scheduler.add(
            f"sweep {self._job}",
            self.sweeper.sweep,
            self.poll.interval,
            skipped=self._skipped,
            crashed=lambda: self._telemetry.internal_error("sweep"),
        )
        for name, job in (("watch", self.look), ("catch up", self.sweeper.catch_up)):
            scheduler.add(
                f"{name} {self._job}",
                job,
                _LOOK_EVERY,
                skipped=_nothing,
                crashed=lambda: self._telemetry.internal_error("watch"),
            )
        self._sweep_soon = lambda: scheduler.run_soon(f"sweep {self._job}")

    def retire(self, scheduler: Scheduler) -> None:
        """Take the jobs off the schedule and end what is under way."""
        for name in ("sweep", "watch", "catch up"):
            scheduler.remove(f"{name} {self._job}")
        self.end()

    def end(self) -> None:
        """End what is under way, requests included."""
        self.ledger.close()
        self._stop.set()
        self._telemetry.retire()
        self._client.close()
        self._stop.release()

    def serves(self, settings: OrganizationSettings, poll: Poll) -> bool:
        """Whether requests would go out in just the same way under other settings, whoever is watched."""
        mine = (self.poll.interval, self.poll.timeout, self.poll.spread)
        return mine == (poll.interval, poll.timeout, poll.spread) and self.settings.same_client(settings)

    def adopt(self, settings: OrganizationSettings) -> None:
        """Go on with the same client and other users."""
        with self._lock:
            self.settings = settings
            self._stamp = settings.users_stamp
            self.ledger.watch(settings.users)
        self._check_interval()

    def look(self) -> None:
        """See whether a file has changed."""
        self._look_at_token()
        self._look_at_users()

    def _look_at_token(self) -> None:
        source = self.settings.token
        secret = source.current()
        if self.sweeper.refused:
            if self._refused is not None and secret != self._refused:
                self._log.info("the token has changed since the platform refused it, sweeping now")
                self._sweep_soon()
            self._refused = secret
        else:
            self._refused = None
        problem = source.problem
        if problem is not None and problem != self._token_problem:
            self._telemetry.file_error("token_file")
            self._log.error("token file went bad, the last good token stays in force", detail=problem)
        if problem is None and self._token_problem is not None:
            self._log.info("token file is good again")
        self._token_problem = problem

    def _look_at_users(self) -> None:
        with self._lock:
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
        self._check_interval()
        self._log.info("user files changed", users=len(users))

    def _check_interval(self) -> None:
        """Say so if the allowed rate cannot ask for every user within the interval."""
        rate = self.settings.config.limits.requests_per_second
        users = len(self.ledger.users())
        shortest = 0.0 if rate is None else users / rate
        self._telemetry.shortest_interval(shortest)
        if shortest > self.poll.interval:
            self._log.warning(
                "poll.interval is too short: the allowed rate needs longer for every user",
                users=users,
                requests_per_second=rate,
                interval=format_duration(self.poll.interval),
                achievable=format_duration(math.ceil(shortest)),
            )

    def _skipped(self) -> None:
        self._telemetry.skipped()
        self._log.warning(
            "sweep skipped: the one before is still going; raise poll.interval or limits.requests_per_second"
        )
