from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.builders import ManualClock, a_watchdog

from exporter.http.deadline import Call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.http.deadline import Watchdog


class Switch(socket.socket):
    """Stands for a socket: remembers what was done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    def shutdown(self, how: int) -> None:  # noqa: ARG002
        self.done.append("shutdown")

    def close(self) -> None:
        self.done.append("close")
        super().close()


@dataclass(eq=False)
class Session:
    """Stands for a session."""

    idle: bool = False
    checks: int = 0

    def close_idle(self) -> bool:
        self.checks += 1
        return self.idle


@contextlib.contextmanager
def calling(watchdog: Watchdog, limit: float, owner: Session) -> Iterator[Call]:
    call = watchdog.begin(limit, owner)
    try:
        yield call
    finally:
        watchdog.end(call)


def a_call(limit: float = 10.0) -> tuple[Call, ManualClock]:
    clock = ManualClock()
    return Call(clock, limit, Session()), clock


def test_the_remaining_time_of_a_call() -> None:
    call, clock = a_call()
    clock.advance(4)
    assert call.remaining() == 6
    clock.advance(7)
    assert call.remaining() == 0


def test_an_ended_call_shuts_down_the_socket_it_uses_now_and_any_later_one() -> None:
    call, _ = a_call()
    with Switch() as first, Switch() as second, Switch() as third:
        call.attach(first)
        call.attach(second)
        call.end()
        call.attach(third)
        assert (first.done, second.done, third.done) == ([], ["shutdown"], ["shutdown"])
        assert call.remaining() == 0


def test_the_socket_of_a_closed_connection_is_kept_until_the_call_has_ended() -> None:
    call, _ = a_call()
    switch, other = Switch(), Switch()
    call.attach(switch)
    assert call.keep(switch)
    assert not call.keep(other)
    call.end()
    assert switch.done == ["shutdown"]
    call.detach()
    assert switch.done == ["shutdown", "close"]
    assert not call.keep(switch)
    other.close()


def test_a_kept_socket_is_closed_when_the_call_goes_on_with_another() -> None:
    call, _ = a_call()
    with Switch() as first, Switch() as second:
        call.attach(first)
        call.keep(first)
        call.attach(second)
        assert (first.done, second.done) == (["close"], [])


def test_the_watchdog_ends_overdue_calls_and_wakes_for_the_next_deadline() -> None:
    clock = ManualClock()
    watchdog = a_watchdog(clock)
    session = Session()
    assert watchdog._check() is None
    with calling(watchdog, 1.0, session) as short, calling(watchdog, 3.0, session) as long:
        assert watchdog._check() == 1.0
        clock.advance(1)
        assert watchdog._check() == 2.0
        assert (short.over, long.over) == (True, False)
        clock.advance(2)
        watchdog._check()
        assert long.over


def test_the_watchdog_wakes_early_only_for_a_nearer_deadline() -> None:
    watchdog = a_watchdog(ManualClock())
    woken = watchdog._worker._woken
    with calling(watchdog, 3.0, Session()):
        assert woken.is_set()
        woken.clear()
        watchdog._check()
        with calling(watchdog, 3.5, Session()):
            assert not woken.is_set()
            with calling(watchdog, 1.0, Session()):
                assert woken.is_set()


def test_idle_connections_are_checked_every_five_seconds_until_there_are_none() -> None:
    clock = ManualClock()
    watchdog = a_watchdog(clock)
    session = Session(idle=True)
    with calling(watchdog, 60.0, session):
        assert watchdog._check() == 5.0
        assert session.checks == 0
    assert watchdog._check() == 5.0
    assert watchdog._check() == 5.0
    session.idle = False
    assert watchdog._check() is None
    assert watchdog._check() is None
    assert session.checks == 3


def test_a_stopped_watchdog_ends_every_call() -> None:
    watchdog = a_watchdog(ManualClock())
    with calling(watchdog, 3.0, Session()) as before:
        watchdog.stop()
        with calling(watchdog, 3.0, Session()) as after:
            assert (before.over, after.over) == (True, True)


def test_calls_of_one_owner_are_ended_without_the_others() -> None:
    watchdog = a_watchdog(ManualClock())
    one, other = Session(), Session()
    with calling(watchdog, 3.0, one) as first, calling(watchdog, 3.0, other) as second:
        watchdog.end_calls_of(one)
        assert (first.over, second.over) == (True, False)
