"""This process among those that share a Redis: its role, what it tells the others, and its part of the rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from exporter.cluster.lease import Lease, RedisLock, SuspendedClock
from exporter.cluster.rate import HeldPacer, SharedPacer
from exporter.cluster.records import Records
from exporter.cluster.replication import Exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.cluster.leadership import Role
    from exporter.cluster.redis import Link
    from exporter.cluster.replication import Known
    from exporter.cluster.shard import Shard
    from exporter.common.clock import Clock
    from exporter.common.worker import Supervisor
    from exporter.model.snapshot import Sweep
    from exporter.model.state import UserState
    from exporter.platform.pacing import Pacer


class MemberObserver(Protocol):
    """Counts what a member does."""

    def redis_up(self, up: bool) -> None:  # noqa: FBT001 - the one thing that it says
        """Whether Redis answered."""
        ...

    def exchange_error(self) -> None:
        """Something could not be exchanged with other replicas."""
        ...

    def leads(self, leads: bool) -> None:  # noqa: FBT001
        """Whether this process polls."""
        ...


class Member:
    """Everything about other processes, started and ended together.

    The keys in Redis depend on ``redis.key_prefix`` and the shard alone, so that replicas agree on them whatever each
    of them has loaded.

    Args:
        link: the connection to Redis, with its configuration.
        shard: which users are this process'.
        known: what is known here, and where news of the other replica go.
        polls: called with whether this process polls from now on.
        observer: counts.
        supervisor: makes the threads.
        clock: where time comes from.
    """

    def __init__(
        self,
        link: Link,
        shard: Shard,
        known: Known,
        polls: Callable[[bool], None],
        observer: MemberObserver,
        supervisor: Supervisor,
        clock: Clock,
    ) -> None:
        self._link = link
        self._prefix = link.config.key_prefix
        self._processes = shard.total * link.config.replicas
        self._polls = polls
        # None while a change of roles is under way, and after one that failed half-way.
        self._polling: bool | None = False
        self._observer = observer
        self._clock = clock
        place = f"{self._prefix}:shard:{shard}"
        lease = link.config.lease
        self._exchange = Exchange(Records(link, place), known, observer.exchange_error, supervisor, clock)
        self._lease = Lease(
            RedisLock(link, f"{place}:leader", lease),
            lease,
            self._changed_role,
            observer.redis_up,
            supervisor,
            SuspendedClock(),
        )
        observer.leads(False)

    def start(self) -> None:
        """Begin to ask for the lock; this process stands by until it has it."""
        self._exchange.start()
        self._lease.start()

    def stop(self) -> None:
        """End, and leave the lock to the other replica."""
        self._exchange.stop()
        self._lease.stop()
        self._link.close()

    def pacer(self, organization: str, rate: float | None) -> Pacer:
        """What spaces an organization's requests, of all processes together."""
        hold_back = self._lease.hold_back
        if rate is None:
            return HeldPacer(self._clock, hold_back)
        key = f"{self._prefix}:rate:{organization}"
        return SharedPacer(rate, self._processes, key, self._link, self._clock, hold_back)

    def changed(self, organization: str, state: UserState) -> None:
        """A user's state is another one."""
        self._exchange.changed(organization, state)

    def swept(self, organization: str, sweep: Sweep) -> None:
        """A sweep has been completed."""
        self._exchange.swept(organization, sweep)

    def removed(self, organization: str, user_ids: Iterable[str]) -> None:
        """Users are not watched any more."""
        self._exchange.removed(organization, user_ids)

    def organization_removed(self, organization: str) -> None:
        """An organization is not configured any more. Call it after the organization has left the store."""
        self._exchange.organization_removed(organization)

    def _changed_role(self, role: Role) -> None:
        if role.polls is self._polling:
            return
        self._polling = None
        self._exchange.publish(role.polls)
        self._polls(role.polls)
        self._observer.leads(role.polls)
        self._polling = role.polls
