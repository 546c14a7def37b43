"""The rows of alerts: only those that have changed are written, and what is damaged is noticed."""

from __future__ import annotations

import sqlite3
import tracemalloc
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import NOW

from exporter.model.kept_alert import KeptAlert, KeptChanges
from exporter.state import alert_rows
from exporter.state.alert_rows import AlertRows, dictionary_of, encoded
from exporter.state.pending import Pending
from exporter.state.sqlite import make_tables

SENTENCE = "The token expires soon. Create a new one, replace it where it is used, and delete it."


def an_alert(name: str, at: float = NOW) -> KeptAlert:
    return KeptAlert((("alertname", name),), (("summary", "x"),), at)


def of_user(number: int, name: str = "Expiring") -> KeptAlert:
    user = f"user{number}"
    return KeptAlert(
        (("alertname", name), ("organization", "acme"), ("user_id", user)),
        (("summary", SENTENCE), ("description", f"A token of {user} in acme expires.")),
        NOW + number,
    )


def write(connection: sqlite3.Connection, *changes: KeptChanges) -> list[KeptAlert]:
    """The alerts in the file, after one batch with these changes."""
    pending = Pending()
    for one in changes:
        pending.keep_alerts(one)
    alert_rows.write(connection, pending)
    dictionaries = dict(connection.execute("SELECT number, content FROM alert_dictionaries"))
    found = [AlertRows(dictionaries).read(row) for (row,) in connection.execute("SELECT alert FROM kept_alerts")]
    return sorted((one for one in found if one is not None), key=repr)


def test_changes_replace_and_remove_single_rows_and_all_alerts_replace_every_row() -> None:
    a, b, c = an_alert("a"), an_alert("b"), an_alert("张三")
    connection = sqlite3.connect(":memory:")
    make_tables(connection)
    # rows of an earlier version, numbered one after the other
    connection.execute("INSERT INTO kept_alerts (alert) VALUES (x'00')")
    assert write(connection, KeptChanges((a, b), complete=True)) == [a, b]
    later = an_alert("b", NOW + 5)
    assert write(connection, KeptChanges((later, c), (a.labels,))) == [later, c]
    assert write(connection, KeptChanges((a,)), KeptChanges((), (c.labels,))) == [a, later]
    assert write(connection, KeptChanges((a,)), KeptChanges((c,), complete=True)) == [c]
    assert write(connection) == [c]
    connection.close()


def test_changes_are_written_to_a_file_that_has_no_dictionary_yet() -> None:
    connection = sqlite3.connect(":memory:")
    make_tables(connection)
    assert write(connection, KeptChanges((of_user(1),))) == [of_user(1)]
    assert write(connection, KeptChanges((of_user(2),), complete=True)) == [of_user(2)]
    connection.close()


def test_alerts_that_fire_one_after_the_other_take_as_little_space_as_all_at_once() -> None:
    connection = sqlite3.connect(":memory:")
    make_tables(connection)
    write(connection, KeptChanges((), complete=True))  # nothing fires at the first start
    for start in range(0, 1000, 10):
        write(connection, KeptChanges(tuple(of_user(number) for number in range(start, start + 10))))
    (size,) = connection.execute("SELECT avg(length(alert)) FROM kept_alerts").fetchone()
    assert size < 60
    (dictionaries,) = connection.execute("SELECT count(*) FROM alert_dictionaries").fetchone()
    assert dictionaries <= 7  # each is more than twice as long as the one before
    assert write(connection, KeptChanges((of_user(5, "Expired"),)))[0] == of_user(5, "Expired")
    connection.close()


def test_a_damaged_dictionary_is_not_used_for_new_rows() -> None:
    connection = sqlite3.connect(":memory:")
    make_tables(connection)
    write(connection, KeptChanges(tuple(of_user(number) for number in range(9)), complete=True))
    connection.execute("UPDATE alert_dictionaries SET content = CAST(content || x'00' AS BLOB)")
    assert write(connection, KeptChanges((of_user(20), of_user(21)))) == [of_user(20), of_user(21)]
    assert connection.execute("SELECT count(*) FROM alert_dictionaries").fetchone() == (1,)
    connection.close()


def test_the_number_of_a_row_does_not_change_from_run_to_run() -> None:
    # blake2b with 8 bytes of the MessagePack array [["alertname", "a"]]
    assert msgspec.msgpack.encode((("alertname", "a"),)) == b"\x91\x92\xa9alertname\xa1a"
    assert alert_rows.row_number((("alertname", "a"),)) == alert_rows.row_number((("alertname", "a"),))
    assert alert_rows.row_number((("alertname", "a"),)) != alert_rows.row_number((("alertname", "b"),))


def test_a_row_takes_a_small_part_of_its_text() -> None:
    dictionary = dictionary_of(of_user(number) for number in range(20))
    row = encoded(of_user(123_456), dictionary)
    assert len(msgspec.msgpack.encode(of_user(123_456))) > 250
    assert len(row) < 60


def test_a_dictionary_has_alerts_of_each_name_and_is_bounded() -> None:
    rare = [of_user(number, name) for number, name in enumerate("ABC")]
    dictionary = dictionary_of([*(of_user(number) for number in range(1000)), *rare])
    assert all(one.labels[0][1].encode() in dictionary for one in (of_user(0), *rare))
    assert dictionary.count(b"Expiring") == 8
    large = KeptAlert((("alertname", "Large"),), (("description", "x" * 9_000),), NOW)
    assert len(dictionary_of([large, of_user(1, "A"), large])) <= 15_000


texts = st.text(st.characters(codec="utf-8"), max_size=20)
pairs = st.lists(st.tuples(texts, texts), max_size=4).map(tuple)
times = st.floats(allow_nan=False, allow_infinity=False)
alerts = st.builds(KeptAlert, pairs, pairs, times, st.none() | times)


@given(alerts, st.lists(alerts, max_size=5))
def test_a_row_gives_back_its_alert_with_any_dictionary(alert: KeptAlert, others: list[KeptAlert]) -> None:
    dictionary = dictionary_of(others)
    assert AlertRows({zlib.crc32(dictionary): dictionary}).read(encoded(alert, dictionary)) == alert


@given(st.data())
def test_a_damaged_row_or_dictionary_gives_no_alert(data: st.DataObject) -> None:
    dictionary = dictionary_of([of_user(1), of_user(2)])
    row, number = encoded(of_user(3), dictionary), zlib.crc32(dictionary)

    def flipped(text: bytes) -> bytes:
        position = data.draw(st.integers(0, len(text) - 1))
        bit = 1 << data.draw(st.integers(0, 7))
        return text[:position] + bytes([text[position] ^ bit]) + text[position + 1 :]

    assert AlertRows({number: dictionary}).read(flipped(row)) is None
    assert AlertRows({number: flipped(dictionary)}).read(row) is None
    assert AlertRows({}).read(row) is None


@pytest.mark.parametrize("row", [None, 1, "text", b"", b"\xc1", b"\xc1\x00", b"\x80", b"\xff" * 40])
def test_what_is_no_row_gives_no_alert(row: object) -> None:
    assert AlertRows({0: b""}).read(row) is None


def test_a_short_row_that_stands_for_much_memory_gives_no_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_rows, "LONGEST", 2**20)
    row = encoded(KeptAlert((("alertname", "x"),), (("summary", "x" * 2**26),), NOW), b"")
    assert len(row) < 2**19
    tracemalloc.start()
    try:
        assert AlertRows({0: b""}).read(row) is None
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_alerts_share_what_they_have_in_common_up_to_a_limit() -> None:
    reader = AlertRows({0: b""}, most_shared=3)
    first, second = [reader.read(encoded(of_user(number), b"")) for number in (1, 2)]
    assert (first, second) == (of_user(1), of_user(2))
    assert first is not None
    assert second is not None
    # alertname and organization; the third pair that is kept is the user's
    assert [one is other for one, other in zip(first.labels, second.labels, strict=True)] == [True, True, False]
    assert first.annotations[0] is not second.annotations[0]
    assert [name is other for (name, _), (other, _) in zip(first.annotations, second.annotations, strict=True)] == [
        True,
        True,
    ]


def test_rows_of_an_older_exporter_are_read() -> None:
    assert AlertRows({}).read(msgspec.msgpack.encode(of_user(1))) == of_user(1)
