"""Which replica of a shard polls. Pure: no Redis, threads or clock.

Each replica checks the lock in Redis four times a lease. The one that holds it leads, and renews it with each check.
By its own clock it leads for one lease from before the check was sent, which never ends later than the lock in Redis.
While checks fail, since Redis is down or its answers are invalid, the leader continues; a standby polls too once there
has been no answer for two leases, since two replicas that poll are better than none.

With a lease of L, counted from the last disturbance of Redis or the network (a failover, an emptied Redis, the end of a
partition):

- two replicas poll at the same time for at most 2 L; crashes, restarts and pauses of replicas (a frozen process)
  never make two poll, apart from requests that were already sent;
- no replica polls for at most 3 L, as long as one of them runs.
"""

from __future__ import annotations

from enum import StrEnum

CHECKS_PER_LEASE = 4
LEASES_ALONE = 2
"""Leases without an answer from Redis after which a standby polls too: it cannot know whether another replica does."""


class Role(StrEnum):
    """The role of a replica.

    LEADER holds the lock, STANDBY does not, ALONE polls because Redis has not answered for too long.
    """

    LEADER = "leader"
    STANDBY = "standby"
    ALONE = "alone"

    @property
    def polls(self) -> bool:
        """Whether a replica in this role polls the platform."""
        return self is not Role.STANDBY


class Leadership:
    """The role of one replica, from the results of its checks of the lock.

    One thread reports the checks; any thread may read. All times are seconds on one monotonic clock.

    Args:
        lease: seconds that the lock lasts without being renewed.
        now: the time.
    """

    def __init__(self, lease: float, now: float) -> None:
        self._lease = lease
        self._role = Role.STANDBY
        self._last_answer = now
        self._good_until = float("-inf")

    @property
    def role(self) -> Role:
        """The role after the last check."""
        return self._role

    def answered(self, started: float, finished: float, held: bool) -> Role:  # noqa: FBT001 - the answer itself
        """A check got an answer: whether this replica holds the lock."""
        self._last_answer = finished
        self._role = Role.LEADER if held else Role.STANDBY
        self._good_until = started + self._lease if held else float("-inf")
        return self._role

    def failed(self, now: float) -> Role:
        """A check got no valid answer."""
        if self._role is Role.STANDBY and now - self._last_answer >= LEASES_ALONE * self._lease:
            self._role = Role.ALONE
        if self._role.polls:
            self._good_until = max(self._good_until, now + self._lease)
        return self._role

    def resigned(self, now: float) -> None:
        """This replica could not take up its role, and stands by as if Redis had just answered."""
        self._last_answer = now
        self._role = Role.STANDBY
        self._good_until = float("-inf")

    def is_current(self, now: float) -> bool:
        """Whether the role is recent enough to act on. After a pause it is not: another replica may lead by now."""
        return now < self._good_until
