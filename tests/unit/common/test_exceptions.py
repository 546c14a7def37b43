from __future__ import annotations

import contextlib
import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from exporter.common.exceptions import causes, clear_chain

if TYPE_CHECKING:
    from collections.abc import Iterator


class Marker:
    """Something that a frame's local variable holds."""


class WrappingError(Exception):
    """Keeps what it came from in a field, as urllib3 does."""

    def __init__(self, reason: Exception) -> None:
        super().__init__("wrapped")
        self.reason = reason


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def failing(alive: list[weakref.ref[Marker]]) -> None:
    """Raise an exception whose frames refer to it, in three layers."""
    marker = Marker()
    alive.append(weakref.ref(marker))
    try:
        try:
            int("inner")
        except ValueError as error:
            kept = error
            raise WrappingError(kept) from error
    except WrappingError as error:
        also_kept = error
        raise RuntimeError(also_kept, "outer") from None


def test_causes_are_found_by_cause_context_reason_and_arguments() -> None:
    inner, reason, argument, context = (OSError(name) for name in ("inner", "reason", "argument", "context"))
    outer = WrappingError(reason)
    outer.__cause__ = inner
    inner.__context__ = context
    outer.args = ("text", argument)
    assert set(causes(outer)) == {outer, inner, reason, argument, context}


def test_exceptions_that_cause_each_other_are_found_once() -> None:
    first, second = OSError("first"), OSError("second")
    first.__context__ = second
    second.__cause__ = first
    assert sorted(str(one) for one in causes(first)) == ["first", "second"]


@pytest.mark.usefixtures("no_collector")
def test_a_cleared_chain_is_freed_without_the_garbage_collector() -> None:
    alive: list[weakref.ref[Marker]] = []
    try:
        failing(alive)
    except RuntimeError as error:
        clear_chain(error)
    assert [one() for one in alive] == [None]


@pytest.mark.usefixtures("no_collector")
def test_an_uncleared_chain_stays() -> None:
    # The control: without this the test above would show nothing.
    alive: list[weakref.ref[Marker]] = []
    with contextlib.suppress(RuntimeError):
        failing(alive)
    assert alive[0]() is not None


def test_the_text_of_a_cleared_exception_and_running_frames_stay() -> None:
    local = "still here"
    try:
        int("x")
    except ValueError as error:
        clear_chain(error)
        cleared: Exception = error
    assert (str(cleared), cleared.__traceback__) == ("invalid literal for int() with base 10: 'x'", None)
    assert local == "still here"
