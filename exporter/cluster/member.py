"""This process as a member of a cluster: its role, its replication, and its part of the rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from exporter.cluster.lease import Lease, RedisLock, SuspendedClock
from exporter.cluster.rate import HeldPacer, SharedPacer
from exporter.cluster.records import Records
from exporter.cluster.replication import Replicator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.cluster.leadership import Role
    from exporter.cluster.redis import RedisClient
    from exporter.cluster.replication import ReplicatedStore
    from exporter.cluster.shard import Shard
    from exporter.common.clock import Clock
    from exporter.common.worker import Supervisor
    from exporter.model.snapshot import Sweep
    from exporter.model.state import UserState
    from exporter.platform.pacing import Pacer


class MemberObserver(Protocol):
    """Counts and exposes what a member does."""

    def redis_up(self, up: bool) -> None:  # noqa: FBT001 - a gauge
        """Whether Redis answered."""
        ...

    def exchange_error(self) -> None:
        """State could not be exchanged with another replica."""
        ...

    def leads(self, leads: bool) -> None:  # noqa: FBT001
        """Whether this process polls."""
        ...


class Member:
    """Everything that involves other processes, started and stopped together.

    The keys in Redis depend on ``redis.key_prefix`` and the shard alone, so that replicas agree on them whatever each
    of them has loaded.

    Args:
        client: calls Redis; has its configuration.
        shard: the users of this process.
        store: the states of this process.
        polls: called with whether this process polls from now on.
        observer: counts.
        supervisor: makes the threads.
        clock: where time comes from.
    """

    def __init__(
        self,
        client: RedisClient,
        shard: Shard,
        store: ReplicatedStore,
        polls: Callable[[bool], None],
        observer: MemberObserver,
        supervisor: Supervisor,
        clock: Clock,
    ) -> None:
        self._client = client
        self._prefix = client.config.key_prefix
        self._processes = shard.total * client.config.replicas
        self._polls = polls
        # None during a change of roles, and after one that failed half-way.
        self._polling: bool | None = False
        self._observer = observer
        self._clock = clock
        place = f"{self._prefix}:shard:{shard}"
        lease = client.config.lease
        self._replicator = Replicator(Records(client, place), store, observer.exchange_error, supervisor, clock)
        self._lease = Lease(
            RedisLock(client, f"{place}:leader", lease),
            lease,
            self._changed_role,
            observer.redis_up,
            supervisor,
            SuspendedClock(),
        )
        observer.leads(False)

    def start(self) -> None:
        """Begin to check the lock; this process stands by until it holds it."""
        self._replicator.start()
        self._lease.start()

    def stop(self) -> None:
        """Stop, and release the lock for the other replica."""
        self._replicator.stop()
        self._lease.stop()
        self._client.close()

    def pacer(self, organization: str, rate: float | None) -> Pacer:
        """The pacer of an organization's requests, shared by all processes."""
        hold_back = self._lease.wait_until_certain
        if rate is None:
            return HeldPacer(self._clock, hold_back)
        key = f"{self._prefix}:rate:{organization}"
        return SharedPacer(rate, self._processes, key, self._client, self._clock, hold_back)

    def changed(self, organization: str, state: UserState) -> None:
        """The state of a user changed."""
        self._replicator.changed(organization, state)

    def swept(self, organization: str, sweep: Sweep) -> None:
        """An organization completed a sweep."""
        self._replicator.swept(organization, sweep)

    def removed(self, organization: str, user_ids: Iterable[str]) -> None:
        """Users are no longer watched."""
        self._replicator.removed(organization, user_ids)

    def organization_removed(self, organization: str) -> None:
        """An organization is no longer configured. Call it after the organization was removed from the store."""
        self._replicator.organization_removed(organization)

    def _changed_role(self, role: Role) -> None:
        if role.polls is self._polling:
            return
        self._polling = None
        self._replicator.publish(role.polls)
        self._polls(role.polls)
        self._observer.leads(role.polls)
        self._polling = role.polls
