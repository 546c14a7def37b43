from __future__ import annotations

import errno
import resource
import socket
from typing import TYPE_CHECKING, Any

import pytest
from support.builders import ManualClock
from support.web import CountedRefusals

from exporter.metrics.families.http import Refusal
from exporter.web.connections import (
    IDLE_TIMEOUT,
    REQUEST_TIMEOUT,
    RESPONSE_TIMEOUT,
    Connection,
    Connections,
    Phase,
    connection_limit,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class Scene:
    """A table with a capacity of three connections, and the clients' sockets."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.refusals = CountedRefusals(self.clock)
        self.table = Connections(3, self.clock, self.refusals)
        self.clients: list[socket.socket] = []

    def incoming(self) -> tuple[socket.socket, Any]:
        server, client = socket.socketpair()
        client.setblocking(False)
        self.clients.append(client)
        return server, ("192.0.2.1", 50_000 + len(self.clients))

    def accept(self) -> Connection:
        return self.table.accept(self.incoming)[0]


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    for one in [*made.table._open.values()]:
        one.close()
    for client in made.clients:
        client.close()
    made.table.stop()


def is_cut(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False


@pytest.mark.parametrize(
    ("phase", "limit", "reason"),
    [
        (Phase.REQUEST, REQUEST_TIMEOUT, Refusal.SLOW_REQUEST),
        (Phase.RESPONSE, RESPONSE_TIMEOUT, Refusal.SLOW_READER),
        (Phase.IDLE, IDLE_TIMEOUT, None),
    ],
)
def test_a_connection_that_exceeds_its_time_limit_is_cut(
    scene: Scene, phase: Phase, limit: float, reason: Refusal | None
) -> None:
    scene.accept().enter(phase)
    scene.clock.advance(limit - 0.1)
    scene.table.sweep()
    assert not is_cut(scene.clients[0])
    scene.clock.advance(0.1)
    scene.table.sweep()
    assert is_cut(scene.clients[0])
    assert scene.refusals.seen == ({} if reason is None else {reason: 1})


def test_handling_has_no_time_limit_and_each_request_starts_a_new_one(scene: Scene) -> None:
    connection = scene.accept()
    scene.clock.advance(REQUEST_TIMEOUT - 1)
    connection.enter(Phase.HANDLING)
    scene.clock.advance(1000)
    scene.table.sweep()
    connection.enter(Phase.IDLE)
    scene.clock.advance(IDLE_TIMEOUT - 1)
    # One more byte of nothing does not make the time start again.
    connection.enter(Phase.IDLE)
    connection.enter(Phase.REQUEST)
    scene.clock.advance(REQUEST_TIMEOUT - 1)
    scene.table.sweep()
    assert not is_cut(scene.clients[0])


def test_the_longest_idle_connection_makes_room(scene: Scene) -> None:
    first, second, third = scene.accept(), scene.accept(), scene.accept()
    for one, phase in ((first, Phase.HANDLING), (second, Phase.IDLE), (third, Phase.IDLE)):
        scene.clock.advance(1)
        one.enter(phase)
    # Until its descriptor is free, no other connection is accepted or cut.
    for _ in range(3):
        with pytest.raises(BlockingIOError):
            scene.accept()
    assert [is_cut(client) for client in scene.clients] == [False, True, False]
    second.close()
    scene.accept()
    assert len(scene.table) == 3
    assert scene.refusals.seen == {Refusal.TOO_MANY_CONNECTIONS: 1}


def test_a_connection_with_an_unread_request_makes_no_room(scene: Scene) -> None:
    oldest = scene.accept()
    for _ in range(2):
        scene.clock.advance(1)
        scene.accept()
    scene.clients[0].send(b"GET / HTTP/1.1")
    # Its client has already disconnected, so that no client is refused.
    scene.clients[1].close()
    with pytest.raises(BlockingIOError):
        scene.accept()
    assert not is_cut(scene.clients[0])
    assert not is_cut(scene.clients[2])
    assert len(scene.table._cut) == 1
    assert scene.refusals.seen == {}
    assert oldest.recv(3) == b"GET"


def test_a_new_connection_gets_a_503_when_all_are_busy(scene: Scene) -> None:
    for _ in range(3):
        scene.accept().enter(Phase.HANDLING)
    with pytest.raises(BlockingIOError):
        scene.accept()
    assert scene.clients[3].recv(1000).startswith(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n")
    assert is_cut(scene.clients[3])
    assert len(scene.table) == 3


def test_connections_with_a_delayed_refusal_make_room_before_readers(scene: Scene) -> None:
    for phase in (Phase.RESPONSE, Phase.HANDLING, Phase.PENALTY):
        scene.accept().enter(phase)
        scene.clock.advance(5)
    with pytest.raises(BlockingIOError):
        scene.accept()
    assert [is_cut(client) for client in scene.clients] == [False, False, True]


def test_the_slowest_reader_makes_room_after_the_grace_period(scene: Scene) -> None:
    for _ in range(3):
        scene.accept().enter(Phase.RESPONSE)
        scene.clock.advance(1)
    with pytest.raises(BlockingIOError):
        scene.accept()
    # Three seconds are no long time to read an answer.
    assert not any(is_cut(client) for client in scene.clients[:3])
    scene.clock.advance(2)
    with pytest.raises(BlockingIOError):
        scene.accept()
    assert [is_cut(client) for client in scene.clients[:3]] == [True, False, False]


def test_without_descriptors_idle_connections_are_cut_before_clients_are_refused(scene: Scene) -> None:
    idle = scene.accept()
    attempts = 0

    def no_descriptors() -> tuple[socket.socket, Any]:
        nonlocal attempts
        attempts += 1
        # The spare one is free at the second attempt of each round.
        if attempts in {1, 2}:
            raise OSError(errno.EMFILE, "Too many open files")
        return scene.incoming()

    with pytest.raises(BlockingIOError):
        scene.table.accept(no_descriptors)
    assert is_cut(scene.clients[0])
    idle.close()
    with pytest.raises(BlockingIOError):
        scene.table.accept(no_descriptors)
    assert scene.clients[1].recv(100).startswith(b"HTTP/1.1 503")
    assert attempts == 3


def test_accept_raises_without_a_spare_descriptor(scene: Scene) -> None:
    def none_at_all() -> tuple[socket.socket, Any]:
        raise OSError(errno.EMFILE, "Too many open files")

    with pytest.raises(OSError, match="Too many open files"):
        scene.table.accept(none_at_all)


def test_a_connection_that_the_event_loop_lost_is_dropped(scene: Scene) -> None:
    lost = scene.accept()
    lost.cut()
    scene.clock.advance(10)
    scene.table.sweep()
    assert len(scene.table) == 0
    lost.close()


@pytest.mark.parametrize(("descriptors", "limit"), [(256, 128), (1024, 512), (1 << 20, 512), (20, 16), (-1, 512)])
def test_clients_get_half_of_the_descriptors(monkeypatch: pytest.MonkeyPatch, descriptors: int, limit: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (descriptors, descriptors))
    assert connection_limit() == limit
