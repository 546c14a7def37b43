"""Finds the rows of a page in the chunks of a sorted collection, by values that decide before the order of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from exporter.common.sorted_chunks import Chunk
from exporter.state.cut import Bounds, TopRows, Value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.common.sorted_chunks import Key
    from exporter.state.cut import Wanted
    from exporter.state.distinct import Distinct
    from exporter.state.sorted_places import SortedPlaces

Item = TypeVar("Item")
Columns = TypeVar("Columns")
Few = TypeVar("Few")
Find: TypeAlias = Callable[[Chunk[Item], Columns, Sequence[int], Bounds], tuple[Sequence[int], Sequence[Value]]]
"""Called with a chunk, its columns, places in ascending order, and bounds.

Returns those of the places whose values are within the bounds, in ascending order, and the values.
"""


def same(value: Value) -> Find[Item, Columns]:
    """Finds rows that all have this value."""

    def find(_: Chunk[Item], __: Columns, at: Sequence[int], bounds: Bounds) -> tuple[Sequence[int], Sequence[Value]]:
        return (at, [value] * len(at)) if bounds.include(value) else ((), ())

    return find


def in_order(places: Callable[[Columns], SortedPlaces], value: Callable[[Item], Value]) -> Find[Item, Columns]:
    """Finds rows by a value in the order of which their places are kept."""

    def find(
        chunk: Chunk[Item], columns: Columns, at: Sequence[int], bounds: Bounds
    ) -> tuple[Sequence[int], Sequence[Value]]:
        found = places(columns).within(at, bounds, lambda place: value(chunk[place]))
        return found, [value(chunk[place]) for place in found]

    return find


def by_few(column: Callable[[Columns], Distinct[Few]], value: Callable[[Few], Value]) -> Find[Item, Columns]:
    """Finds rows by a value that follows from a column with few different values."""

    def find(
        _: Chunk[Item], columns: Columns, at: Sequence[int], bounds: Bounds
    ) -> tuple[Sequence[int], Sequence[Value]]:
        of = column(columns)
        values = [value(one) for one in of.values]
        found = of.where(at, [bounds.include(one) for one in values])
        return found, of.of(found, values)

    return find


def page_of(
    portions: Iterable[tuple[Chunk[Item], Columns, Sequence[int]]],
    find: Find[Item, Columns] | None,
    wanted: Wanted,
    key: Callable[[Item], Key],
) -> tuple[int, list[tuple[Key, Item]]]:
    """The number of rows, and those of the page with their keys: the value, then the key in the collection.

    Args:
        portions: chunks with their columns and the places of the rows in ascending order; the chunks in the order of
            the collection, or reversed if the page is.
        find: what finds rows by their values; None if there are no values, and the order of the collection decides.
        wanted: the page.
        key: the key in the collection.
    """
    if find is None and wanted.after is not None:
        wanted = replace(wanted, after=("", *wanted.after))
    search: Find[Item, Columns] = same("") if find is None else find
    total, top = 0, TopRows(wanted, key)
    for chunk, columns, at in portions:
        total += len(at)
        top.add(chunk, *search(chunk, columns, at, top.bounds))
    if find is None:
        return total, [(key(one), one) for _, one in top.page()]
    return total, [((value, *key(one)), one) for value, one in top.page()]
