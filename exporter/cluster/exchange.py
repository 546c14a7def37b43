"""State from the replica that polls to the one that stands by, through Redis.

Each batch of changes has a number, and a sorted set says with which number each user last changed: so the standby asks
for what is new since the number it has seen, and never for everything twice. The number is made known after its batch,
so that nobody takes half of one for the whole.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec
import structlog

from exporter.clock import Stop
from exporter.cluster.link import Trouble
from exporter.model import UserState
from exporter.store import Sweep

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

    from exporter.store import View

T = TypeVar("T")
_log = structlog.get_logger(__name__)
_EVERY = 1.0
_TIMEOUT = 2.0
_AT_ONCE = 2000
_KEPT = 7 * 86400
"""Seconds after which Redis forgets a shard that nobody publishes any more."""
_encode = msgspec.msgpack.Encoder().encode
_STATE = msgspec.msgpack.Decoder(UserState)
_SWEEP = msgspec.msgpack.Decoder(Sweep)


class Known(Protocol):
    """What a process knows of its organizations."""

    def view(self) -> View:
        """All of it at this moment."""
        ...

    def take_state(self, organization: str, state: UserState) -> None:
        """Take in what another replica knows of a user, if it is newer."""
        ...

    def take_sweep(self, organization: str, sweep: Sweep) -> None:
        """Take in another replica's last sweep, if it is newer."""
        ...


class Exchange:
    """Publishes changes while this replica polls, and takes them in while it stands by.

    Args:
        client: the connection.
        key: the beginning of all keys of this shard.
        known: what this process knows.
        failed: called each time that something could not be exchanged.
        parent: ends everything.
    """

    def __init__(self, client: redis.Redis, key: str, known: Known, failed: Callable[[], None], parent: Stop) -> None:
        self._failed = failed
        self._troubled = False
        self._client: Any = client
        self._states_key, self._order_key = f"{key}:states", f"{key}:order"
        self._sweeps_key, self._number_key = f"{key}:sweeps", f"{key}:number"
        self._known = known
        self._stop = Stop(parent)
        # Guards the fields below.
        self._lock = threading.Lock()
        self._publishing = False
        self._states: dict[bytes, UserState] = {}
        self._sweeps: dict[str, Sweep] = {}
        self._number = 0
        self._seen = 0
        self._thread = threading.Thread(target=self._run, name="exchange", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Publish what waits, and end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_TIMEOUT)
        self._stop.release()

    def publish(self, on: bool) -> None:  # noqa: FBT001 - the one thing that it says
        """Whether this replica polls from now on."""
        with self._lock:
            self._publishing = on
            # What was not said in time is older by now than what the other one says.
            self._states.clear()
            self._sweeps.clear()
            self._seen = 0

    def changed(self, organization: str, state: UserState) -> None:
        """A user's state is another one."""
        with self._lock:
            if self._publishing:
                self._states[_field(organization, state)] = state

    def swept(self, organization: str, sweep: Sweep) -> None:
        """A sweep has been completed."""
        with self._lock:
            if self._publishing:
                self._sweeps[organization] = sweep

    def _run(self) -> None:
        while True:
            try:
                if self._publishing:
                    self._send()
                else:
                    self._number = 0  # after a change of roles everything is said once
                    self._receive()
                self._troubled = False
            except Exception as error:  # noqa: BLE001 - whatever Redis holds must not end the exchange; it is counted
                self._failed()
                log = _log.debug if self._troubled else _log.warning
                log("state cannot be exchanged with other replicas", error=type(error).__name__, detail=str(error))
                self._troubled = True
            if self._stop.wait(_EVERY):
                break
        if self._publishing:
            with contextlib.suppress(*Trouble):
                self._send()

    def _send(self) -> None:
        with self._lock:
            states, self._states = self._states, {}
            sweeps, self._sweeps = self._sweeps, {}
        try:
            number = int(self._client.get(self._number_key) or 0)
            taking_over = self._number == 0
            if number != self._number:
                # What another one has said, but this one has not heard yet.
                self._receive()
            if taking_over or number < self._number:
                # Redis has been emptied, or this replica has just taken over: say everything.
                states, sweeps = self._all(states, sweeps)
            if states or sweeps:
                self._write(states, sweeps, number + 1)
        except Trouble:
            with self._lock:
                self._states = states | self._states
                self._sweeps = sweeps | self._sweeps
            raise

    def _all(
        self, states: dict[bytes, UserState], sweeps: dict[str, Sweep]
    ) -> tuple[dict[bytes, UserState], dict[str, Sweep]]:
        organizations = self._known.view().organizations
        # Those of others stay: who is discovered may not be known yet. They end with the keys.
        watched = {_field(one.name, state): state for one in organizations for state in one.users}
        states = {name: state for name, state in watched.items() if state.polled} | states
        return states, {one.name: one.sweep for one in organizations if one.sweep is not None} | sweeps

    def _write(self, states: dict[bytes, UserState], sweeps: dict[str, Sweep], number: int) -> None:
        fields = list(states)
        for start in range(0, len(fields), _AT_ONCE):
            some = fields[start : start + _AT_ONCE]
            pipeline = self._client.pipeline(transaction=True)
            pipeline.hset(self._states_key, mapping={name: _encode(states[name]) for name in some})
            pipeline.zadd(self._order_key, dict.fromkeys(some, number))
            pipeline.execute()
        pipeline = self._client.pipeline(transaction=True)
        if sweeps:
            pipeline.hset(self._sweeps_key, mapping={name: _encode(sweep) for name, sweep in sweeps.items()})
        pipeline.set(self._number_key, number)
        for key in (self._states_key, self._order_key, self._sweeps_key, self._number_key):
            pipeline.expire(key, _KEPT)
        pipeline.execute()
        self._number = self._seen = number

    def _receive(self) -> None:
        # Before the states, so that nobody takes a sweep for known whose users are not.
        swept = self._client.hgetall(self._sweeps_key)
        number = int(self._client.get(self._number_key) or 0)
        if number < self._seen:
            self._seen = 0
        # Without an upper end: a user who is just being written once more would be in neither batch.
        fields = self._client.zrangebyscore(self._order_key, f"({self._seen}", "+inf")
        for start in range(0, len(fields), _AT_ONCE):
            some = fields[start : start + _AT_ONCE]
            for name, blob in zip(some, self._client.hmget(self._states_key, some), strict=True):
                if blob is not None and (state := self._read(_STATE, blob)) is not None:
                    organization, _ = msgspec.msgpack.decode(name, type=tuple[str, str])
                    self._known.take_state(organization, state)
        for name, blob in swept.items():
            if (sweep := self._read(_SWEEP, blob)) is not None:
                self._known.take_sweep(name.decode(), sweep)
        self._seen = number

    def _read(self, decoder: msgspec.msgpack.Decoder[T], blob: bytes) -> T | None:
        """What another replica has written; None, counted, for what this version cannot read."""
        try:
            return decoder.decode(blob)
        except msgspec.MsgspecError:
            self._failed()
            return None


def _field(organization: str, state: UserState) -> bytes:
    return _encode((organization, state.user.user_id))
