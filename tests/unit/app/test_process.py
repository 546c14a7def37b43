from __future__ import annotations

import ctypes
import signal
import threading
from typing import TYPE_CHECKING, cast

import pytest

from exporter.app import process
from exporter.app.process import Signals, Wanted, limit_arenas, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.app.daemon import Daemon


_made: list[Signals] = []


@pytest.fixture(autouse=True)
def _this_process_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(signal, "set_wakeup_fd", lambda *_, **__: -1)
    for tuning in ("raise_file_limit", "tune_interpreter", "limit_arenas"):
        monkeypatch.setattr(process, tuning, lambda: None)
    yield
    while _made:
        _made.pop().close()


def some_signals(exits: list[int] | None = None) -> Signals:
    """Signals whose last resort only records the exit code."""
    signals = Signals(([] if exits is None else exits).append)
    _made.append(signals)
    return signals


def send(signals: Signals, *numbers: signal.Signals) -> None:
    for number in numbers:
        signals._handle(number, None)


def test_a_stop_overtakes_reloads_and_many_reloads_are_one() -> None:
    signals = some_signals()
    send(signals, *[signal.SIGHUP] * 200)
    assert signals.next() is Wanted.RELOAD
    send(signals, *[signal.SIGHUP] * 200, signal.SIGTERM, signal.SIGHUP)
    assert signals.next() is Wanted.STOP


def test_a_reload_that_comes_with_the_end_of_the_start_is_not_lost() -> None:
    signals = some_signals()
    send(signals, signal.SIGHUP)
    signals.start_ended()
    assert signals.next() is Wanted.END_OF_START
    assert signals.next() is Wanted.RELOAD


@pytest.mark.parametrize(("saved", "code"), [(True, 0), (False, 1)])
def test_the_exit_code_of_a_forced_exit_shows_whether_the_state_was_saved(
    monkeypatch: pytest.MonkeyPatch,
    saved: bool,  # noqa: FBT001
    code: int,
) -> None:
    monkeypatch.setattr(process, "_LAST_RESORT", 0.0)
    before, exits = set(threading.enumerate()), list[int]()
    signals = some_signals(exits)
    signals.watch(lambda: saved)
    (last_resort,) = (one for one in threading.enumerate() if one not in before)
    assert exits == []
    send(signals, signal.SIGINT)
    last_resort.join(5)
    assert exits == [code]


class FakeDaemon:
    """A daemon whose start takes until it is stopped, or fails."""

    def __init__(self, *, fails: bool = False, saved: bool = True) -> None:
        self.fails, self.state_saved = fails, saved
        self.stopped = threading.Event()
        self.reloads = 0

    def start(self) -> None:
        if self.fails:
            raise OSError("no thread")
        self.stopped.wait(5)

    def request_reload(self) -> None:
        self.reloads += 1

    def stop(self) -> None:
        self.stopped.set()


def run_with(daemon: FakeDaemon, *numbers: signal.Signals) -> None:
    signals = some_signals()
    send(signals, *numbers)
    run(cast("Daemon", daemon), signals)


def test_a_stop_does_not_wait_for_the_start() -> None:
    daemon = FakeDaemon()
    run_with(daemon, signal.SIGTERM)
    assert daemon.stopped.is_set()


def test_a_start_that_fails_ends_the_process_with_its_error() -> None:
    daemon = FakeDaemon(fails=True)
    with pytest.raises(OSError, match="no thread"):
        run_with(daemon)
    assert daemon.stopped.is_set()


def test_a_state_that_could_not_be_written_shows_in_the_exit_code() -> None:
    with pytest.raises(SystemExit) as ended:
        run_with(FakeDaemon(saved=False), signal.SIGTERM)
    assert ended.value.code == 1


@pytest.mark.parametrize(("variable", "calls"), [(None, [(-8, 2)]), ("8", [])])
def test_threads_share_two_heaps_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, calls: list[tuple[int, int]]
) -> None:
    seen: list[tuple[int, int]] = []

    class Library:
        def __init__(self, name: None) -> None:
            """The library that is already loaded."""

        def mallopt(self, parameter: int, value: int) -> None:
            seen.append((parameter, value))

    monkeypatch.setattr(ctypes, "CDLL", Library)
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    if variable is not None:
        monkeypatch.setenv("MALLOC_ARENA_MAX", variable)
    limit_arenas()
    assert seen == calls


def test_another_c_library_keeps_its_heaps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    limit_arenas()
