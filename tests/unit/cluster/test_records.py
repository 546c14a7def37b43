"""Names and records in Redis, also damaged ones and those of other versions or programs."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import NOW, a_token

from exporter.cluster.records import UnreadableError, name_of, read_name, read_state, read_sweep
from exporter.model.state import UserState
from exporter.model.user import User

TEXT = st.text(st.characters(codec="utf-8"))


@given(TEXT, TEXT)
def test_a_name_is_read_back(organization: str, user_id: str) -> None:
    assert read_name(name_of(organization, user_id)) == (organization, user_id)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_raise_unreadable(blob: bytes) -> None:
    for read in (read_name, read_state, lambda one: read_sweep(one, one)):
        with contextlib.suppress(UnreadableError):
            read(blob)


def test_a_record_with_one_flipped_bit_is_read_or_refused() -> None:
    blob = msgspec.msgpack.encode(UserState(User("u1", "li.wei")).succeeded((a_token(),), NOW))
    for position in range(len(blob) * 8):
        damaged = bytearray(blob)
        damaged[position // 8] ^= 1 << position % 8
        with contextlib.suppress(UnreadableError):
            read_state(bytes(damaged))


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(UnreadableError):
        read_state(b"\x91" * 100_000)
