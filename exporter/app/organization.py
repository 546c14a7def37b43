"""Everything that watches one organization: its client, pace, sweeps and files, made and ended together."""

from __future__ import annotations

import functools
import itertools
import math
import threading
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import structlog

from exporter.cluster.rate import granted
from exporter.cluster.shard import WHOLE, Shard
from exporter.common.cancellation import Stop
from exporter.common.durations import format_duration
from exporter.config.errors import ConfigError
from exporter.config.user_files import first_wins, joined
from exporter.model.snapshot import Discovery
from exporter.model.token import MOST_TOKENS
from exporter.platform.limits import RequestLimits
from exporter.platform.pacing import Pacer
from exporter.platform.yunxiao.client import Target, YunxiaoClient
from exporter.platform.yunxiao.discovery import Discoverer
from exporter.polling.discovery import Refresher
from exporter.polling.own_token import LOOK_EVERY, OwnTokenWatch
from exporter.polling.sweep import Sweeper
from exporter.state.ledger import Ledger, Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.common.clock import Clock
    from exporter.common.secrets import Secret
    from exporter.config.schema import Poll
    from exporter.config.settings import OrganizationSettings
    from exporter.http.session import Watchdog
    from exporter.metrics.telemetry import OrganizationTelemetry
    from exporter.model.snapshot import OrganizationView
    from exporter.model.user import User
    from exporter.polling.scheduler import Scheduler
    from exporter.state.delivery import Update

_log = structlog.get_logger(__name__)
_LOOK_EVERY = 2.0
"""Seconds between two looks at the token file and the user files."""
_job_numbers = itertools.count()


def _nothing() -> None:
    """For where nobody needs to be told."""


def _ignore(_: float) -> None:
    """The same, for where a number is told."""


def _found_before(
    before: Watcher | None, known: OrganizationView | None, listed: tuple[User, ...]
) -> tuple[tuple[User, ...] | None, Discovery]:
    """The discovered users of before a reload or a restart, and how discovery stood; None where nobody looked.

    After a restart nobody can tell who of those restored had been discovered: all but those listed by hand are kept
    until the first refresh.
    """
    if before is not None and before.refresher is not None:
        return before.refresher.users, before.refresher.state
    if known is None:
        return None, Discovery()
    by_hand = {user.user_id for user in listed}
    found = tuple(state.user for state in known.users if state.user.user_id not in by_hand)
    # Nobody found is no list: it is asked for as after a first start.
    return (found, Discovery(users=len(found))) if found else (None, Discovery())


class Watcher:
    """Watches one organization.

    Making one changes nothing that is in force. `take_over` puts it in force, and `start` begins to poll.

    Args:
        settings: the organization's configuration.
        poll: the section `poll`.
        before: the watcher that this one replaces, if any: it hands on its ledger, and how slow the platform wants it.
        telemetry: its counters.
        watchdog: limits its requests' time.
        parent: ends everything.
        clock: where time comes from.
        progress: called after each user of a sweep.
        redact: takes secrets out of text from the platform.
        pacer: makes what spaces the requests, from the organization's name and its configured rate.
        shard: which users are watched.
        known: what an earlier run knew, where there is no watcher to replace.
        publish: called with each update of a new ledger.
        most_tokens: tokens of one user to keep; the rest is counted.
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
        redact: Callable[[str], str],
        pacer: Callable[[str, float | None], Pacer] | None = None,
        shard: Shard = WHOLE,
        known: OrganizationView | None = None,
        publish: Callable[[Update], None] | None = None,
        most_tokens: int = MOST_TOKENS,
    ) -> None:
        config = settings.config
        self.settings = settings
        self.poll = poll
        self._shard = shard
        self._shared = pacer is not None
        self._paused = False
        self._before = before
        known = known if before is None else before.ledger.view()
        found, discovery = _found_before(before, known, settings.users)
        self._listed = settings.users
        discover = config.users.discover
        if before is None:
            users = settings.users if discover is None else first_wins(settings.users, found or ())
            self.ledger: Ledger = Ledger(
                config.name,
                self._mine(users),
                known,
                since=clock.now(),
                shard=shard.label,
                publish=publish,
                most_tokens=most_tokens,
            )
        else:
            # The organization's ledger outlives its clients: so nothing that replicas or polls report gets lost.
            self.ledger = before.ledger
        self._recorder = Recorder(self.ledger)
        self._telemetry = telemetry
        self._stop = Stop(parent)
        # Guards settings, _stamp, _listed and which users the ledger is given: a look at the files or a discovery
        # must not overwrite what a reload has just put in force.
        self._lock = threading.Lock()
        self._stamp = settings.users_stamp
        self._retried: Secret | None = None
        self._token = settings.token
        self._token_origin = settings.token.origin
        self._token_problem: str | None = None
        self._log = _log.bind(organization=config.name)
        self._sweep_soon: Callable[[], None] = _nothing
        self._refresh_in: Callable[[float], None] = _ignore
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
        if kept is None or kept.highest != rate:
            kept = Pacer(rate, clock) if pacer is None else pacer(config.name, rate)
        self.pacer: Pacer = kept
        limits = RequestLimits(self.pacer, config.limits.concurrency)
        self.client = YunxiaoClient(target, settings.token, limits, telemetry, watchdog, clock, redact=redact)
        self.sweeper = Sweeper(
            self._recorder,
            self.client,
            telemetry,
            self._stop,
            clock,
            concurrency=config.limits.concurrency,
            interval=poll.interval,
            spread=poll.spread,
            progress=progress,
        )
        self._own = OwnTokenWatch(config.name, self.client, self._token, self._recorder.own_token, self._stop, clock)
        self._own_in: Callable[[float], None] = _ignore
        self.refresher: Refresher | None = None
        if discover is not None:
            if before is None:
                self.ledger.discovered(discovery)
            self.refresher = Refresher(
                config.name,
                Discoverer(config.name, self.client, discover, redact),
                interval=discover.interval,
                allow_empty=discover.allow_empty,
                users=found,
                state=discovery,
                found=self._watch_found,
                told=self._recorder.discovered,
                observer=telemetry,
                stop=self._stop,
                clock=clock,
            )

    def take_over(self) -> None:
        """Decide from now on who is watched, in the place of the watcher before. Nothing in here can fail."""
        before, self._before = self._before, None
        self._telemetry.begin()
        with self._lock:
            if self.refresher is None:
                self.ledger.discovered(None)
            else:
                if before is not None:
                    # Once more: it may have found users since this one was made.
                    self.refresher.take_over(*_found_before(before, before.ledger.view(), self._listed))
                self.ledger.discovered(self.refresher.state)
            self._list(self._listed)

    def start(self, scheduler: Scheduler) -> None:
        """Begin to sweep, now and once an interval, and to look at the files."""
        config = self.settings.config
        self._log.info(
            "watching", endpoint=config.endpoint, users=len(self.ledger.users()), interval=f"{self.poll.interval:g}s"
        )
        self._check_interval()
        if config.tls.insecure_skip_verify:
            self._log.warning("the certificate is not checked; whoever sits in between can read the token")
        if self.refresher is not None and config.users.discover is not None:
            name = f"discover {self._job}"
            self._refresh_in = functools.partial(scheduler.run_soon, name)
            scheduler.add(
                name,
                self.refresh,
                config.users.discover.interval,
                skipped=_nothing,
                crashed=lambda: self._telemetry.internal_error("discovery"),
            )
        scheduler.add(
            f"sweep {self._job}",
            self._sweep,
            self.poll.interval,
            skipped=self._skipped,
            crashed=lambda: self._telemetry.internal_error("sweep"),
        )
        self._own_in = functools.partial(scheduler.run_soon, f"own token {self._job}")
        for name, job, interval in (
            ("watch", self.look, _LOOK_EVERY),
            ("catch up", self.sweeper.catch_up, _LOOK_EVERY),
            ("own token", self._look_up_own_token, LOOK_EVERY),
        ):
            scheduler.add(
                f"{name} {self._job}",
                job,
                interval,
                skipped=_nothing,
                crashed=lambda: self._telemetry.internal_error("watch"),
            )
        self._sweep_soon = lambda: scheduler.run_soon(f"sweep {self._job}")

    def retire(self, scheduler: Scheduler) -> None:
        """Take the jobs off the schedule and end what is under way."""
        discover = () if self.refresher is None else ("discover",)
        for name in ("sweep", "watch", "catch up", "own token", *discover):
            scheduler.remove(f"{name} {self._job}")
        self.end()

    def end(self) -> None:
        """End what is under way, requests included."""
        self._recorder.close()
        self._stop.set()
        self.client.close()
        self._stop.release()

    def serves(self, settings: OrganizationSettings, poll: Poll) -> bool:
        """Whether requests would go out in just the same way under other settings, whoever is listed by hand."""
        mine = (self.poll.interval, self.poll.timeout, self.poll.spread)
        return (
            mine == (poll.interval, poll.timeout, poll.spread)
            and self.settings.same_client(settings)
            and self.settings.config.users.discover == settings.config.users.discover
        )

    def adopt(self, settings: OrganizationSettings) -> None:
        """Go on with the same client and other users."""
        with self._lock:
            self.settings = settings
            self._stamp = settings.users_stamp
            self._list(settings.users)
        self._check_interval()

    def refresh(self) -> None:
        """Ask the platform whom to watch, and again soon if nobody is known yet and that failed."""
        if self.refresher is not None and (soon := self.refresher.refresh()) is not None:
            self._refresh_in(soon)

    def sweep_found(self, tell: Callable[[int], None]) -> None:
        """Discover once and sweep once.

        Args:
            tell: told how many users the sweep goes over.
        """
        self.refresh()
        tell(len(self.ledger.users()))
        self.sweeper.sweep()

    def _look_up_own_token(self) -> None:
        if not self._paused and (soon := self._own.look()) is not None:
            self._own_in(soon)

    def _sweep(self) -> None:
        if self.refresher is not None:
            self.refresher.wait_for_list()
        self.sweeper.sweep()

    def _watch_found(self, users: tuple[User, ...]) -> None:
        before = len(self.ledger.users())
        with self._lock:
            self._recorder.watch(self._mine(first_wins(self._listed, users)))
        # Told anew only where it may be news.
        if len(self.ledger.users()) != before:
            self._check_interval()

    def _list(self, users: tuple[User, ...]) -> None:
        """Take over the users listed by hand; who was discovered stays. With the lock."""
        self._listed = users
        found = None if self.refresher is None else self.refresher.users
        self._recorder.watch(self._mine(first_wins(users, found or ())))

    def pause(self) -> None:
        """Ask for nobody's tokens from now on: another replica does. Two that tell of their token would contradict."""
        self._paused = True
        self.sweeper.pause()
        self._own.pause()

    def resume(self) -> None:
        """Ask the platform, beginning now."""
        self._paused = False
        self._own.resume()
        self.sweeper.resume()
        self._sweep_soon()
        self._own_in(0.0)

    def _mine(self, users: Iterable[User]) -> tuple[User, ...]:
        return tuple(user for user in users if self._shard.takes(user.user_id))

    def look(self) -> None:
        """See whether a file has changed."""
        self._look_at_token()
        self._look_at_users()

    def _look_at_token(self) -> None:
        # The client's own: after a reload that keeps the client the settings hold another one for the same files.
        source = self._token
        source.current()  # whether it has gone bad shows when it is read
        if self.sweeper.refused or (self.refresher is not None and self.refresher.refused):
            new = source.successor(self.client.refused)
            # Once for each new token: whether it is a better one shows soon.
            if new is not None and new != self._retried:
                self._log.info("the token has changed since the platform refused it, sweeping now")
                self._retried = new
                self._refresh_in(0.0)
                self._sweep_soon()
        else:
            self._retried = None
        if source.origin != self._token_origin:
            self._log.warning("the platform refused the token, that of another file is in use", file=source.origin)
            self._token_origin = source.origin
        if self._own.outdated:
            self._own_in(0.0)
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
                users = self._mine(joined(settings.config.users.static, settings.user_files.read()))
            except ConfigError as error:
                self._telemetry.file_error("users_file")
                self._log.error("user files went bad, the last good list stays in force", detail=str(error))
                return
            self._list(users)
        self._check_interval()
        self._log.info("user files changed", users=len(users))

    def _check_interval(self) -> None:
        """Say so if the allowed rate cannot ask for every user within the interval."""
        if self._stop.is_set():
            return  # replaced meanwhile; the number is the other watcher's
        rate = self.settings.config.limits.requests_per_second
        users = len(self.ledger.users())
        shortest = 0.0
        if rate is not None:
            # Of a rate that all shards share each has its part.
            shortest = users * self._shard.total / granted(rate) if self._shared else users / rate
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
