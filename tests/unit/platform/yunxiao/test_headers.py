from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import NOW

from exporter.platform.yunxiao.headers import host_of, retry_after_of, without_token

PRIVATE = "5ecre7" + "f00d"


@pytest.mark.parametrize(
    ("body", "cleaned"),
    [
        (f'{{"a": "pt-12_{PRIVATE}"}}', '{"a": "pt-12_[redacted]"}'),
        (f"{PRIVATE}{PRIVATE}", "[redacted][redacted]"),
        ('{"tokenId": "pt-12"}', '{"tokenId": "pt-12"}'),
        ("", ""),
    ],
)
def test_the_secret_part_of_the_token_is_removed_from_a_body(body: str, cleaned: str) -> None:
    assert without_token(body.encode(), f"pt-12_{PRIVATE}").decode() == cleaned


def test_a_short_part_is_not_taken_for_the_secret() -> None:
    assert without_token(b"read pt-1_read", "pt-1_read") == b"read [redacted]"


def test_bytes_in_other_encodings_stay_as_they_are() -> None:
    body = "名字".encode("gbk")
    assert without_token(body, f"pt-12_{PRIVATE}") == body


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("30", 30.0),
        ("300", 300.0),
        ("301", 300.0),
        ("9" * 400, 300.0),
        ("Mon, 01 Jun 2026 00:02:00 GMT", 120.0),
        ("Mon, 01 Jun 2026 01:00:00 GMT", 300.0),
        ("Sun, 31 May 2026 23:59:59 GMT", 0.0),
        ("Mon, 01 Jan 0001 00:00:00 -0000", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 300.0),
        ("Mon, 01 Jun 99999 00:00:00 GMT", None),
        ("nonsense", None),
        ("-5", None),
        ("1.5", None),
        ("\u00b2", None),
        ("", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_of(header, NOW, 300.0) == seconds


@given(st.text(max_size=40), st.floats(min_value=0, max_value=86400))
def test_no_retry_after_does_more_than_pause_for_as_long_as_is_allowed(header: str, most: float) -> None:
    seconds = retry_after_of(header, NOW, most)
    assert seconds is None or 0 <= seconds <= most


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("https://login.example.com/sso?to=x", "login.example.com"),
        ("https://user:secret@Login.example.com:8443/", "login.example.com"),
        ("//cdn.example.com/x", "cdn.example.com"),
        ("/login", ""),
        ("", ""),
        ("http://[broken", ""),
        ("http://a\x7f\u00e9\u200b.example/x", "a.example"),
        (f"http://{'a' * 300}/", "a" * 253),
    ],
)
def test_the_host_of_a_redirect_is_safe_to_show(location: str, host: str) -> None:
    assert host_of(location) == host
