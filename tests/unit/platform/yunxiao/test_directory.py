from __future__ import annotations

import json

import pytest

from exporter.platform.yunxiao.directory import Person, parse_members, parse_person, parse_users
from exporter.platform.yunxiao.fields import Fields
from exporter.platform.yunxiao.wire import WireError


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
