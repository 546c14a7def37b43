"""Holds the lock of a shard in Redis, or waits for it. The rules are in `leadership`."""

from __future__ import annotations

import socket
import time
import uuid
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from exporter.cluster.leadership import CHECKS_PER_LEASE, Leadership, Role
from exporter.cluster.redis import RedisCallError
from exporter.common.cancellation import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.cluster.redis import RedisClient
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
"""Milliseconds that a lock may have left. No replica sets more, so more means that a clock was set back."""
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
"""Renews with PEXPIRE alone, which a server whose memory is full does not refuse."""
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class SuspendedClock:
    """Monotonic time that includes suspended time, if the system has such a clock."""

    def monotonic(self) -> float:
        """Seconds."""
        return time.clock_gettime(_CLOCK)


class Lock(Protocol):
    """A lock that at most one replica holds."""

    def hold(self) -> bool:
        """Take the lock or renew it; whether this replica holds it now.

        Raises:
            RedisCallError: there was no valid answer.
        """
        ...

    def release(self) -> None:
        """Release the lock, if this replica holds it.

        Raises:
            RedisCallError: the call failed.
        """
        ...


class RedisLock:
    """A lock in Redis that expires when it is not renewed.

    One command takes or renews it, always under the same name: a lost answer does no harm.

    Args:
        client: calls Redis.
        key: the key of the lock.
        seconds: how long the lock lasts without being renewed.
    """

    def __init__(self, client: RedisClient, key: str, seconds: float) -> None:
        self._client = client
        self._key = key
        self._seconds = seconds
        self._name = f"{socket.gethostname()} {uuid.uuid4().hex}".encode("ascii", "replace")

    def hold(self) -> bool:
        """Take the lock or renew it; whether this replica holds it now."""
        return self._client.call(
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
            raise ValueError("the answer about the lock is invalid")
        return bool(held)

    def release(self) -> None:
        """Release the lock, if this replica holds it."""
        self._client.call(
            lambda client: client.eval(_RELEASE, 1, self._key, self._name), seconds=_STOP_TIMEOUT, size=_ANSWER_SIZE
        )


class Lease:
    """Checks the lock periodically, reports changes of the role, and delays requests while the role is uncertain.

    Args:
        lock: the lock of the shard.
        seconds: how long the lock lasts without being renewed.
        changed: called with the new role, from the lease's thread. What it raises is counted, and it is called again.
        answered: called after each check with whether Redis answered.
        supervisor: makes the thread.
        clock: monotonic time.
    """

    def __init__(
        self,
        lock: Lock,
        seconds: float,
        changed: Callable[[Role], None],
        answered: Callable[[bool], None],
        supervisor: Supervisor,
        clock: MonotonicClock,
    ) -> None:
        self._lock = lock
        self._seconds = seconds
        self._changed = changed
        self._report_answer = answered
        self._clock = clock
        self._leadership = Leadership(seconds, clock.monotonic())
        # The role reported last. Only the lease's thread writes this field and the two below.
        self._reported = Role.STANDBY
        self._not_before = float("-inf")
        self._redis_up = True
        self._worker: Worker = supervisor.worker("lease", self.step, pause=seconds / CHECKS_PER_LEASE)

    def start(self) -> None:
        """Begin to check the lock."""
        self._worker.start()

    def stop(self) -> None:
        """Release the lock, so that the other replica need not wait until it expires."""
        if self._worker.stop(_STOP_TIMEOUT) and self._leadership.role is Role.LEADER and self._redis_up:
            self._release()

    def step(self) -> float:
        """Check the lock once and take up the resulting role; the seconds until the next check."""
        started = self._clock.monotonic()
        if started >= self._not_before:
            self._take_up(self._check(started))
        taken = self._clock.monotonic() - started
        return max(_SHORTEST_PAUSE, self._seconds / CHECKS_PER_LEASE - taken)

    def wait_until_certain(self, stop: Stop) -> None:
        """Wait, before a request, while it is uncertain whether this replica still leads.

        It is uncertain after the process was frozen for longer than a lease. The wait ends with the next check, which
        starts at once, or after half a lease without a result, since polling must not depend on Redis.

        Raises:
            StoppedError: the request was cancelled.
        """
        if self._certain():
            return
        self._worker.wake()
        until = self._clock.monotonic() + self._seconds / 2
        while not self._certain():
            # If another replica is known to lead, that is certain and the wait has no limit.
            if self._leadership.role.polls and self._clock.monotonic() >= until:
                return
            if stop.wait(_RECHECK):
                raise StoppedError

    def _certain(self) -> bool:
        if not self._reported.polls:
            return True
        return self._leadership.role.polls and self._leadership.is_current(self._clock.monotonic())

    def _check(self, started: float) -> Role:
        try:
            held = self._hold()
        except RedisCallError as error:
            self._redis_up = False
            self._report_answer(False)
            before = self._leadership.role
            role = self._leadership.failed(self._clock.monotonic())
            if role is not before:
                _log.warning(
                    "Redis is unavailable, this replica polls although another one may poll too", detail=str(error)
                )
            return role
        self._redis_up = True
        self._report_answer(True)
        return self._leadership.answered(started, self._clock.monotonic(), held)

    def _hold(self) -> bool:
        try:
            return self._lock.hold()
        except RedisCallError as error:
            # After a failover the first attempt fails since its connection leads to the old master.
            _log.debug("the check of the lock failed and is repeated on a new connection", detail=str(error))
        return self._lock.hold()

    def _take_up(self, role: Role) -> None:
        if role is self._reported:
            return
        try:
            self._changed(role)
        except Exception:
            if not self._reported.polls:
                self._resign()
            raise
        self._reported = role
        _log.info("role changed", role=role.value)

    def _resign(self) -> None:
        """Let another replica lead, since this one cannot, and do not check again for two leases."""
        now = self._clock.monotonic()
        self._leadership.resigned(now)
        self._not_before = now + 2 * self._seconds
        self._release()
        self._changed(Role.STANDBY)

    def _release(self) -> None:
        try:
            self._lock.release()
        except RedisCallError as error:
            _log.debug("the lock could not be released, it will expire", detail=str(error))
