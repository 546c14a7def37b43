"""A column with few different values: what is about a value is found once, not for each place."""

from __future__ import annotations

from array import array
from itertools import compress
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

V = TypeVar("V", bound="Hashable")
Other = TypeVar("Other")
_BYTE = 256
"""Up to so many different values, a place takes one byte."""


def marked(at: Sequence[int], marks: bytes | bytearray) -> list[int]:
    """Those of some places that are marked; ``marks`` has a byte for every place, not 0 if it is marked."""
    return [*compress(at, marks)] if len(at) == len(marks) else [place for place in at if marks[place]]


class Distinct(Generic[V]):
    """The values of places.

    Args:
        every: the value of each place.

    Attributes:
        values: the different values.
    """

    __slots__ = ("_numbers", "values")

    def __init__(self, every: Iterable[V]) -> None:
        known: dict[V, int] = {}
        numbers = [known.setdefault(one, len(known)) for one in every]
        self.values = tuple(known)
        # For each place, the number of its value.
        self._numbers: bytes | array[int] = bytes(numbers) if len(known) <= _BYTE else array("H", numbers)

    def where(self, at: Sequence[int], fits: Sequence[bool]) -> Sequence[int]:
        """The places whose value fits.

        Args:
            at: the places in question, in ascending order.
            fits: for each of the different values, whether it does.
        """
        if all(fits):
            return at
        if not any(fits):
            return ()
        return marked(at, self.marks(fits))

    def marks(self, fits: Sequence[bool]) -> bytes:
        """A byte for each place: 1 if its value fits, else 0; ``fits`` as for `where`."""
        numbers = self._numbers
        if isinstance(numbers, bytes):
            return numbers.translate(bytes(fits).ljust(_BYTE, b"\0"))
        return bytes(map(fits.__getitem__, numbers))

    def of(self, at: Iterable[int], meanings: Sequence[Other]) -> list[Other]:
        """What the values of places mean.

        Args:
            at: the places.
            meanings: for each of the different values, what it means.
        """
        numbers = self._numbers
        return [meanings[numbers[place]] for place in at]
