"""Holds the lock of a shard in Redis, or waits for it; `leadership` has the rules."""

from __future__ import annotations

import socket
import time
import uuid
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from exporter.cluster.leadership import CHECKS_PER_LEASE, Leadership, Role
from exporter.cluster.redis import LinkError
from exporter.common.cancellation import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.cluster.redis import Link
    from exporter.common.cancellation import Stop
    from exporter.common.worker import MonotonicClock, Supervisor, Worker

_log = structlog.get_logger(__name__)
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_LONGEST_CHECK = 2.0
_SHORTEST_PAUSE = 0.05
_RECHECK = 0.02
_STOP_TIMEOUT = 1.0
_ANSWER_SIZE = 1 << 16
_LONGEST_LEASE_MS = 600_000
"""Milliseconds beyond which a lock's remaining time is not believed: nobody sets that much, so a clock was set back."""
_HOLD = """
local holder = redis.call('get', KEYS[1])
if holder == ARGV[1] then
  redis.call('pexpire', KEYS[1], ARGV[2])
  return {1, holder}
end
if holder then
  local left = redis.call('pttl', KEYS[1])
  if left >= 0 and left <= tonumber(ARGV[3]) then return {0, holder} end
end
redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])
return {1, ARGV[1]}
"""
"""Renewing writes nothing that a server whose memory is full would refuse."""
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class SuspendedClock:
    """Monotonic time that goes on while the machine sleeps, where the system has such a clock."""

    def monotonic(self) -> float:
        """Seconds."""
        return time.clock_gettime(_CLOCK)


class Lock(Protocol):
    """Something that one replica holds at a time."""

    def hold(self) -> bool:
        """Take the lock or renew it; whether this replica holds it now.

        Raises:
            LinkError: that cannot be known.
        """
        ...

    def release(self) -> None:
        """Give the lock up, if this replica holds it.

        Raises:
            LinkError: that did not work.
        """
        ...


class RedisLock:
    """A lock in Redis that ends by itself when it is not renewed.

    One command takes or renews it, under a name that this process keeps: an answer that gets lost does no harm.

    Args:
        link: the connection.
        key: names the lock.
        seconds: how long it lasts without being renewed.
    """

    def __init__(self, link: Link, key: str, seconds: float) -> None:
        self._link = link
        self._key = key
        self._seconds = seconds
        self._name = f"{socket.gethostname()} {uuid.uuid4().hex}".encode("ascii", "replace")

    def hold(self) -> bool:
        """Take the lock or renew it; whether this replica holds it now."""
        return self._link.call(
            self._hold, seconds=min(_LONGEST_CHECK, self._seconds / CHECKS_PER_LEASE), size=_ANSWER_SIZE
        )

    def _hold(self, client: Any) -> bool:
        held, holder = client.eval(
            _HOLD,
            1,
            self._key,
            self._name,
            int(self._seconds * 1000),
            max(_LONGEST_LEASE_MS, int(self._seconds * 2000)),
        )
        if not isinstance(holder, bytes) or held not in {0, 1} or bool(held) != (holder == self._name):
            raise ValueError("the answer about the lock makes no sense")
        return bool(held)

    def release(self) -> None:
        """Give the lock up, if this replica holds it."""
        self._link.call(
            lambda client: client.eval(_RELEASE, 1, self._key, self._name), seconds=_STOP_TIMEOUT, size=_ANSWER_SIZE
        )


class Lease:
    """Checks the lock again and again, says which role follows, and holds requests back while that is uncertain.

    Args:
        lock: what one replica holds at a time.
        seconds: how long the lock lasts without being renewed.
        changed: called with the new role, from the lease's thread; what it raises is counted, and it is called again.
        heard: called with whether Redis answered.
        supervisor: makes the thread.
        clock: monotonic time.
    """

    def __init__(
        self,
        lock: Lock,
        seconds: float,
        changed: Callable[[Role], None],
        heard: Callable[[bool], None],
        supervisor: Supervisor,
        clock: MonotonicClock,
    ) -> None:
        self._lock = lock
        self._seconds = seconds
        self._changed = changed
        self._tell_heard = heard
        self._clock = clock
        self._leadership = Leadership(seconds, clock.monotonic())
        # What `changed` was told last. Written by the lease's thread alone, like the two below.
        self._told = Role.STANDBY
        self._not_before = float("-inf")
        self._answers = True
        self._worker: Worker = supervisor.worker("lease", self.step, pause=seconds / CHECKS_PER_LEASE)

    def start(self) -> None:
        """Begin to ask for the lock."""
        self._worker.start()

    def stop(self) -> None:
        """Give the lock up, so that the other replica need not wait for its end."""
        if self._worker.stop(_STOP_TIMEOUT) and self._leadership.role is Role.LEADER and self._answers:
            self._release()

    def step(self) -> float:
        """Check the lock once, and take up the role that follows; the seconds until the next check."""
        started = self._clock.monotonic()
        if started >= self._not_before:
            self._take_up(self._check(started))
        taken = self._clock.monotonic() - started
        return max(_SHORTEST_PAUSE, self._seconds / CHECKS_PER_LEASE - taken)

    def hold_back(self, stop: Stop) -> None:
        """Wait, before a request, while this replica cannot know whether it still leads.

        That is so after it was frozen for longer than a lease. The next check, which is made at once, ends it; so does
        half a lease without any result, since polling must not depend on Redis.

        Raises:
            StoppedError: the request is not wanted any more.
        """
        if self._certain():
            return
        self._worker.wake()
        until = self._clock.monotonic() + self._seconds / 2
        while not self._certain():
            # Once it is known that another replica leads there is no limit: it is known.
            if self._leadership.role.polls and self._clock.monotonic() >= until:
                return
            if stop.wait(_RECHECK):
                raise StoppedError

    def _certain(self) -> bool:
        if not self._told.polls:
            return True
        return self._leadership.role.polls and self._leadership.current(self._clock.monotonic())

    def _check(self, started: float) -> Role:
        try:
            held = self._hold()
        except LinkError as error:
            self._answers = False
            self._tell_heard(False)
            before = self._leadership.role
            role = self._leadership.failed(self._clock.monotonic())
            if role is not before:
                _log.warning("Redis is away, polling without knowing of others", detail=str(error))
            return role
        self._answers = True
        self._tell_heard(True)
        return self._leadership.answered(started, self._clock.monotonic(), held)

    def _hold(self) -> bool:
        try:
            return self._lock.hold()
        except LinkError as error:
            # After a failover the first attempt finds out that a connection leads to the old master.
            _log.debug("the lock is checked again on a new connection", detail=str(error))
        return self._lock.hold()

    def _take_up(self, role: Role) -> None:
        if role is self._told:
            return
        try:
            self._changed(role)
        except Exception:
            if not self._told.polls:
                self._resign()
            raise
        self._told = role
        _log.info("role changed", role=role.value)

    def _resign(self) -> None:
        """Let another replica lead, since this one cannot, and do not ask again for two leases."""
        now = self._clock.monotonic()
        self._leadership.resigned(now)
        self._not_before = now + 2 * self._seconds
        self._release()
        self._changed(Role.STANDBY)

    def _release(self) -> None:
        try:
            self._lock.release()
        except LinkError as error:
            _log.debug("the lock could not be given up, it ends by itself", detail=str(error))
