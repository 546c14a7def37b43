from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import ManualClock
from support.web import CountedRefusals

from exporter.metrics.families.http import Refusal
from exporter.web.deliveries import CHUNK, MAX_BYTES, Content, Deliveries

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20


class Scene:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.refusals = CountedRefusals(self.clock)
        self.deliveries = Deliveries(self.clock, self.refusals)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_readers_of_one_body_count_once(scene: Scene) -> None:
    body = bytes(50 * MIB)
    assert all(scene.deliveries.begin(body, None) for _ in range(200))
    assert scene.deliveries.bytes_being_sent == 50 * MIB
    for _ in range(200):
        scene.deliveries.end(body, None)
    assert scene.deliveries.bytes_being_sent == 0


def test_small_bodies_fill_the_limit_and_no_more(scene: Scene) -> None:
    bodies = [bytes(MIB) for _ in range(MAX_BYTES // MIB + 1)]
    assert [scene.deliveries.begin(body, None) for body in bodies] == [True] * 128 + [False]
    assert scene.refusals.seen == {Refusal.TOO_MANY_BODIES: 1}


def test_three_bodies_are_always_allowed_however_large(scene: Scene) -> None:
    bodies = [bytes(100 * MIB) for _ in range(4)]
    assert [scene.deliveries.begin(body, None) for body in bodies] == [True, True, True, False]
    scene.deliveries.end(bodies[0], None)
    assert scene.deliveries.begin(bodies[3], None)


def test_after_the_grace_period_the_oldest_body_makes_room_and_its_clients_are_cut(scene: Scene) -> None:
    bodies = [bytes(100 * MIB) for _ in range(4)]
    for body in bodies[:3]:
        assert scene.deliveries.begin(body, None)
        scene.clock.advance(0.5)
    assert scene.deliveries.begin(bodies[3], None)
    assert scene.deliveries.bytes_being_sent == 300 * MIB
    # The client that was cut ends as well, without an effect on others.
    scene.deliveries.end(bodies[0], None)
    assert scene.deliveries.bytes_being_sent == 300 * MIB


def test_small_bodies_are_never_refused(scene: Scene) -> None:
    for _ in range(3):
        assert scene.deliveries.begin(bytes(100 * MIB), None)
    assert scene.deliveries.begin(b"healthy", None)


@dataclass(eq=False)
class Made:
    """A body that is made while it is sent."""

    parts: list[bytes]
    held: int = 100
    made: int = 0

    @property
    def size(self) -> int:
        return sum(map(len, self.parts))

    def pieces(self) -> Iterator[bytes]:
        for one in self.parts:
            self.made += 1
            yield one


def sent(scene: Scene, content: Content, method: str = "GET") -> tuple[dict[bytes, bytes], list[bytes]]:
    """The headers and the parts of a response."""
    messages: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        messages.append(message)

    response = scene.deliveries.response(content, {"Vary": "Accept"}, "text/plain")
    asyncio.run(response({"type": "http", "method": method}, None, send))  # type: ignore[arg-type]
    start, *parts, end = messages
    assert (end["body"], end["more_body"], {part["more_body"] for part in parts} - {True}) == (b"", False, set())
    return dict(start["headers"]), [bytes(part["body"]) for part in parts]


@settings(max_examples=40)
@given(st.lists(st.integers(0, 3 * CHUNK), max_size=4))
def test_pieces_of_any_size_are_sent_in_full_chunks(sizes: list[int]) -> None:
    pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
    headers, parts = sent(Scene(), Made(pieces))
    assert b"".join(parts) == b"".join(pieces)
    assert {len(part) for part in parts[:-1]} <= {CHUNK}
    assert headers[b"content-length"] == str(sum(sizes)).encode()


def test_bytes_are_sent_in_the_same_way(scene: Scene) -> None:
    headers, parts = sent(scene, b"x" * (CHUNK + 1))
    assert [len(part) for part in parts] == [CHUNK, 1]
    assert headers[b"content-length"] == str(CHUNK + 1).encode()
    assert headers[b"content-type"] == b"text/plain; charset=utf-8"
    assert sent(scene, b"")[1] == []


def test_head_makes_no_piece(scene: Scene) -> None:
    body = Made([b"x" * 1000])
    headers, parts = sent(scene, body, "HEAD")
    assert (headers[b"content-length"], parts, body.made) == (b"1000", [], 0)


def test_what_counts_of_a_body_is_what_it_keeps_in_memory(scene: Scene) -> None:
    body = Made([b"x" * 1000], held=10 * MIB)
    assert scene.deliveries.begin(body, None)
    assert scene.deliveries.bytes_being_sent == 10 * MIB
    scene.deliveries.end(body, None)
    assert scene.deliveries.bytes_being_sent == 0


@pytest.mark.parametrize(("seconds_each", "turns"), [(0.0, 0), (0.0009, 13), (0.003, 39)])
def test_other_clients_have_a_turn_after_two_milliseconds(scene: Scene, seconds_each: float, turns: int) -> None:
    """While other threads compute, a chunk takes longer: forty of them with one turn would delay a probe."""
    seen: list[int] = []
    chunks = 0

    async def send(message: Any) -> None:
        nonlocal chunks
        if message.get("body"):
            chunks += 1
            scene.clock.advance(seconds_each)

    async def other() -> None:
        while chunks < 40:
            if chunks:
                seen.append(chunks)
            await asyncio.sleep(0)

    async def both() -> None:
        response = scene.deliveries.response(bytes(40 * CHUNK), {}, "text/plain")
        waiting = asyncio.create_task(other())
        await asyncio.sleep(0)
        await response({"type": "http", "method": "GET"}, None, send)  # type: ignore[arg-type]
        await waiting

    asyncio.run(both())
    assert len(seen) == turns
