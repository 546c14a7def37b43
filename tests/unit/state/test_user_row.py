from __future__ import annotations

import dataclasses
import math
import tracemalloc
import zlib
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import NOW, a_key, a_state, a_token

from exporter.model.ssh_key import SshKey
from exporter.model.state import Failure, Reason, UserState
from exporter.model.token import NEVER, Token, TokenState
from exporter.model.user import Owner, OwnThresholds, User
from exporter.platform.yunxiao.simulator.made_up import PERMISSIONS
from exporter.state import user_row
from exporter.state.user_row import UserRows, encoded

_TEXTS = st.text(max_size=8)
_TIMES = st.one_of(st.none(), st.just(NEVER), st.floats(0, 1e11), st.integers(0, 2**33).map(float), st.just(1e300))
_NAMES = st.lists(st.sampled_from(["base_user_read", "base_user_read_write", "x"]), unique=True).map(tuple)
_TOKEN = (_TEXTS, _TEXTS, _NAMES, _TIMES, _TIMES, st.booleans(), _TIMES, _TEXTS)
_STATES = st.builds(
    UserState,
    user=st.builds(
        User,
        _TEXTS,
        _TEXTS,
        st.lists(st.tuples(_TEXTS, _TEXTS), max_size=2).map(tuple),
        st.none() | st.builds(OwnThresholds, st.none() | st.floats(0, 1e9), st.none() | st.floats(0, 1e9)),
        st.none() | st.builds(Owner, st.none() | _TEXTS, st.none() | _TEXTS, st.none() | _TEXTS),
    ),
    tokens=st.lists(st.builds(Token, *_TOKEN), max_size=4).map(tuple),
    last_success=_TIMES,
    polled=st.booleans(),
    failure=st.none() | st.builds(Failure, st.sampled_from(Reason), _TEXTS),
    failing_since=_TIMES,
    failures=st.integers(0, 2**40),
    left_out=st.lists(st.tuples(st.sampled_from(TokenState), st.integers(0, 9)), max_size=2).map(tuple),
    unreadable=st.integers(0, 9),
    unlisted=st.lists(st.tuples(_TEXTS, _TEXTS), max_size=2).map(tuple),
    ssh_keys=st.none() | st.lists(st.builds(SshKey, *_TOKEN, _TIMES), max_size=2).map(tuple),
)


def written_and_read(state: UserState) -> UserState | None:
    return UserRows().read("acme", state.user.user_id, encoded("acme", state))


@given(_STATES)
def test_a_state_is_read_as_it_was_written(state: UserState) -> None:
    again = written_and_read(state)
    assert again == state
    # Whole numbers come back as the numbers with a fraction that they were.
    assert repr(again) == repr(state)


@given(_STATES)
def test_rows_of_older_exporters_are_read(state: UserState) -> None:
    older = msgspec.msgpack.encode(state)
    assert UserRows().read("acme", state.user.user_id, older) == state
    assert UserRows().read("acme", state.user.user_id + "x", older) is None


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (
            UserState,
            "user tokens last_success polled failure failing_since failures left_out unreadable unlisted ssh_keys",
        ),
        (User, "user_id name labels thresholds owner"),
        (OwnThresholds, "warning critical info"),
        (Owner, "email department username"),
        (Failure, "reason message"),
        (Token, "token_id name permissions created_at expires_at permissions_read listed_expiry description"),
        (
            SshKey,
            "token_id name permissions created_at expires_at permissions_read listed_expiry description last_used_at",
        ),
    ],
)
def test_a_row_has_every_field(kind: Any, fields: str) -> None:
    """A field that is added must be added to the row as well, and to `_STATES`."""
    assert " ".join(field.name for field in dataclasses.fields(kind)) == fields


STATE = a_state(
    a_token("pt-1", permissions=("base_user_read", "x")),
    a_token("pt-2", permissions=("x",), expires_in=NEVER),
    a_token("pt-3", permissions=("x", "base_user_read"), expires_in=None),
)


@pytest.mark.parametrize("state", [STATE, a_state(), replace(STATE, ssh_keys=(a_key(used=None), a_key("502")))])
def test_whatever_bit_is_flipped_the_row_is_not_read(state: UserState) -> None:
    row = encoded("acme", state)
    assert UserRows().read("acme", "u1", row) == state
    for place in range(len(row)):
        for bit in range(8):
            damaged = bytearray(row)
            damaged[place] ^= 1 << bit
            assert UserRows().read("acme", "u1", bytes(damaged)) is None


def test_rows_that_were_compressed_without_a_dictionary_are_read() -> None:
    compressor = zlib.compressobj(1, zlib.DEFLATED, -12)
    content = msgspec.msgpack.encode([["x"], [["pt-1", "ci", [0], NOW]], None, NOW])
    older = b"\1" + compressor.compress(content) + compressor.flush()
    row = b"\xc1" + user_row._checksum("acme", "u1", older) + older
    expected = UserState(User("u1", "u1"), (Token("pt-1", "ci", ("x",), NOW),), NOW, polled=True)
    assert UserRows().read("acme", "u1", row) == expected


@pytest.mark.parametrize("form", [b"\1", b"\2"])
def test_a_short_row_that_stands_for_much_memory_is_not_read(form: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_row, "LONGEST", 2**20)
    dictionary = user_row.DICTIONARY if form == b"\2" else b""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -12, zdict=dictionary)
    content = form + compressor.compress(bytes(2**26)) + compressor.flush()
    row = b"\xc1" + user_row._checksum("acme", "u1", content) + content
    assert len(row) < 2**17
    tracemalloc.start()
    try:
        assert UserRows().read("acme", "u1", row) is None
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_permissions_that_the_platform_documents_take_few_bytes() -> None:
    """Each is a reference of 2 to 4 bytes to the dictionary. Their names have 15 to 31 bytes."""
    without, every = (encoded("acme", a_state(a_token(permissions=names))) for names in ((), PERMISSIONS))
    assert len(every) - len(without) <= 4 * len(PERMISSIONS) + len(PERMISSIONS)


def test_a_row_belongs_to_its_user_and_organization() -> None:
    row = encoded("acme", STATE)
    assert UserRows().read("acme", "u2", row) is None
    assert UserRows().read("globex", "u1", row) is None
    # The keys together are the same text.
    assert UserRows().read("acmeu", "1", row) is None


@pytest.mark.parametrize("row", [None, 1, "text", b"", b"\xc1", b"\xc1\0", b"\xc1\0\0\0\0\0", b"\x90"])
def test_what_is_no_row_is_not_read(row: object) -> None:
    assert UserRows().read("acme", "u1", row) is None


def test_a_position_without_a_name_makes_a_row_unreadable() -> None:
    content = b"\0" + msgspec.msgpack.encode([["x"], [["pt-1", "ci", [1], None]], None, None])
    row = b"\xc1" + user_row._checksum("acme", "u1", content) + content
    assert UserRows().read("acme", "u1", row) is None


def test_a_row_of_a_later_version_with_more_fields_is_read() -> None:
    token = ["pt-1", "ci", [0], NOW, math.inf, "", True, None, None, "later"]
    content = b"\0" + msgspec.msgpack.encode(
        [["x"], [token], None, NOW, True, [], None, None, None, None, 0, [], 0, [], None, None, "later"]
    )
    row = b"\xc1" + user_row._checksum("acme", "u1", content) + content
    state = UserRows().read("acme", "u1", row)
    assert state == UserState(User("u1", "u1"), (Token("pt-1", "ci", ("x",), NOW),), NOW, polled=True)


def test_the_texts_that_tokens_share_are_kept_once() -> None:
    rows = UserRows()
    users = [replace(STATE, user=User(user_id, "a")) for user_id in ("u1", "u2")]
    first, second = (rows.read("acme", one.user.user_id, encoded("acme", one)) for one in users)
    assert first is not None
    assert second is not None
    assert first.tokens[1].permissions is second.tokens[1].permissions
    assert first.tokens[0].name is second.tokens[2].name


def test_a_row_is_much_shorter_than_a_map_with_names() -> None:
    # The names of the fields of three tokens alone are 255 bytes.
    assert len(encoded("acme", STATE)) < 160
    assert len(msgspec.msgpack.encode(STATE)) > 500


def test_a_text_that_is_not_utf_8_is_an_error() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        encoded("acme", replace(STATE, user=User("\ud800", "a")))
    with pytest.raises(ValueError, match="surrogates"):
        encoded("acme", replace(STATE, user=User("a", "\ud800")))
