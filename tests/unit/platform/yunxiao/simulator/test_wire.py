from __future__ import annotations

from typing import Any

import pytest

from exporter.platform.yunxiao.simulator.quirks import Quirks
from exporter.platform.yunxiao.simulator.records import KeyRecord, TokenRecord
from exporter.platform.yunxiao.simulator.wire import PUBLIC_KEY, date, key_entry, masked, token_entries

# 2025-06-22T12:44:50.048Z, in seconds: 20,261 days and 12:44:50.048
JUNE_22 = 20_261 * 86_400 + 12 * 3600 + 44 * 60 + 50.048
USER = "3001a2b3-c4d5-4229-a7f2-0123456741ad"
READ_WRITE = "lingma_chat_read_write"
TOKEN = TokenRecord("pt-0fh3abcd0fbG", "ci", (READ_WRITE,), JUNE_22, JUNE_22, "流水线")
ENDLESS = TokenRecord("pt-1", "ci", ("base_user_read",), JUNE_22, None)


def entry(quirks: Quirks, record: TokenRecord = TOKEN) -> dict[str, Any]:
    (only,) = token_entries(USER, [record], quirks)
    return only


def test_an_entry_is_as_documented() -> None:
    assert entry(Quirks()) == {
        "created_at": "2025-06-22T12:44:50.048Z",
        "description": "流水线",
        "expired_at": "2025-06-22T12:44:50.048Z",
        "name": "ci",
        "permissions": ["lingma_chat_read_write"],
        "token_id": "pt-0fh3abcd0fbG",
        "user_id": USER,
    }


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("documented", "2025-06-22T12:44:50.048Z"),
        ("microseconds", "2025-06-22T12:44:50.048000Z"),
        ("nanoseconds", "2025-06-22T12:44:50.048000000Z"),
        ("compact", "20250622204450"),  # in the platform's zone, eight hours ahead
        ("no_zone", "2025-06-22 20:44:50"),
        ("offset", "2025-06-22T12:44:50.048+00:00"),
        ("epoch_milliseconds", 1_750_596_290_048),
        ("epoch_microseconds", 1_750_596_290_048_000),
        ("epoch_text", "1750596290048"),
    ],
)
def test_dates_have_the_form_that_was_asked_for(form: str, expected: object) -> None:
    assert date(JUNE_22, form) == expected
    assert entry(Quirks(dates=form))["expired_at"] == expected


@pytest.mark.parametrize(
    ("never", "expected"),
    [
        ("null", None),
        ("absent", ...),
        ("empty", ""),
        ("zero_date", "0000-00-00 00:00:00"),
        ("zero", 0),
        ("year_1", "0001-01-01T00:00:00Z"),
        ("epoch", "1970-01-01 08:00:00"),
        ("decades", "2085-06-07T12:44:50.048Z"),  # 21,900 days after 2025-06-22, with 15 leap days in between
        ("word", "permanent"),
    ],
)
def test_never_is_written_as_was_asked_for(never: str, expected: object) -> None:
    assert entry(Quirks(never=never), ENDLESS).get("expired_at", ...) == expected
    assert entry(Quirks(never=never))["expired_at"] == "2025-06-22T12:44:50.048Z"


def test_user_ids_can_be_masked_of_another_form_or_absent() -> None:
    assert entry(Quirks(user_ids="masked"))["user_id"] == "3001****-****-4229-a7f2-********41ad"
    foreign = entry(Quirks(user_ids="foreign"))["user_id"]
    assert (len(foreign), set(foreign) <= set("0123456789abcdef")) == (24, True)
    assert "user_id" not in entry(Quirks(user_ids="absent"))
    assert masked("60d54f3daccf2bbd6659f3ad") == "60d5****f3ad"


def test_token_ids_can_be_masked() -> None:
    assert entry(Quirks(masked_ids=True))["token_id"] == "pt-0fh3****0fbG"


def test_every_so_many_entries_lack_a_readable_id() -> None:
    def readable(every: int) -> list[bool]:
        return ["token_id" in one for one in token_entries(USER, [TOKEN] * 4, Quirks(unreadable_ids=every))]

    assert readable(1) == [False] * 4
    assert readable(2) == [True, False, True, False]
    assert readable(10) == [True] * 4


def test_both_levels_of_a_permission_can_be_listed() -> None:
    assert entry(Quirks(both_levels=True))["permissions"] == [READ_WRITE, "lingma_chat_read"]
    both = TokenRecord("pt-1", "ci", (READ_WRITE, "lingma_chat_read", "base_user_read"), JUNE_22, None)
    assert entry(Quirks(both_levels=True), both)["permissions"] == [READ_WRITE, "lingma_chat_read", "base_user_read"]


def test_an_ssh_key_has_the_documented_fields() -> None:
    record = KeyRecord(5240, "laptop", "aa:bb", "READ", JUNE_22, None, None)
    assert key_entry(record, Quirks(dates="no_zone")) == {
        "createdAt": "2025-06-22 20:44:50",
        "expireTime": None,
        "fingerPrint": "aa:bb",
        "id": 5240,
        "key": PUBLIC_KEY,
        "keyScope": "READ",
        "lastUsedTime": None,
        "title": "laptop",
        "updatedAt": "2025-06-22 20:44:50",
    }
    used = KeyRecord(1, "x", "aa", "ALL", JUNE_22, JUNE_22, JUNE_22)
    assert (key_entry(used, Quirks())["lastUsedTime"], key_entry(used, Quirks())["expireTime"]) == (
        "2025-06-22T12:44:50.048Z",
        "2025-06-22T12:44:50.048Z",
    )
