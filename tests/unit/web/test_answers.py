"""Tags, compression, and how many clients may wait."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING

import pytest
from starlette.requests import Request
from support.builders import ManualClock
from support.web import CountedRefusals

from exporter.web.answers import Answer, Answers, Packed, encoded
from exporter.web.deliveries import Deliveries
from exporter.web.single_flight import BusyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.responses import Response

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


def a_request(path: str, **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "raw_path": path.encode(), "query_string": b"", "headers": raw}
    return Request(scope)


def bodies(*requests: Request) -> tuple[list[Response], list[str]]:
    """The responses to requests at the same time, and what was made."""
    made: list[str] = []

    async def run() -> list[Response]:
        answers = Answers(Deliveries(ManualClock(), CountedRefusals(ManualClock())))

        def make(path: str) -> Answer:
            made.append(path)
            return Answer(b"x", "text/plain", 404)

        async def ask(request: Request) -> Response:
            path = request.scope["raw_path"].decode()
            return await answers.response(request, lambda: make(path))

        return list(await asyncio.gather(*(ask(one) for one in requests)))

    return asyncio.run(run()), made


def test_clients_that_ask_the_same_share_a_response() -> None:
    every = [a_request("/a")] * 50 + [a_request("/b")] * 50
    responses, made = bodies(*every)
    assert (len(responses), sorted(made)) == (100, ["/a", "/b"])


def test_clients_that_read_another_language_do_not() -> None:
    assert len(bodies(a_request("/a", accept_language="zh"), a_request("/a", accept_language="en"))[1]) == 2


def test_too_many_clients_are_refused() -> None:
    with pytest.raises(BusyError):
        bodies(*[a_request("/a")] * 1025)


class Portions:
    def portions(self) -> Iterator[bytes]:
        return iter([BODY, b"", BODY])


def test_a_streamed_body_is_compressed_as_a_whole() -> None:
    packed = b"".join(Packed(Portions()).portions())
    assert gzip.decompress(packed) == BODY + BODY
    assert len(packed) < 200
