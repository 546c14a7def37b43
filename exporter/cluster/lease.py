"""Which of two replicas polls: the one that holds a lock in Redis, for as long as it renews it."""

from __future__ import annotations

import threading
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import LockError

from exporter.clock import Stop
from exporter.cluster.link import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

    from exporter.clock import Clock

_log = structlog.get_logger(__name__)
_LOOKS_PER_LEASE = 4
_LEASES_ALONE = 2
"""Leases without Redis after which a standby polls too: nobody can tell it whether anybody else does."""


class Role(StrEnum):
    """What a replica does."""

    LEADER = "leader"
    STANDBY = "standby"
    ALONE = "alone"


class Lease:
    """Holds the lock of a shard, or waits for it.

    While Redis is away the leader goes on; a standby goes on waiting for two leases and then polls as well, since two
    that poll are better than none.

    Args:
        client: the connection.
        key: names the lock.
        seconds: how long the lock lasts without being renewed.
        changed: called with the new role, from the lease's thread.
        heard: called with whether Redis answered.
    """

    def __init__(
        self,
        client: redis.Redis,
        key: str,
        seconds: float,
        changed: Callable[[Role], None],
        heard: Callable[[bool], None],
        parent: Stop,
        clock: Clock,
    ) -> None:
        self._lock = client.lock(key, timeout=seconds, blocking=False, thread_local=False)
        self._seconds = seconds
        self._changed = changed
        self._tell_heard = heard
        self._stop = Stop(parent)
        self._clock = clock
        self._role = Role.STANDBY
        self._heard = clock.monotonic()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def start(self) -> None:
        """Begin to ask for the lock."""
        self._thread.start()

    def stop(self) -> None:
        """Give the lock up, so that the other replica need not wait for its end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(1)
        self._stop.release()
        if self._role is Role.LEADER:
            try:
                self._lock.release()
            except (*Trouble, LockError):
                _log.debug("the lock could not be given up, it ends by itself")

    def _run(self) -> None:
        while True:
            self._look()
            if self._stop.wait(self._seconds / _LOOKS_PER_LEASE):
                return

    def _look(self) -> None:
        try:
            held = self._hold()
        except Trouble as error:
            self._tell_heard(False)
            silent = self._clock.monotonic() - self._heard
            if self._role is Role.STANDBY and silent >= _LEASES_ALONE * self._seconds:
                _log.warning(
                    "Redis is away, polling without knowing of others", error=type(error).__name__, detail=str(error)
                )
                self._become(Role.ALONE)
            return
        self._heard = self._clock.monotonic()
        self._tell_heard(True)
        self._become(Role.LEADER if held else Role.STANDBY)

    def _hold(self) -> bool:
        if self._role is Role.LEADER:
            try:
                return bool(self._lock.reacquire())
            except LockError:
                _log.debug("the lock ran out while this process or Redis slept, and somebody else may have it")
        return bool(self._lock.acquire())

    def _become(self, role: Role) -> None:
        if role is not self._role:
            self._role = role
            _log.info("role changed", role=role.value)
            self._changed(role)
