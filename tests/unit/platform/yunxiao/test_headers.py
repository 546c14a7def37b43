from __future__ import annotations

import pytest

from exporter.platform.yunxiao.headers import without_token

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
