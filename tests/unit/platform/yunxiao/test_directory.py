from __future__ import annotations

import json

import pytest

from exporter.platform.yunxiao.directory import Person, parse_members, parse_person, parse_users
from exporter.platform.yunxiao.fields import Fields
from exporter.platform.yunxiao.json_body import WireError


def test_both_spellings_and_odd_fields_are_read() -> None:
    body = (
        b'[{"user_id": 7, "nick_name": "x\\udca0", "dept_ids": [1, "b", null], "deleted_at": "2026-01-01", "email": 5}]'
    )
    assert parse_members(body, Fields()) == [Person("7", "x\ufffd", "", "5", "deleted", ("1", "b"))]
    assert parse_users(b'{"data": []}', Fields()) == []
    assert parse_person(b'{"data": {"id": "1", "name": "admin"}}') == Person("1", "admin")


@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b"[]", b'{"name": "x"}', b'{"success": false}'])
def test_an_invalid_caller_is_an_error(body: bytes) -> None:
    with pytest.raises(WireError):
        parse_person(body)


def test_texts_of_people_are_limited_and_long_ids_are_rejected() -> None:
    fields = Fields()
    person = {"id": "1", "name": "n" * 300, "email": "e" * 257, "sysDeptIds": [f"d{number:03}" for number in range(70)]}
    found = parse_users(json.dumps([person, {"id": "i" * 129}, {"id": "i" * 128}]).encode(), fields)
    assert found[0] is not None
    assert (found[0].name, found[0].email) == ("n" * 255 + "…", "e" * 255 + "…")
    assert found[0].departments == tuple(f"d{number:03}" for number in range(64))
    assert found[1:] == [None, Person("i" * 128)]
    assert fields.truncated == {"user": 2 + 6}


def test_missing_names_and_ids_in_other_forms_are_read() -> None:
    uuid, hexadecimal = "3001a2b4-77c1-4d1e-8f00-5a6b7c8d9e0f", "5f3b7c117a614e0e8a546b1d"
    entries = [
        {"id": uuid, "name": None, "nickName": None, "username": None, "email": None, "status": None},
        {"id": hexadecimal, "name": "", "nickName": "小李", "createdAt": 1750000000000},
        {"id": 1234567890123456789, "name": 42, "sysDeptIds": [7, None, "", {"id": "x"}, ["y"]]},
        {"id": " u4 ", "name": {"zh": "x"}, "username": ["x"], "email": True, "sysDeptIds": "d1"},
        # None of these is an id.
        {"id": None, "name": "x"},
        {"id": 1.5},
        {"id": True},
        {"id": {"value": "x"}},
    ]
    assert parse_users(json.dumps(entries).encode(), Fields()) == [
        Person(uuid),
        Person(hexadecimal, "小李"),
        Person("1234567890123456789", "42", departments=("7",)),
        Person("u4"),
        *[None] * 4,
    ]


def test_a_member_without_a_user_id_is_unreadable() -> None:
    # The id of a member is not that of the user: with it, the list of tokens would be that of nobody.
    assert parse_members(b'[{"id": "m1", "userId": null, "name": "x"}]', Fields()) == [None]


@pytest.mark.parametrize(
    "at",
    [None, "", " ", 0, 0.0, -62135596800000, "0", "-62135596800", "0001-01-01T00:00:00Z", "0000-00-00 00:00:00",
     "1970-01-01 08:00:00", "null", "None", "-", False, []],
)  # fmt: skip
def test_no_time_of_deletion(at: object) -> None:
    assert parse_users(json.dumps([{"id": "1", "deletedAt": at}]).encode(), Fields()) == [Person("1")]


@pytest.mark.parametrize("at", [1750000000000, 1.75e9, "1750000000000", "2025-06-22 12:44:50", "2025-53-22T00:00:00Z"])
def test_a_time_of_deletion(at: object) -> None:
    deleted = [Person("1", status="deleted")]
    assert parse_users(json.dumps([{"id": "1", "deletedAt": at}]).encode(), Fields()) == deleted
    assert parse_users(json.dumps([{"id": "1", "deleted_at": at}]).encode(), Fields()) == deleted
