"""Which replica of a shard polls: the rules alone, without Redis, threads or a clock.

Each replica checks the lock in Redis four times a lease. The one that holds it leads, and renews it with each check.
Its own clock says how long that is good for: one lease from before the check was sent, which is never later than Redis
lets go of the lock. While checks fail, since Redis is away or answers nonsense, the leader goes on; a standby polls too
once Redis has been silent for two leases, since two that poll are better than none.

With a lease of L, from the last disturbance of Redis or the network on (a failover, an emptied Redis, a healed
partition):

- two replicas poll at the same time for 2 L at most; crashes, restarts and pauses of replicas, such as a frozen
  process, never make two poll, apart from requests that were already under way;
- no replica polls for 3 L at most, as long as one of them runs.
"""

from __future__ import annotations

from enum import StrEnum

CHECKS_PER_LEASE = 4
LEASES_ALONE = 2
"""Leases without Redis after which a standby polls too: it cannot know whether another replica does."""


class Role(StrEnum):
    """What a replica does."""

    LEADER = "leader"
    STANDBY = "standby"
    ALONE = "alone"

    @property
    def polls(self) -> bool:
        """Whether a replica in this role asks the platform."""
        return self is not Role.STANDBY


class Leadership:
    """The role of one replica, from what its checks of the lock showed.

    One thread reports the checks; any thread may read. All times are of one clock that never jumps.

    Args:
        lease: seconds for which the lock is held without being renewed.
        now: the time.
    """

    def __init__(self, lease: float, now: float) -> None:
        self._lease = lease
        self._role = Role.STANDBY
        self._heard = now
        self._good_until = float("-inf")

    @property
    def role(self) -> Role:
        """The role after the last check."""
        return self._role

    def answered(self, started: float, finished: float, held: bool) -> Role:  # noqa: FBT001 - the one thing it says
        """Redis said whether this replica holds the lock, in a check that started and finished then."""
        self._heard = finished
        self._role = Role.LEADER if held else Role.STANDBY
        self._good_until = started + self._lease if held else float("-inf")
        return self._role

    def failed(self, now: float) -> Role:
        """A check ended without an answer: Redis is away, or says nothing that makes sense."""
        if self._role is Role.STANDBY and now - self._heard >= LEASES_ALONE * self._lease:
            self._role = Role.ALONE
        if self._role.polls:
            self._good_until = max(self._good_until, now + self._lease)
        return self._role

    def resigned(self, now: float) -> None:
        """This replica cannot do what its role asks for, and stands by as if Redis had just answered."""
        self._heard = now
        self._role = Role.STANDBY
        self._good_until = float("-inf")

    def current(self, now: float) -> bool:
        """Whether the role is recent enough to act on. It is not after a pause: another replica may lead by now."""
        return now < self._good_until
