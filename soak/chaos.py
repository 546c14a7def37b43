"""Injects the faults of the schedule, and records what can be expected meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import random
import signal
import threading
import time
from typing import TYPE_CHECKING

from soak.alertmanager import GOOD
from soak.clients import misbehave
from soak.daemon import DaemonError
from soak.plan import Change, changed
from soak.schedule import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from soak.board import Board
    from soak.daemon import Daemon
    from soak.expectations import Expectations
    from soak.schedule import Event
    from soak.world import World

_STORM = 20
"""Number of SIGHUPs sent one after the other."""
_REFUSED = 500
_LONGEST_FAULT = 60.0


class Chaos:
    """Runs the events of each lane in its own thread.

    Args:
        world: what to break.
        expected: records which faults are active.
        board: records violations.
        now: seconds since the run began.
        began: called with each event at its start.
    """

    def __init__(
        self,
        world: World,
        expected: Expectations,
        board: Board,
        now: Callable[[], float],
        began: Callable[[Event], None],
    ) -> None:
        self._world = world
        self._expected = expected
        self._board = board
        self._now = now
        self._began = began
        self._zero = 0.0
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._doing = {
            Lane.PLATFORM: self._platform,
            Lane.REDIS: self._redis,
            Lane.ALERTMANAGER: self._alertmanager,
            Lane.DISK: self._disk,
            Lane.PROCESS: self._process,
            Lane.RELOAD: self._reload,
            Lane.CLIENTS: self._clients,
        }

    def bring_up(self) -> None:
        """Start all daemons; returns when they are ready."""
        self._expected.configured(self._world.names, self._world.users, self._now())
        self._world.all_at_once(self._start)

    def start(self, events: Sequence[Event]) -> None:
        """Start the schedule now."""
        self._zero = self._now()
        for lane in Lane:
            mine = [event for event in events if event.lane is lane]
            self._threads.append(threading.Thread(target=self._run, args=(mine,), name=f"lane {lane}", daemon=True))
            self._threads[-1].start()

    def stop(self) -> None:
        """Stop after the events in progress."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def end_all(self) -> None:
        """Stop all daemons at the same time with SIGTERM."""
        self._world.all_at_once(self._terminate)

    def _run(self, events: Sequence[Event]) -> None:
        for event in events:
            if self._stop.wait(max(0.0, self._zero + event.at - self._now())):
                return
            self._began(event)
            try:
                self._doing[event.lane](event)
            except DaemonError as error:
                if not self._stop.is_set():
                    self._board.violate("alive", self._now(), str(error))
            except Exception as error:  # noqa: BLE001 - a fault of the harness must be seen, and fail the run
                self._board.violate("harness", self._now(), f"{event}: {type(error).__name__}: {error}")

    def _platform(self, event: Event) -> None:
        platform = self._world.platform
        bounds = self._board.bounds
        retry_after = 1 + event.number % 3
        window = self._expected.begin("platform", self._now())
        try:
            if event.what == "away":
                platform.go_away()
                self._stop.wait(event.seconds)
                platform.come_back()
            elif event.what == "token revoked":
                self._world.secrets.add("token", platform.revoke())
                self._stop.wait(event.seconds)
                self._world.follow_token()
            else:
                platform.fail(event.what, retry_after)
                self._stop.wait(event.seconds)
                platform.heal()
        finally:
            recovery = bounds.after_failing(event.seconds)
            if event.what == "429":
                recovery += bounds.after_429(event.seconds, retry_after)
            self._expected.end(window, self._now(), recovery)

    def _redis(self, event: Event) -> None:
        pair = self._world.redis
        if pair is None:
            return
        replicas = [daemon.name for daemon in self._world.replicas]
        window = self._expected.begin("redis", self._now(), replicas)
        effects = self._expected.begin("redis effects", self._now(), replicas)
        try:
            match event.what:
                case "killed":
                    pair.kill()
                    self._stop.wait(event.seconds)
                    pair.revive()
                case "frozen":
                    pair.freeze()
                    self._stop.wait(event.seconds)
                    pair.thaw()
                case _:
                    pair.fail_over()
        finally:
            self._expected.end(window, self._now())
            # Polls wait up to 2 s for a turn while Redis does not answer, and do not use it for 5 s afterwards.
            self._expected.end(effects, self._now(), 7.0)

    def _alertmanager(self, event: Event) -> None:
        self._world.alertmanager.behave(event.what)
        self._stop.wait(event.seconds)
        self._world.alertmanager.behave(GOOD)

    def _disk(self, event: Event) -> None:
        window = self._expected.begin("disk", self._now())
        disk = self._world.disk
        disk.fill(self._world.pids)
        self._stop.wait(event.seconds)
        disk.free(self._world.pids)
        self._expected.end(window, self._now())

    def _process(self, event: Event) -> None:
        if event.what == "clock step":
            if self._world.clock.works:
                self._step(event.number)
            return
        daemon = next(one for one in self._world.daemons if one.name == event.target)
        with daemon.lock:
            if event.what == "SIGTERM":
                self._terminate(daemon)
                self._start(daemon)
                return
            self._expected.down(daemon.name, self._now())
            if event.what == "pause":
                daemon.send(signal.SIGSTOP)
                self._stop.wait(event.seconds)
                daemon.send(signal.SIGCONT)
                daemon.wait_for("/-/healthy", self._board.bounds.started, self._stop)
                self._expected.up(daemon.name, self._now())
            else:
                daemon.kill()
                self._start(daemon)

    def _step(self, number: int) -> None:
        hours = 1 + number % 9
        seconds = hours * 3600 if number % 4 else 90 * hours
        # Forward and backward, so that the daemons' time stays within half a day of the platform's.
        self._world.clock.step(-seconds if self._world.clock.offset > 0 or number % 2 else seconds)
        self._expected.moment("clock", self._now(), 1 + self._world.scale.interval)

    def _terminate(self, daemon: Daemon) -> None:
        self._expected.down(daemon.name, self._now())
        if daemon.pid is None:
            return
        took, code = daemon.end(signal.SIGTERM, 3 * self._board.bounds.exit)
        more = f"exit code {code}; {daemon.last_lines(3)}"
        self._board.record(self._board.checks.exit.check(self._now(), daemon.name, took, more))
        if code != 0:
            self._board.violate("exit", self._now(), f"{daemon.name}: {more}", daemon.name)

    def _start(self, daemon: Daemon) -> None:
        bounds = self._board.bounds
        self._world.start(daemon)
        started = self._now()
        daemon.wait_for("/-/healthy", bounds.started, self._stop)
        self._expected.up(daemon.name, self._now())
        daemon.wait_for("/-/ready", bounds.ready + _LONGEST_FAULT, self._stop)
        ready = self._now()
        # A failing platform may delay the first sweep.
        calm = min(ready, max(started, self._expected.calm_since(daemon.name, ("platform",))))
        self._board.record(self._board.checks.ready.check(ready, daemon.name, ready - calm))

    def _reload(self, event: Event) -> None:
        change = Change(event.what)
        world = self._world
        over_http = event.number % 2 == 0
        with contextlib.ExitStack() as stack:
            # All or none: a daemon that is being restarted must not read an invalid file.
            for daemon in world.daemons:
                stack.enter_context(daemon.lock)
            if change is Change.BROKEN:
                world.spoil()
                self._ask_all(over_http=over_http, status=_REFUSED)
                if not over_http:
                    # A signal has no answer that shows when it has been handled.
                    time.sleep(1)
                world.configure(world.plan)
            else:
                world.configure(changed(world.plan, change, random.Random(event.number)))
                self._expected.configuring(world.names, world.users)
            self._ask_all(over_http=over_http, status=http.HTTPStatus.OK, times=1 if event.number % 5 else _STORM)
            self._expected.configured(world.names, world.users, self._now())

    def _ask_all(self, *, over_http: bool, status: int, times: int = 1) -> None:
        if over_http:
            self._world.all_at_once(lambda daemon: self._ask(daemon, status))
            return
        for daemon in self._world.daemons:
            for _ in range(times):
                daemon.send(signal.SIGHUP)

    def _ask(self, daemon: Daemon, status: int) -> None:
        if self._expected.up_since(daemon.name) is None:
            return
        started = self._now()
        try:
            answer = daemon.reload()
        except (OSError, http.client.HTTPException) as error:
            self._board.violate("reload", self._now(), f"{daemon.name}: {type(error).__name__}: {error}", daemon.name)
            return
        text = answer.body[:300].decode("utf-8", "replace")
        self._board.record(self._board.checks.reload.check(self._now(), daemon.name, self._now() - started, text))
        if answer.status != status:
            seen = f"{daemon.name}: {answer.status} instead of {status}: {text}"
            self._board.violate("reload", self._now(), seen, daemon.name)

    def _clients(self, event: Event) -> None:
        daemon = next(one for one in self._world.daemons if one.name == event.target)

        def holds(count: int) -> None:
            daemon.clients = count

        misbehave(event.what, daemon.port, event.seconds, holds, self._stop)
