from __future__ import annotations

import contextlib
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model.token import MOST_LISTED
from exporter.platform.yunxiao.json_body import WireError
from exporter.platform.yunxiao.pieces import OVERSIZED, PIECE, EntryReader

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024 * 1024


class Entry(msgspec.Struct):
    id: str
    name: str = ""


TYPED = msgspec.json.Decoder(list[Entry])
LOOSE = msgspec.json.Decoder(list[Any])


def entries(body: bytes, piece: int = PIECE) -> list[Any]:
    reader = EntryReader("things", LOOSE, ("id", "name"), piece)
    return [entry for batch in reader.batches(body) for entry in batch]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(alphabet='a"\\{}[],: é\n'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='d"},'), inner, max_size=4),
    max_leaves=10,
)


@given(
    st.lists(json_values, max_size=8),
    st.sampled_from([None, 1]),
    st.tuples(st.booleans(), st.booleans()),
    st.integers(16, 200),
)
def test_pieces_of_any_size_give_the_entries_of_the_whole(
    listed: list[Any], indent: int | None, spelling: tuple[bool, bool], piece: int
) -> None:
    ascii_only, envelope = spelling
    data = {"success": True, "data": listed, "more": "}],["} if envelope else listed
    body = json.dumps(data, indent=indent, ensure_ascii=ascii_only).encode()
    found = entries(body, piece)
    assert len(found) == len(listed)
    for entry, expected in zip(found, listed, strict=True):
        # Of an entry larger than a piece only the fields that are read are kept.
        if len(json.dumps(expected, indent=indent, ensure_ascii=ascii_only)) * 4 < piece:
            assert entry == expected


@given(st.lists(json_values, min_size=1, max_size=4), st.data())
def test_a_body_that_breaks_off_is_refused_in_pieces_as_in_whole(listed: list[Any], data: st.DataObject) -> None:
    body = json.dumps(listed).encode()
    cut = body[: data.draw(st.integers(1, len(body) - 1))]
    with pytest.raises(WireError):
        entries(cut)
    with pytest.raises(WireError):
        entries(cut, 16)


@pytest.mark.parametrize("body", [b"[{},{},]", b"[,{},{}]", b"[{},,{}]", b"[{}]]", b"[{},{}] x", b"[{} {}]"])
def test_extra_commas_and_brackets_are_rejected(body: bytes) -> None:
    with pytest.raises(WireError, match="not JSON"):
        entries(body, 4)


def test_typed_entries_stay_typed_up_to_the_odd_one() -> None:
    reader = EntryReader("things", TYPED, ("id", "name"), 64)
    body = json.dumps([{"id": str(number)} for number in range(50)] + [{"id": 7}]).encode()
    found = [entry for batch in reader.batches(body) for entry in batch]
    assert [entry.id for entry in found if isinstance(entry, Entry)][:30] == [str(number) for number in range(30)]
    assert found[-1] == {"id": 7}
    assert len(found) == 51


def test_more_entries_than_are_accepted_are_refused_in_words() -> None:
    body = b"[" + b",".join([b'{"id":"x"}'] * (MOST_LISTED + 1)) + b"]"
    with pytest.raises(WireError, match="a list of more than 20000 things"):
        entries(body)
    assert len(entries(body.replace(b'{"id":"x"},', b"", 1))) == 20_000


def test_of_a_huge_entry_the_beginning_of_its_texts_is_read() -> None:
    name = "ab\\u00e9" + "x" * 5_000_000
    listed = entries(f'[{{"id":"1","name":"{name}","other":[{"[]," * 900}0],"name2":7}},{{"id":"2"}}]'.encode())
    assert listed[0].keys() == {"id", "name"}
    assert listed[0]["id"] == "1"
    assert listed[0]["name"].startswith("abéxxx")
    assert 2000 < len(listed[0]["name"]) <= 16 * 1024
    assert listed[1] == {"id": "2"}
    numbers = ",".join(["7"] * PIECE)
    assert entries(f'[{{"id":[{numbers}]}},[{numbers}]]'.encode()) == [{"id": OVERSIZED}, OVERSIZED]


@pytest.mark.parametrize("sign", ["🔑", "\\ud83d\\udd11", "\\\\", '\\"', "\\u0041", "é"])
@pytest.mark.parametrize("shift", range(12))
def test_a_huge_text_is_cut_between_two_characters(sign: str, shift: int) -> None:
    one = json.loads(f'"{sign}"')
    body = f'[{{"id":"{"a" * shift}{sign * PIECE}"}}]'.encode()
    text = entries(body)[0]["id"]
    assert text.rstrip("\ud83d") == "a" * shift + one * (len(text.rstrip("\ud83d")) - shift)


@pytest.mark.parametrize(
    ("envelope", "words"),
    [
        (b'{"success": false, "errorCode": "Busy", "data": %b}', "the error Busy"),
        (b'{"errorCode": "Busy", "data": %b}', "the error Busy"),
        (b'{"list": %b}', "a JSON object without a list of things"),
        (b'{"data": "x", "more": %b}', "a JSON object without a list of things"),
        (b'{"data": {"data": %b}}', "a JSON object without a list of things"),
        (b'"%b"', "not JSON"),
        (b"<html>%b", "an HTML or XML page"),
        (b" %b x", "not JSON"),
    ],
)
def test_large_bodies_that_are_not_lists_are_rejected_as_small_ones_are(envelope: bytes, words: str) -> None:
    listed = b"[" + b",".join([b'{"id": "x"}'] * 100) + b"]"
    with pytest.raises(WireError, match=words):
        entries(envelope % listed, 64)


def test_a_lone_surrogate_and_a_byte_order_mark_cost_nothing() -> None:
    listed = b"[" + b",".join([b'{"id": "\\ud800", "x": "}],"}'] * 100) + b"]"
    expected = [{"id": "\ud800", "x": "}],"}] * 100
    for body in (listed, b"\xef\xbb\xbf" + listed, b'{"a": ["]"], "data" : ' + listed + b', "z": "\\udc00"}'):
        assert entries(body, 64) == expected


SIZE = 2 * MIB


def filled(unit: bytes, head: bytes = b"[", tail: bytes = b"]") -> bytes:
    return head + b",".join([unit] * (SIZE // (len(unit) + 1))) + tail


BOMBS: dict[str, Callable[[], bytes]] = {
    "objects": lambda: filled(b"{}"),
    "lists": lambda: filled(b"[]"),
    "numbers": lambda: filled(b"1"),
    "texts": lambda: filled(b'"ab"'),
    "in an envelope": lambda: filled(b"{}", b'{"data":[', b"]}"),
    "lists in one entry": lambda: filled(b"[]", b'[{"id":"1","x":[', b"]}]"),
    "texts in one entry": lambda: filled(b'"ab"', b'[{"id":["a",', b"]}]"),
    "wide text": lambda: '[{{"id":"{}"}}]'.format("🔑" * (SIZE // 4)).encode(),
    "escaped text": lambda: b'[{"id":"' + rb"\"},{" * (SIZE // 6) + b'"}]',
    "unterminated text": lambda: b'[{"id":"' + rb"\"" * (SIZE // 2) + b"\\]",
    "deep": lambda: b"[" * SIZE,
}


@pytest.mark.parametrize("name", BOMBS)
def test_decoding_takes_a_copy_of_the_answer_and_the_objects_of_a_piece_at_most(name: str) -> None:
    body = BOMBS[name]()
    reader = EntryReader("things", LOOSE, ("id", "name"))
    count = 0
    tracemalloc.start()
    try:
        with contextlib.suppress(WireError):
            for batch in reader.batches(body):
                count += len(batch)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * SIZE + 4 * MIB
    assert count <= MOST_LISTED
