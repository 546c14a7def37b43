"""One organization at run time: its jobs, its role, and what a reload does with it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from exporter.app.jobs import Jobs
from exporter.app.organization_parts import build_parts
from exporter.cluster.rate import granted
from exporter.common.durations import format_duration
from exporter.model.snapshot import Discovery
from exporter.platform.pacing import Pacer
from exporter.polling.credentials import Credentials
from exporter.polling.discovery import KnownUsers
from exporter.polling.own_token import CHECK_INTERVAL
from exporter.polling.roster import watched_users
from exporter.state.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.app.organization_parts import Shared
    from exporter.config.schema import Config, Poll
    from exporter.config.settings import OrganizationSettings
    from exporter.metrics.telemetry import OrganizationTelemetry
    from exporter.model.snapshot import OrganizationView
    from exporter.model.user import User
    from exporter.platform.base import Platform
    from exporter.polling.discovery import Refresher
    from exporter.polling.scheduler import Scheduler

_log = structlog.get_logger(__name__)
_CHECK_EVERY = 2.0
"""Seconds between two checks of the token file and the user files."""


class Organization:
    """Polls one organization.

    Making one changes nothing that is in force. `take_over` puts it in force, and `start` begins to poll.

    Args:
        settings: the organization's configuration.
        config: the whole configuration.
        shared: what the organizations share.
        telemetry: the organization's counters.
        previous: the organization that this one replaces, if any. Its ledger lives on, and so does the rate to which
            the platform has slowed it down.
        restored: what an earlier run knew, if none is replaced.
    """

    def __init__(
        self,
        settings: OrganizationSettings,
        config: Config,
        shared: Shared,
        telemetry: OrganizationTelemetry,
        previous: Organization | None = None,
        restored: OrganizationView | None = None,
    ) -> None:
        name = settings.config.name
        self.settings = settings
        self.poll = config.poll
        self._shared = shared
        self._telemetry = telemetry
        self._previous = previous
        self._paused = False
        self._log = _log.bind(organization=name)
        self._jobs = Jobs(name, telemetry)
        known = _known_users(settings, settings.users, previous, restored)
        if previous is None:
            self.ledger = _new_ledger(settings, config, shared, known, restored)
        else:
            # The ledger outlives the clients, so that nothing that replicas or polls report gets lost.
            self.ledger = previous.ledger
        pacer = _pacer(settings, shared, previous)
        self.parts = build_parts(
            settings, config.poll, shared, telemetry, self.ledger, pacer, known, self._set_discovered
        )
        self._credentials = Credentials(
            name, settings.token, self.client, lambda: self.parts.refused, self._retry, telemetry
        )

    @property
    def client(self) -> Platform:
        """The platform."""
        return self.parts.client

    @property
    def refresher(self) -> Refresher | None:
        """Keeps the list of discovered users; None if none are discovered."""
        return self.parts.refresher

    @property
    def users(self) -> tuple[User, ...]:
        """The users listed by hand, of all shards, then those watched; of equal users the last one stays in memory."""
        return *self.parts.roster.listed, *self.ledger.users()

    def take_over(self) -> None:
        """Decide from now on which users are watched, in place of the previous organization. Must not fail."""
        previous, self._previous = self._previous, None
        self._telemetry.begin()
        refresher, roster = self.parts.refresher, self.parts.roster
        if refresher is None:
            self.ledger.discovered(None)
        else:
            if previous is not None:
                # Again: it may have found users since this organization was built.
                refresher.take_over(_known_users(self.settings, roster.listed, previous))
            self.ledger.discovered(refresher.state)
        roster.take_over(() if refresher is None else refresher.users or ())

    def start(self, scheduler: Scheduler) -> None:
        """Begin to sweep, now and once an interval, and to check the files."""
        config = self.settings.config
        self._log.info(
            "watching", endpoint=config.endpoint, users=len(self.ledger.users()), interval=f"{self.poll.interval:g}s"
        )
        self._check_interval()
        if config.tls.insecure_skip_verify:
            self._log.warning("the certificate is not verified; anyone on the network path can read the token")
        jobs = self._jobs
        jobs.start(scheduler)
        if config.users.discover is not None:
            jobs.add("discover", self.refresh, config.users.discover.interval, counted_as="discovery")
        jobs.add("sweep", self._sweep, self.poll.interval, counted_as="sweep", skipped=self._skipped)
        jobs.add("watch", self.check_files, _CHECK_EVERY, counted_as="watch")
        jobs.add("catch up", self.parts.sweeper.catch_up, _CHECK_EVERY, counted_as="watch")
        jobs.add("own token", self._find_own_token, CHECK_INTERVAL, counted_as="watch")

    def retire(self) -> None:
        """Remove the jobs and end what is under way."""
        self._jobs.remove()
        self.end()

    def end(self) -> None:
        """End what is under way, requests included."""
        self.parts.end()

    def release(self) -> None:
        """Drop the lists of users of an organization that is not in force any more.

        Its parts refer to each other, so they stay until the garbage collector finds them, which may be much later.
        """
        self.settings = replace(self.settings, users=())
        self.parts.roster.release()
        if self.refresher is not None:
            self.refresher.release()

    def serves(self, settings: OrganizationSettings, poll: Poll) -> bool:
        """Whether requests would be sent in the same way under other settings, whichever users are listed by hand."""
        mine = (self.poll.interval, self.poll.timeout, self.poll.spread)
        return (
            mine == (poll.interval, poll.timeout, poll.spread)
            and self.settings.same_client(settings)
            and self.settings.config.users.discover == settings.config.users.discover
        )

    def adopt(self, settings: OrganizationSettings) -> None:
        """Continue with the same client and other users."""
        self.settings = settings
        self.parts.roster.configure(settings)
        self._check_interval()

    def refresh(self) -> None:
        """Discover users, and again soon if that failed and no list is known yet."""
        if self.refresher is not None and (after := self.refresher.refresh()) is not None:
            self._jobs.run_soon("discover", after)

    def sweep_once(self, begins: Callable[[int], None]) -> None:
        """Discover once and sweep once.

        Args:
            begins: called with the number of users before the sweep.
        """
        self.refresh()
        begins(len(self.ledger.users()))
        self.parts.sweeper.sweep()

    def pause(self) -> None:
        """Poll no user from now on, since another replica does. Its expiry of the own token is the one that counts."""
        self._paused = True
        self.parts.sweeper.pause()
        self.parts.own_token.pause()

    def resume(self) -> None:
        """Poll from now on."""
        self._paused = False
        self.parts.own_token.resume()
        self.parts.sweeper.resume()
        self._jobs.run_soon("sweep")
        self._jobs.run_soon("own token")

    def check_files(self) -> None:
        """Act on changes of the token file and the user files."""
        self._credentials.check()
        if self.parts.own_token.outdated:
            self._jobs.run_soon("own token")
        if self.parts.roster.check_files():
            self._check_interval()

    def _retry(self) -> None:
        self._jobs.run_soon("discover")
        self._jobs.run_soon("sweep")

    def _find_own_token(self) -> None:
        if not self._paused and (after := self.parts.own_token.check()) is not None:
            self._jobs.run_soon("own token", after)

    def _sweep(self) -> None:
        if self.refresher is not None:
            self.refresher.wait_for_list()
        self.parts.sweeper.sweep()

    def _set_discovered(self, users: tuple[User, ...]) -> None:
        before = len(self.ledger.users())
        self.parts.roster.set_discovered(users)
        # Reported again only if the number of users has changed.
        if len(self.ledger.users()) != before:
            self._check_interval()

    def _check_interval(self) -> None:
        """Warn if the allowed rate is too low to poll every user within the interval."""
        if self.parts.stop.is_set():
            return  # replaced meanwhile: the gauge belongs to the new organization
        config = self.settings.config
        rate = config.limits.requests_per_second
        users = len(self.ledger.users())
        shortest = _shortest_interval(users * len(config.credentials), rate, self._shared)
        self._telemetry.shortest_interval(shortest)
        if shortest > self.poll.interval:
            self._log.warning(
                "poll.interval is too short: at the allowed rate, polling every user takes longer",
                users=users,
                requests_per_second=rate,
                interval=format_duration(self.poll.interval),
                achievable=format_duration(math.ceil(shortest)),
            )

    def _skipped(self) -> None:
        self._telemetry.skipped()
        self._log.warning(
            "sweep skipped: the previous one is still running; raise poll.interval or limits.requests_per_second"
        )


def _known_users(
    settings: OrganizationSettings,
    listed: tuple[User, ...],
    previous: Organization | None,
    restored: OrganizationView | None = None,
) -> KnownUsers:
    """The discovered users of before a reload or a restart, and the state of discovery.

    The state of an earlier run, or of an organization that discovered no users, does not say which users were
    discovered: all but those listed by hand are kept until the first refresh. After a reload that asks for other users,
    it need not be confirmed by a second list that those of before are missing.
    """
    if previous is not None and previous.refresher is not None:
        known = previous.refresher.known
        missing = known.missing if _finds_the_same(previous.settings, settings) else _ids(known.users or ())
        return KnownUsers(known.users, known.state, missing=missing)
    view = restored if previous is None else previous.ledger.view()
    if view is None:
        return KnownUsers(None, Discovery())
    by_hand = _ids(listed)
    found = tuple(state.user for state in view.users if state.user.user_id not in by_hand)
    if not found:
        # No users are no list: the first one is still to be fetched.
        return KnownUsers(None, Discovery())
    return KnownUsers(found, Discovery(users=len(found)), missing=frozenset() if previous is None else _ids(found))


def _ids(users: Iterable[User]) -> frozenset[str]:
    return frozenset(user.user_id for user in users)


def _finds_the_same(before: OrganizationSettings, after: OrganizationSettings) -> bool:
    """Whether discovery reads the same lists. Filters by name do not matter: lists have users that these leave out."""
    keys = ("source", "organization_id", "organization_in_path", "status", "departments")
    one, other = before.config, after.config
    return (one.endpoint, one.host_header) == (other.endpoint, other.host_header) and all(
        getattr(one.users.discover, key, None) == getattr(other.users.discover, key, None) for key in keys
    )


def _new_ledger(
    settings: OrganizationSettings,
    config: Config,
    shared: Shared,
    known: KnownUsers,
    restored: OrganizationView | None,
) -> Ledger:
    discovers = settings.config.users.discover is not None
    ledger = Ledger(
        settings.config.name,
        watched_users(settings.users, known.users or () if discovers else (), shared.shard.takes),
        restored,
        since=shared.clock.now(),
        shard=shared.shard.label,
        publish=shared.publish,
        most_tokens=config.metrics.max_tokens_per_user,
    )
    if discovers:
        ledger.discovered(known.state)
    return ledger


def _pacer(settings: OrganizationSettings, shared: Shared, previous: Organization | None) -> Pacer:
    """The previous pacer if platform and rate are the same: a pause or a lowered rate still applies. Else a new one."""
    config = settings.config
    rate = config.limits.requests_per_second
    if previous is not None and previous.settings.config.endpoint == config.endpoint:
        pacer = previous.parts.pacer
        if pacer.highest == rate:
            return pacer
    return Pacer(rate, shared.clock) if shared.pacer is None else shared.pacer(config.name, rate)


def _shortest_interval(requests: int, rate: float | None, shared: Shared) -> float:
    """Seconds that a sweep takes at the allowed rate; each shard has its part of a rate that processes share."""
    if rate is None:
        return 0.0
    return requests / rate if shared.pacer is None else requests * shared.shard.total / granted(rate)
