"""A sorted collection whose changes cost little, however many items it has."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

Item = TypeVar("Item")
Key = tuple[float | str, ...]
"""What items are sorted by. In one collection, all keys have values of the same types at the same positions."""

_LOAD = 1024
"""Items of a chunk after a split; it is split when it has twice as many."""
_MANY = 4
"""If more than one item in so many changes, sorting all of them takes less time than single changes."""
_RUN = 8192
"""Items that are sorted at once: sorting holds the interpreter lock."""


class Chunk(list[Item]):
    """Some items, and what has been derived from them; it is dropped when they change.

    Attributes:
        derived: any value; None if there is none.
    """

    __slots__ = ("derived",)

    def __init__(self, items: Iterable[Item] = ()) -> None:
        super().__init__(items)
        self.derived: object | None = None


class SortedChunks(Generic[Item]):
    """Items in the order of their keys, in chunks: to add or remove one moves the items of one chunk only.

    Keys are computed when needed and not kept, so that an item costs the memory of one reference. For one thread at a
    time.

    Args:
        key: the key of an item. Items with equal keys must be interchangeable.
        items: the items to begin with, in any order.
    """

    def __init__(self, key: Callable[[Item], Key], items: Iterable[Item] = ()) -> None:
        self._key = key
        self._chunks: list[Chunk[Item]] = []
        self._size = 0
        self.replace(items)

    def __len__(self) -> int:
        """The number of items."""
        return self._size

    def __iter__(self) -> Iterator[Item]:
        """The items in order. They must not change meanwhile."""
        for chunk in self._chunks:
            yield from chunk

    def copy(self) -> list[Item]:
        """All items in order, as a list of their own."""
        return [item for chunk in self._chunks for item in chunk]

    def replace(self, items: Iterable[Item]) -> None:
        """Have these items and no others: much cheaper than to add them one by one."""
        source = iter(items)
        runs = []
        while run := sorted(islice(source, _RUN), key=self._key):
            runs.append(run)
        merged = iter(runs[0]) if len(runs) == 1 else heapq.merge(*runs, key=self._key)
        self._chunks = []
        while chunk := Chunk(islice(merged, _LOAD)):
            self._chunks.append(chunk)
        self._size = sum(map(len, self._chunks))

    def change(self, removed: Collection[Item], added: Collection[Item], everything: Iterable[Item]) -> None:
        """Remove some items and add others.

        Args:
            removed: items of the collection.
            added: items to add.
            everything: all items after that; read only if many items change.

        Raises:
            KeyError: an item to remove is missing; the collection must not be used any more.
        """
        if (len(removed) + len(added)) * _MANY > len(self):
            self.replace(everything)
            return
        for item in removed:
            self.remove(item)
        for item in added:
            self.add(item)

    def add(self, item: Item) -> None:
        """Add an item."""
        self._size += 1
        if not self._chunks:
            self._chunks.append(Chunk([item]))
            return
        at = self._chunk_of(self._key(item))
        chunk = self._chunks[at]
        insort(chunk, item, key=self._key)
        chunk.derived = None
        self._split(at)

    def remove(self, item: Item) -> None:
        """Remove an item with the key of this one.

        Raises:
            KeyError: there is none.
        """
        key = self._key(item)
        if not self._chunks:
            raise KeyError(key)
        at = self._chunk_of(key)
        chunk = self._chunks[at]
        position = bisect_left(chunk, key, key=self._key)
        if position == len(chunk) or self._key(chunk[position]) != key:
            raise KeyError(key)
        del chunk[position]
        chunk.derived = None
        self._size -= 1
        if len(self._chunks) > 1 and len(chunk) < _LOAD // 4:
            # Otherwise many small chunks would be left in the long run.
            into = max(0, at - 1)
            self._chunks[into].extend(self._chunks.pop(into + 1))
            self._chunks[into].derived = None
            self._split(into)
        elif not chunk:
            del self._chunks[at]

    def leading(self, before: Callable[[Item], bool]) -> int:
        """The number of items at the beginning for which this is true.

        Args:
            before: true for some items at the beginning, false for all others.
        """
        at, position = self._boundary(before)
        return sum(map(len, self._chunks[:at])) + position

    @property
    def chunks(self) -> list[Chunk[Item]]:
        """The chunks in order. They must not be changed."""
        return self._chunks

    def chunk_of(self, item: Item) -> Chunk[Item]:
        """The chunk with an item of the collection."""
        return self._chunks[self._chunk_of(self._key(item))]

    def between(
        self, before: Callable[[Item], bool], until: Callable[[Item], bool]
    ) -> Iterator[tuple[Chunk[Item], range]]:
        """Chunks with the places of the items that are not ``before`` but ``until``.

        Both functions are true for some items at the beginning and false for all others.
        """
        (first, start), (last, end) = self._boundary(before), self._boundary(until)
        for number in range(first, min(last + 1, len(self._chunks))):
            chunk = self._chunks[number]
            places = range(start if number == first else 0, end if number == last else len(chunk))
            if places:
                yield chunk, places

    def _chunk_of(self, key: Key) -> int:
        """The last chunk that does not begin after the key; the first one if all do."""
        return max(0, bisect_right(self._chunks, key, key=lambda chunk: self._key(chunk[0])) - 1)

    def _split(self, at: int) -> None:
        """Split a chunk if it has become too large."""
        chunk = self._chunks[at]
        if len(chunk) >= 2 * _LOAD:
            self._chunks.insert(at + 1, Chunk(chunk[_LOAD:]))
            del chunk[_LOAD:]
            chunk.derived = None

    def _boundary(self, before: Callable[[Item], bool]) -> tuple[int, int]:
        """The chunk and the position in it of the first item that does not count as ``before``."""
        at = bisect_left(self._chunks, True, key=lambda chunk: not before(chunk[-1]))
        if at == len(self._chunks):
            return at, 0
        return at, bisect_left(self._chunks[at], True, key=lambda item: not before(item))
