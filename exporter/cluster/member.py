"""This process among those that share a Redis: its role, what it tells the others, and its part of the rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from exporter.cluster.exchange import Exchange
from exporter.cluster.lease import Lease, Role
from exporter.cluster.link import connect
from exporter.cluster.rate import SharedPacer
from exporter.polling.pacing import Pacer

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.clock import Clock, Stop
    from exporter.cluster.exchange import Known
    from exporter.cluster.shard import Shard
    from exporter.config.loader import RedisSettings
    from exporter.model import UserState
    from exporter.store import Sweep


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

    Args:
        settings: where Redis is.
        shard: which users are this process'.
        group: what tells processes of other enterprises on the same Redis apart.
        known: what is known here, and where news of the other replica go.
        polls: called with whether this process polls from now on.
        observer: counts.
        parent: ends everything.
        clock: where time comes from.
    """

    def __init__(
        self,
        settings: RedisSettings,
        shard: Shard,
        group: str,
        known: Known,
        polls: Callable[[bool], None],
        observer: MemberObserver,
        parent: Stop,
        clock: Clock,
    ) -> None:
        config = settings.config
        self._prefix = config.key_prefix
        self._processes = shard.total * config.replicas
        self._polls = polls
        self._observer = observer
        self._clock = clock
        self._client = connect(settings)
        place = f"{self._prefix}:{group}:shard:{shard}"
        self._exchange = Exchange(self._client, place, known, observer.exchange_error, parent)
        self._lease = Lease(
            self._client, f"{place}:leader", config.lease, self._changed_role, observer.redis_up, parent, clock
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
        self._client.close()

    def pacer(self, organization: str, rate: float | None) -> Pacer:
        """What spaces an organization's requests, of all processes together."""
        if rate is None:
            return Pacer(None, self._clock)
        return SharedPacer(rate, self._processes, f"{self._prefix}:rate:{organization}", self._client, self._clock)

    def changed(self, organization: str, state: UserState) -> None:
        """A user's state is another one."""
        self._exchange.changed(organization, state)

    def swept(self, organization: str, sweep: Sweep) -> None:
        """A sweep has been completed."""
        self._exchange.swept(organization, sweep)

    def removed(self, organization: str, user_ids: tuple[str, ...]) -> None:
        """These users are no longer watched."""

    def organization_removed(self, name: str) -> None:
        """The organization is no longer configured."""

    def _changed_role(self, role: Role) -> None:
        polls = role is not Role.STANDBY
        self._exchange.publish(polls)
        self._observer.leads(polls)
        self._polls(polls)
