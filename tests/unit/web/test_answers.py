"""Tags, compression, and how many clients may wait."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from exporter.web.answers import Answer, Packed, encoded

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = b"0123456789" * 200


def test_a_body_is_compressed_if_that_is_accepted_and_worth_it() -> None:
    packed = encoded(Answer(BODY, "text/plain"), "", packed=True)
    assert (packed.headers["Content-Encoding"], gzip.decompress(packed.body)) == ("gzip", BODY)
    assert "Content-Encoding" not in encoded(Answer(BODY, "text/plain"), "", packed=False).headers
    assert encoded(Answer(b"short", "text/plain"), "", packed=True).body == b"short"


def test_a_known_body_is_not_sent() -> None:
    tag = encoded(Answer(BODY, "text/plain"), "", packed=True).headers["ETag"]
    for known in (tag, tag.removeprefix("W/"), f'"a", {tag}'):
        found = encoded(Answer(BODY, "text/plain"), known, packed=True)
        assert (found.status, found.body, found.headers["ETag"]) == (304, b"", tag)
    assert encoded(Answer(BODY + b"x", "text/plain"), tag, packed=True).status == 200


def test_errors_have_no_tag() -> None:
    found = encoded(Answer(BODY, "text/plain", 404), "*", packed=True)
    assert (found.status, found.body, "ETag" in found.headers) == (404, BODY, False)


def test_caches_are_told_what_the_response_depends_on() -> None:
    found = encoded(Answer(BODY, "text/plain", headers={"Vary": "Cookie"}), "", packed=False)
    assert found.headers["Vary"] == "Cookie, Accept-Encoding"


class Portions:
    def portions(self) -> Iterator[bytes]:
        return iter([BODY, b"", BODY])


def test_a_streamed_body_is_compressed_as_a_whole() -> None:
    packed = b"".join(Packed(Portions()).portions())
    assert gzip.decompress(packed) == BODY + BODY
    assert len(packed) < 200
