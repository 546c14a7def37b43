"""What the replicas of a shard keep in Redis: a record for each user, one for each organization's sweep, and an order.

Each batch of changes has a number. The order, a sorted set, holds for each user the number of the batch with its last
change, so a standby reads what is newer than the last number it has seen. The number is published after its batch, so
that no replica takes half a batch for the whole. Numbers follow the server's time, so that they keep growing after
Redis was emptied. A removed user stays in the order for a while without a record: that is how standbys are notified.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from exporter.model.snapshot import Sweep
from exporter.model.state import UserState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from exporter.cluster.redis import RedisClient

T = TypeVar("T")
_AT_ONCE = 200
_KEPT = 7 * 86400
"""Seconds after which Redis drops the records of a shard that no replica publishes."""
_HIGHEST = 2**53
"""From here on a score in a sorted set is not exact."""
_encode = msgspec.msgpack.Encoder().encode
_NAME = msgspec.msgpack.Decoder(tuple[str, str])
_STATE = msgspec.msgpack.Decoder(UserState)
_SWEEP = msgspec.msgpack.Decoder(Sweep)


class UnreadableError(Exception):
    """A record in Redis cannot be read by this version."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes to publish.

    Attributes:
        states: users' states by their name in Redis.
        sweeps: organizations' last sweeps.
        removed: names of users whose records are deleted.
        removed_sweeps: organizations whose last sweeps are deleted.
    """

    states: Mapping[bytes, UserState]
    sweeps: Mapping[str, Sweep]
    removed: Collection[bytes] = ()
    removed_sweeps: Collection[bytes] = ()

    def __bool__(self) -> bool:
        return bool(self.states or self.sweeps or self.removed or self.removed_sweeps)


class Records:
    """Reads and writes the records of one shard. Every method raises `RedisCallError` if a call fails.

    Args:
        client: calls Redis.
        key: the prefix of all keys.
    """

    def __init__(self, client: RedisClient, key: str) -> None:
        self._client = client
        self._states, self._order = f"{key}:states", f"{key}:order"
        self._sweeps, self._number = f"{key}:sweeps", f"{key}:number"

    def number(self) -> int:
        """The number of the last batch; 0 if there is none.

        Raises:
            UnreadableError: it is not a number.
        """
        text = self._client.call(lambda client: _optional(client.get(self._number)))
        if text is None:
            return 0
        if text.isdigit() and len(text) <= len(str(_HIGHEST)) and (number := int(text)) < _HIGHEST:
            return number
        raise UnreadableError("the number of the last batch")

    def sweeps(self) -> dict[bytes, bytes]:
        """The last sweeps by organization, not decoded."""
        return self._client.call(lambda client: _mapping(client.hgetall(self._sweeps)))

    def changed_since(self, number: int) -> Iterator[tuple[bytes, bytes | None]]:
        """The names of users that changed in later batches, and their records, not decoded; None for a removed user."""
        # Without an upper limit: a user that is being written again right now would be in neither batch.
        names = self._client.call(lambda client: _names(client.zrangebyscore(self._order, f"({number}", "+inf")))
        for some in _portions(names):
            yield from zip(some, self._client.call(partial(self._records, names=some)), strict=True)

    def _records(self, client: Any, names: list[bytes]) -> list[bytes | None]:
        blobs = [_optional(blob) for blob in client.hmget(self._states, names)]
        if len(blobs) != len(names):
            raise ValueError("the answer has a different number of records than requested")
        return blobs

    def names(self) -> list[bytes]:
        """The names of all users that have a record or were removed recently."""
        return self._client.call(lambda client: _names(client.zrange(self._order, 0, -1)))

    def write(self, batch: Batch, above: int) -> int:
        """Publish a batch; its number, which is higher than all before and than ``above``."""
        seconds, micros = self._client.call(lambda client: _pair(client.time()))
        number = max(above + 1, seconds * 1000 + micros // 1000)
        for some in _portions(list(batch.states)):
            self._client.call(partial(self._write, names=some, states=batch.states, number=number))
        for some in _portions(list(batch.removed)):
            self._client.call(partial(self._remove, names=some, number=number))
        self._client.call(partial(self._conclude, batch=batch, number=number))
        return number

    def _write(self, client: Any, names: list[bytes], states: Mapping[bytes, UserState], number: int) -> None:
        pipeline = client.pipeline(transaction=True)
        pipeline.hset(self._states, mapping={name: _encode(states[name]) for name in names})
        pipeline.zadd(self._order, dict.fromkeys(names, number))
        pipeline.execute()

    def _remove(self, client: Any, names: list[bytes], number: int) -> None:
        pipeline = client.pipeline(transaction=True)
        pipeline.hdel(self._states, *names)
        pipeline.zadd(self._order, dict.fromkeys(names, number))
        pipeline.execute()

    def _conclude(self, client: Any, batch: Batch, number: int) -> None:
        pipeline = client.pipeline(transaction=True)
        if batch.removed_sweeps:
            pipeline.hdel(self._sweeps, *batch.removed_sweeps)
        if batch.sweeps:
            pipeline.hset(self._sweeps, mapping={name: _encode(sweep) for name, sweep in batch.sweeps.items()})
        pipeline.set(self._number, number)
        for key in (self._states, self._order, self._sweeps, self._number):
            pipeline.expire(key, _KEPT)
        pipeline.execute()

    def forget(self, names: Collection[bytes]) -> None:
        """Drop removed users from the order, after standbys had time to see them."""
        for some in _portions(list(names)):
            self._client.call(partial(self._forget, names=some))

    def _forget(self, client: Any, names: list[bytes]) -> None:
        pipeline = client.pipeline(transaction=True)
        # The records too: a replica that did not know of the removal may have written one since.
        pipeline.hdel(self._states, *names)
        pipeline.zrem(self._order, *names)
        pipeline.execute()


def name_of(organization: str, user_id: str) -> bytes:
    """The name of a user in Redis."""
    return _encode((organization, user_id))


def read_name(name: bytes) -> tuple[str, str]:
    """The organization and the user's id.

    Raises:
        UnreadableError: it is not the name of a user.
    """
    return _read(_NAME, name)


def read_state(blob: bytes) -> UserState:
    """A user's state.

    Raises:
        UnreadableError: this version cannot read it.
    """
    return _read(_STATE, blob)


def read_sweep(name: bytes, blob: bytes) -> tuple[str, Sweep]:
    """An organization and its last sweep.

    Raises:
        UnreadableError: this version cannot read it.
    """
    try:
        return name.decode(), _read(_SWEEP, blob)
    except UnicodeDecodeError:
        raise UnreadableError("the name of an organization") from None


def _read(decoder: msgspec.msgpack.Decoder[T], blob: bytes) -> T:
    try:
        return decoder.decode(blob)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError):
        raise UnreadableError("a record of another version, or a damaged one") from None


def _portions(names: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(names), _AT_ONCE):
        yield names[start : start + _AT_ONCE]


def _optional(answer: Any) -> bytes | None:
    if answer is not None and not isinstance(answer, bytes):
        raise TypeError("the answer is not text")
    return answer


def _names(answer: Any) -> list[bytes]:
    if not isinstance(answer, list) or not all(isinstance(one, bytes) for one in answer):
        raise ValueError("the answer is not a list of names")
    return answer


def _mapping(answer: Any) -> dict[bytes, bytes]:
    if not isinstance(answer, Mapping):
        raise TypeError("the answer is not a hash")
    _names([*answer, *answer.values()])
    return dict(answer)


def _pair(answer: Any) -> tuple[int, int]:
    first, second = answer
    return int(first), int(second)
