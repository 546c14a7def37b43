"""The list of SSH keys: the documented answer, pages, invalid data, and what is never read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.common.cancellation import Stop
from exporter.common.redaction import Redactor
from exporter.model.ssh_key import SshKey
from exporter.model.state import Reason
from exporter.model.token import NEVER
from exporter.platform.base import PARSE_FIELDS, TRUNCATED_FIELDS, ApiError
from exporter.platform.yunxiao.fields import unchanged
from exporter.platform.yunxiao.json_body import WireError
from exporter.platform.yunxiao.ssh_keys import KeyReader, SshKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
ZONE = ZoneInfo("Asia/Shanghai")
SECRET = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"
JUNE_1 = 1_780_272_000.0
"""2026-06-01T00:00:00Z: 20,605 days of 86,400 s after the epoch."""


def an_entry(**changes: Any) -> dict[str, Any]:
    """An entry with the documented fields; `...` leaves one out."""
    entry = {
        "id": 501,
        "title": "laptop",
        "fingerPrint": "SHA256:0f1e2d",
        "key": SECRET,
        "keyScope": "ALL",
        "createdAt": "2026-06-01T00:00:00Z",
        "updatedAt": "2026-06-02T00:00:00Z",
        "expireTime": "2026-06-03T00:00:00Z",
        "lastUsedTime": "2026-06-02T12:00:00+08:00",
    }
    return {name: value for name, value in {**entry, **changes}.items() if value is not ...}


AS_KEY = SshKey(
    "501",
    "laptop",
    ("ALL",),
    JUNE_1,
    JUNE_1 + 2 * 86400,
    description="SHA256:0f1e2d",
    # 12:00 in UTC+8 is 04:00 in UTC.
    last_used_at=JUNE_1 + 86400 + 4 * 3600,
)


class Client:
    """Answers with pages: lists of entries, a body, or an error."""

    def __init__(self, *pages: Any, headers: Mapping[str, str] | None = None) -> None:
        self.pages = pages
        self.headers = headers or {}
        self.asked: list[tuple[str, str, Mapping[str, str]]] = []
        self.unreadable: list[str] = []
        self.truncated: list[tuple[str, int]] = []

    def page(self, operation: str, path: str, query: Mapping[str, str], stop: Stop) -> tuple[bytes, Mapping[str, str]]:
        stop.check()
        self.asked.append((operation, path, query))
        number = int(query["page"])
        answer = self.pages[number - 1] if number <= len(self.pages) else []
        if isinstance(answer, ApiError):
            raise answer
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode(), self.headers

    def read(self, parse: Callable[[], T]) -> T:
        try:
            return parse()
        except WireError as error:
            raise ApiError(Reason.INVALID_RESPONSE, str(error)) from None

    def count_unreadable(self, field: str, count: int) -> None:
        self.unreadable += [field] * count

    def count_truncated(self, field: str, count: int) -> None:
        self.truncated.append((field, count))


def listed(client: Client, organization: str = "o1", redact: Callable[[str], str] = unchanged) -> tuple[SshKey, ...]:
    return SshKeys(client, organization, ZONE, redact).list_ssh_keys("u 1", Stop())


def test_the_documented_answer_and_never_the_key_itself() -> None:
    client = Client([an_entry()])
    (key,) = listed(client)
    assert key == AS_KEY
    assert SECRET not in repr(key)
    assert client.asked == [
        ("list_ssh_keys", "codeup/organizations/o1/users/u%201/keys", {"page": "1", "perPage": "100"})
    ]


def test_editions_without_organizations_have_a_shorter_path() -> None:
    client = Client([an_entry()])
    listed(client, "")
    assert client.asked[0][1] == "codeup/users/u%201/keys"


def test_no_keys() -> None:
    assert listed(Client([])) == ()


def test_all_pages_are_read() -> None:
    pages = [[an_entry(id=number) for number in range(start, start + 100)] for start in (0, 100)]
    assert len(listed(Client(*pages, [an_entry(id=200)]))) == 201


def test_a_short_list_takes_one_request_and_a_capped_one_is_read_to_its_end() -> None:
    client = Client([an_entry(id=number) for number in range(9)])
    assert (len(listed(client)), len(client.asked)) == (9, 1)
    pages = [[an_entry(id=number) for number in range(start, start + 10)] for start in (0, 10)]
    assert len(listed(Client(*pages, [an_entry(id=20)]))) == 21
    counted = Client([an_entry(id=1)], headers={"x-total": "1"})
    assert (len(listed(counted)), len(counted.asked)) == (1, 1)
    announced = Client([an_entry(id=1)], [an_entry(id=2)], headers={"x-total-pages": "2"})
    assert len(listed(announced)) == 2


def test_an_envelope_is_the_same_list_and_an_error_in_it_is_no_empty_list() -> None:
    assert listed(Client({"data": [an_entry()], "success": True})) == (AS_KEY,)
    with pytest.raises(ApiError):
        listed(Client({"data": [], "success": False, "errorCode": "Forbidden"}))


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"", b"[", b'"x"'])
def test_anything_but_a_list_is_an_error(body: bytes) -> None:
    with pytest.raises(ApiError):
        listed(Client(body))


def test_a_page_without_a_readable_key_is_no_empty_list() -> None:
    with pytest.raises(ApiError, match="none of the 2 SSH keys of page 1 has an id"):
        listed(Client([an_entry(id=...), "x"]))


@pytest.mark.parametrize("reason", [Reason.UNSUPPORTED, Reason.FORBIDDEN, Reason.NOT_FOUND])
def test_errors_pass(reason: Reason) -> None:
    with pytest.raises(ApiError) as caught:
        listed(Client(ApiError(reason, "HTTP 4xx")))
    assert caught.value.not_offered


def test_a_key_without_expiry_never_expires_and_one_without_use_was_never_used() -> None:
    client = Client([an_entry(expireTime=None, lastUsedTime=None), an_entry(id=502, expireTime=..., lastUsedTime="")])
    assert [(key.expires_at, key.last_used_at) for key in listed(client)] == [(NEVER, None)] * 2


def test_unreadable_fields_cost_themselves_and_are_counted() -> None:
    odd = an_entry(createdAt="soon", expireTime=["x"], lastUsedTime="soon", title={"a": 1}, keyScope=7)
    client = Client([odd, an_entry(id="502"), 7])
    first, second = listed(client)
    # Without a title, the fingerprint tells keys apart.
    assert (first.name, first.permissions) == ("SHA256:0f1e2d", ("7",))
    assert (first.created_at, first.expires_at, first.last_used_at) == (None, None, None)
    assert second.token_id == "502"
    assert sorted(client.unreadable) == ["created_at", "expired_at", "last_used_at", "name", "token"]


def test_long_texts_are_cut_and_secrets_redacted() -> None:
    redactor = Redactor()
    redactor.add("pt-abcd_0123456789abcdef", "token_file")
    client = Client([an_entry(title="x" * 300, fingerPrint="pt-abcd_0123456789abcdef")])
    (key,) = listed(client, redact=redactor.clean)
    assert key.name == "x" * 255 + "…"
    assert "0123456789abcdef" not in key.description
    assert client.truncated == [("name", 1)]


def test_a_large_answer_is_read_without_the_keys() -> None:
    entries = [an_entry(id=number, key=SECRET * 300) for number in range(50)]
    keys = listed(Client(entries))
    assert [key.token_id for key in keys] == [f"{number}" for number in range(50)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(["id", "title", "fingerPrint", "keyScope", "createdAt", "expireTime", "lastUsedTime", "key"])


@given(st.lists(st.dictionaries(names, json_values) | json_values, max_size=5))
def test_a_good_key_survives_whatever_stands_beside_it(others: list[Any]) -> None:
    reader = KeyReader(ZONE, unchanged)
    keys = reader.keys(json.dumps([*others, an_entry()]).encode())
    assert len(keys) == len(others) + 1
    assert keys[-1] == AS_KEY
    assert set(reader.errors) <= set(PARSE_FIELDS)
    assert set(reader.fields.truncated) <= set(TRUNCATED_FIELDS)
