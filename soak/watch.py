"""Samples the daemons once a second, inspects pages and stored state at intervals, and passes both to the checks."""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import re
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import redis

from soak.board import SECRET
from soak.clients import MOST
from soak.daemon import ROOT
from soak.http import ask
from soak.samples import Probe, Sample, parse_scrape
from soak.state_file import opened, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from soak.board import Board
    from soak.daemon import Daemon
    from soak.expectations import Expectations
    from soak.world import World

_EVERY = 1.0
_SCRAPE_PATIENCE = 20.0
_SHOWN = ("/", "/api/v1/tokens", "/api/v1/events")
_NAME = re.compile(r"soak-org-\d{4}|[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
"""Matches the organizations and users of a run."""
_WHO = ("organization", "name", "user_id")
_BEYOND_CONFIGURATION = frozenset({"events", "sqlite_sequence"})
"""Tables that may name removed users and organizations: past events."""
_SHARED = re.compile(r":rate:|:order$")
"""Keys in Redis that may name removed users and organizations: those of the rate expire within seconds, and the order
keeps ids of removed users for ten minutes, so that standbys can see that they were removed."""
_OK, _BUSY = 200, 503


class Watch:
    """Samples and inspects until it is stopped.

    Args:
        world: what to watch.
        expected: what to expect of the daemons.
        board: has the checks.
        started: the machine's monotonic time at which the run began.
        now: returns the seconds since then.
        inspect_every: seconds between two inspections of pages, state files and Redis.
    """

    def __init__(
        self,
        world: World,
        expected: Expectations,
        board: Board,
        started: float,
        now: Callable[[], float],
        inspect_every: float,
    ) -> None:
        self._world = world
        self._expected = expected
        self._board = board
        self._started = started
        self._now = now
        self._inspect_every = inspect_every
        self._stop = threading.Event()
        self._probes: queue.SimpleQueue[Probe] = queue.SimpleQueue()
        self._late: list[Probe] = []
        self._clients: dict[str, tuple[float, int]] = {}
        self.latest: dict[str, Sample] = {}
        self.slowest: dict[str, float] = {}
        targets = [f"{daemon.name}={daemon.port}={daemon.pid_file}" for daemon in world.daemons]
        self._prober = subprocess.Popen(
            [sys.executable, "-m", "soak.prober", *targets], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
        )
        self._threads = [
            threading.Thread(target=run, name=f"watch {run.__name__}", daemon=True)
            for run in (self._read_probes, self._inspect)
        ]

    def start(self) -> None:
        """Start probes and inspections; `run` samples."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop probes and inspections."""
        self._stop.set()
        # It exits at the end of its input, and stops its own child.
        assert self._prober.stdin is not None
        assert self._prober.stdout is not None
        self._prober.stdin.close()
        self._prober.wait(10)
        for thread in self._threads:
            thread.join(20)
        self._prober.stdout.close()

    def run(self, until: float, sampled: Callable[[], None]) -> None:
        """Sample once a second until a time, or until the first violation."""
        with ThreadPoolExecutor(len(self._world.daemons)) as pool:
            while self._now() < until and not self._board.failed.is_set():
                begun = self._now()
                list(pool.map(self._guarded, self._world.daemons))
                self._compare(begun)
                self._judge_probes()
                sampled()
                self._board.failed.wait(max(0.0, begun + _EVERY - self._now()))

    def _guarded(self, daemon: Daemon) -> None:
        lines, size = daemon.written()
        users = len(self._expected.users)
        self._board.record(self._board.checks.log.check(self._now(), daemon.name, lines, size, users))
        since = self._expected.up_since(daemon.name)
        if since is None:
            self.latest.pop(daemon.name, None)
            return
        start, wall = self._now(), self._world.clock.now()
        try:
            answer = ask(daemon.port, "/metrics", timeout=_SCRAPE_PATIENCE)
            memory = daemon.measure()
        except (OSError, http.client.HTTPException) as error:
            if self._expected.was_up(daemon.name, start, self._now()):
                text = f"{daemon.name}: {type(error).__name__}: {error}"
                self._board.violate("scrape" if daemon.pid is not None else "alive", start, text, daemon.name)
            self.latest.pop(daemon.name, None)
            return
        end = self._now()
        if answer.status == _BUSY and answer.retry_after is not None and self._open_clients(daemon):
            # Only while slow readers hold the memory for answers may requests be refused.
            return
        if answer.status != _OK:
            text = f"{daemon.name}: status {answer.status}: {answer.body[:300]!r}"
            self._board.violate("scrape", start, text, daemon.name)
            return
        self._search(f"/metrics of {daemon.name}", answer.body)
        rss, fds, threads = memory
        sample = Sample(
            at=end,
            daemon=daemon.name,
            process=daemon.number,
            since=since,
            rss=rss,
            fds=fds,
            threads=threads,
            clients=self._open_clients(daemon),
            scrape=parse_scrape(answer.body.decode("utf-8", "replace")),
            wall=wall,
            asked=end - start,
        )
        self._see(daemon, start, sample)

    def _see(self, daemon: Daemon, start: float, sample: Sample) -> None:
        self.latest[daemon.name] = sample
        if not self._expected.was_up(daemon.name, start, sample.at):
            return
        checks = self._board.checks
        users = len(self._expected.users)
        self._board.record(checks.scrape.check(start, daemon.name, sample.asked))
        self._board.record(checks.resources.check(sample, users, len(self._expected.names)))
        self._board.record(checks.growth.check(sample, users))
        self._board.record(checks.freshness.check(sample, self._expected))
        found = sample.scrape.organizations | sample.scrape.users
        self._board.record(checks.shown.check(start, f"/metrics of {daemon.name}", found, sample.since, self._expected))

    def _open_clients(self, daemon: Daemon) -> int:
        """Connections that are open, or were until a moment ago, since closing takes a moment."""
        now, count = self._now(), daemon.clients
        at, before = self._clients.get(daemon.name, (0.0, 0))
        if count or now - at > 3:  # noqa: PLR2004 - seconds for a server to see that a client is gone
            self._clients[daemon.name] = (now, count)
            before = count
        return min(MOST, max(count, before))

    def _compare(self, at: float) -> None:
        replicas = [daemon.name for daemon in self._world.replicas]
        if not replicas:
            return
        roles = {
            name: self.latest[name].scrape.leader
            if name in self.latest and self._expected.up_since(name) is not None
            else None
            for name in replicas
        }
        redis_ok = self._expected.calm_since(replicas[0], ("redis",))
        self._board.record(self._board.checks.leadership.check(at, roles, redis_ok))

    def _read_probes(self) -> None:
        assert self._prober.stdout is not None
        for line in self._prober.stdout:
            found = json.loads(line)
            found["start"] -= self._started
            self._probes.put(Probe(**found))

    def _judge_probes(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._late.append(self._probes.get_nowait())
        # Recent probes wait until it is known whether the daemon was about to be stopped.
        due = [probe for probe in self._late if probe.start + probe.seconds < self._now() - 1]
        self._late = [probe for probe in self._late if probe not in due]
        for probe in due:
            if self._expected.was_up(probe.daemon, probe.start, probe.start + probe.seconds):
                self.slowest[probe.daemon] = max(probe.seconds, self.slowest.get(probe.daemon, 0.0))
                self._board.record(self._board.checks.health.check(probe))

    def _inspect(self) -> None:
        while not self._stop.wait(self._inspect_every):
            try:
                for daemon in self._world.daemons:
                    self._inspect_pages(daemon)
                    self._inspect_state(daemon)
                self._inspect_redis()
            except Exception as error:  # noqa: BLE001 - a fault of the harness must be seen, and fail the run
                self._board.violate("harness", self._now(), f"inspection: {type(error).__name__}: {error}")

    def _inspect_pages(self, daemon: Daemon) -> None:
        for path in _SHOWN:
            since = self._expected.up_since(daemon.name)
            if since is None:
                return
            with contextlib.suppress(OSError, http.client.HTTPException):
                at = self._now()
                body = ask(daemon.port, path, timeout=_SCRAPE_PATIENCE).body
                self._search(f"{path} of {daemon.name}", body)
                if path != "/api/v1/events":
                    found = frozenset(_NAME.findall(body.decode("utf-8", "replace")))
                    gone = self._board.checks.shown.check(at, f"{path} of {daemon.name}", found, since, self._expected)
                    self._board.record(gone)

    def _inspect_state(self, daemon: Daemon) -> None:
        file = self._world.state_file(daemon)
        for one in (file, file.with_name(file.name + "-wal")):
            with contextlib.suppress(OSError):
                self._search(f"state file of {daemon.name}", one.read_bytes())
        with contextlib.suppress(sqlite3.Error):
            for row in rows(file):
                self._search(f"state file of {daemon.name}", row)
        since = self._expected.up_since(daemon.name)
        if since is None:
            return
        usable = max(since, self._expected.calm_since(daemon.name, ("disk",)))
        # A file that is being written, or on a full disk, is read at the next inspection.
        with contextlib.suppress(sqlite3.Error):
            at, found = self._now(), frozenset(_stored(file))
            where = f"state file of {daemon.name}"
            self._board.record(self._board.checks.stored.check(at, where, found, usable, self._expected))

    def _inspect_redis(self) -> None:
        pair = self._world.redis
        if pair is None:
            return
        replicas = [daemon.name for daemon in self._world.replicas]
        usable = self._expected.calm_since(replicas[0], ("redis", "redis effects"))
        ups = [since for name in replicas if (since := self._expected.up_since(name)) is not None]
        with contextlib.suppress(redis.RedisError, OSError):
            for key, content in pair.contents():
                self._search(f"Redis, {key}", key.encode() + content)
                if ups and not _SHARED.search(key):
                    found = frozenset(_NAME.findall(f"{key} {content.decode('utf-8', 'replace')}"))
                    since = max(usable, *ups)
                    gone = self._board.checks.stored.check(self._now(), f"Redis, {key}", found, since, self._expected)
                    self._board.record(gone)

    def _search(self, where: str, content: bytes) -> None:
        if (found := self._world.secrets.find(content)) is not None:
            self._board.violate(SECRET, self._now(), f"{where}: {found}")


def _stored(file: Path) -> Iterator[str]:
    """The organizations and users in all tables of a state file."""
    with opened(file) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            if table in _BEYOND_CONFIGURATION:
                continue
            columns = [column[1] for column in connection.execute(f'PRAGMA table_info("{table}")')]
            for column in columns:
                if column in _WHO:
                    for (value,) in connection.execute(f'SELECT DISTINCT "{column}" FROM "{table}"'):
                        yield from _NAME.findall(str(value))
