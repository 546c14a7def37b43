"""Responses in portions: how many at a time, and what clients that do not read cost others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest
from support.builders import ManualClock
from support.web import CountedRefusals

from exporter.metrics.families.http import Refusal
from exporter.web import streams
from exporter.web.connections import CONNECTION
from exporter.web.single_flight import BusyError
from exporter.web.streams import MAX_STREAMS, StreamedResponse, Streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Message


class Body:
    """Counts how many of its portions have been made."""

    def __init__(self, count: int = 3) -> None:
        self.count = count
        self.made = 0

    def portions(self) -> Iterator[bytes]:
        for number in range(self.count):
            self.made += 1
            yield b"%d" % number


class Client:
    """A client that reads, or does not until it is told to."""

    address = "127.0.0.1"

    def __init__(self, *, reads: bool = True, method: str = "GET") -> None:
        self.method = method
        self.received: list[Message] = []
        self.may_read = asyncio.Event()
        self.is_open = True
        if reads:
            self.may_read.set()

    def fileno(self) -> int:
        return 5 if self.is_open else -1

    def cut(self) -> None:
        self.is_open = False
        self.may_read.set()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            await self.may_read.wait()
        self.received.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.received)

    @property
    def is_complete(self) -> bool:
        return bool(self.received) and self.received[-1].get("more_body") is False


class Scene:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.refusals = CountedRefusals(self.clock)
        self.streams = Streams(self.clock, self.refusals)

    async def respond(self, client: Client, body: Body) -> None:
        response = StreamedResponse(self.streams, lambda: ({"X-Rows": "3"}, body), {"X-More": "1"}, "text/x")
        scope: dict[str, Any] = {"type": "http", "method": client.method, "extensions": {CONNECTION: client}}
        await response(scope, cast("Any", None), client.send)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_RETRY", 0.001)


def test_a_body_is_sent_in_portions_with_its_headers_and_without_a_length() -> None:
    async def run() -> None:
        client = Client()
        await Scene().respond(client, Body())
        start = client.received[0]
        headers = dict(start["headers"])
        assert (start["status"], headers[b"x-rows"], headers[b"x-more"]) == (200, b"3", b"1")
        assert headers[b"content-type"] == b"text/x; charset=utf-8"
        assert b"content-length" not in headers
        assert [message["body"] for message in client.received[1:]] == [b"0", b"1", b"2", b""]
        assert client.is_complete

    asyncio.run(run())


def test_a_head_request_makes_no_portion() -> None:
    async def run() -> None:
        client, body = Client(method="HEAD"), Body()
        await Scene().respond(client, body)
        assert (client.body, client.is_complete, body.made) == (b"", True, 0)

    asyncio.run(run())


def test_no_portion_is_made_before_the_client_has_taken_the_previous_one() -> None:
    async def run() -> None:
        client, body = Client(reads=False), Body(1000)
        task = asyncio.create_task(Scene().respond(client, body))
        await asyncio.sleep(0.05)
        assert body.made == 1
        client.cut()
        await task
        # The client has disconnected: the rest is not made.
        assert body.made == 1

    asyncio.run(run())


def test_clients_beyond_the_limit_wait_and_are_served_when_there_is_a_place() -> None:
    async def run() -> None:
        scene, first = Scene(), [Client(reads=False) for _ in range(MAX_STREAMS)]
        tasks = [asyncio.create_task(scene.respond(one, Body())) for one in first]
        await asyncio.sleep(0.05)
        late = Client()
        waiting = asyncio.create_task(scene.respond(late, Body()))
        await asyncio.sleep(0.05)
        assert late.received == []
        first[0].may_read.set()
        await waiting
        assert (late.body, late.is_complete) == (b"012", True)
        for one in first:
            one.may_read.set()
        await asyncio.gather(*tasks)
        assert all(one.is_complete for one in first)
        assert scene.refusals.seen == {}

    asyncio.run(run())


def test_a_client_that_does_not_read_loses_its_place_to_those_who_wait() -> None:
    async def run() -> None:
        scene, slow = Scene(), [Client(reads=False) for _ in range(MAX_STREAMS)]
        tasks = [asyncio.create_task(scene.respond(one, Body())) for one in slow]
        await asyncio.sleep(0.05)
        scene.clock.advance(4.9)
        late = Client()
        waiting = asyncio.create_task(scene.respond(late, Body()))
        await asyncio.sleep(0.05)
        assert all(one.is_open for one in slow)
        scene.clock.advance(0.1)
        await waiting
        assert late.is_complete
        # Only as many as needed.
        assert sum(not one.is_open for one in slow) == 1
        assert scene.refusals.seen == {Refusal.SLOW_READER: 1}
        for one in slow:
            one.cut()
        await asyncio.gather(*tasks)

    asyncio.run(run())


def test_too_many_waiting_clients_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_MAX_WAITING", 0)

    async def run() -> None:
        with pytest.raises(BusyError):
            await Scene().respond(Client(), Body())

    asyncio.run(run())


def test_a_body_that_cannot_be_begun_frees_its_place() -> None:
    async def run() -> None:
        scene = Scene()

        def broken() -> tuple[dict[str, str], Body]:
            raise RuntimeError("snapshot")

        for _ in range(MAX_STREAMS + 1):
            with pytest.raises(RuntimeError, match="snapshot"):
                await StreamedResponse(scene.streams, broken, {}, "text/x")(
                    {"type": "http", "method": "GET"}, cast("Any", None), Client().send
                )

    asyncio.run(run())
