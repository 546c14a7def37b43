"""The daemon: what starts in which order, and what a stop ends."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from exporter import __version__
from exporter.app.daemon_parts import build_parts
from exporter.app.options import Options
from exporter.app.restore import forget_unconfigured, restore
from exporter.app.teardown import Teardown
from exporter.common.allocator import return_memory
from exporter.common.cancellation import StoppedError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from exporter.common.clock import Clock
    from exporter.config.settings import Settings
    from exporter.web.security import WebSecurity

_log = structlog.get_logger(__name__)
_WARNINGS_EVERY = 60.0
_TLS_FILES_EVERY = 2.0
_GARBAGE_EVERY = 10.0
_INDEX_EVERY = 10.0
"""Seconds between two updates of the index, so that a page finds little to do. Without a change they cost nothing."""
_MEMORY_EVERY = 60.0
"""Seconds; takes some milliseconds for 100,000 users."""
_MEMORY_AFTER = 15.0
"""Seconds until the first time: right after a start it takes longer, and delays the answer to a scrape that waited."""
_SCRAPE_PATIENCE = 5.0
"""Seconds for which alerts, jobs and polls are held back at a start, while a scrape that came early is sent."""
_START_PATIENCE = 1.5
"""Seconds for which a stop waits for a start that it has cancelled."""
_JOBS_PATIENCE = 0.5
"""Seconds for which a stop waits for cancelled jobs; a name look-up may hold one of them."""


class Daemon:
    """The exporter as a long-running process.

    Args:
        settings: the configuration to start with.
        load: loads the configuration again for a reload; raises `ConfigError`.
        sockets: listening sockets for the web server.
        security: TLS and basic auth of the web server.
        clock: the time.
        options: what flags and the environment choose.
    """

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Settings],
        sockets: Sequence[socket.socket],
        security: WebSecurity,
        clock: Clock,
        options: Options | None = None,
    ) -> None:
        options = options or Options()
        self._manager = options.manager
        self._parts = build_parts(settings, load, sockets, security, clock, options)
        # Held by one start or stop at a time. A stop does not wait for a start for ever.
        self._lock = threading.Lock()
        self._saved = self._parts.storage is None
        self._teardown = Teardown(self._parts.base.count("stop"))
        self._teardown.add("service manager", self._manager.close)
        # What holds sockets or connections from the beginning. Redis ends last, since that may take time.
        if self._parts.member is not None:
            self._teardown.add("redis", self._parts.member.stop)
        self._teardown.add("web", self._parts.web.stop)

    def start(self) -> None:
        """Begin to poll and to answer. Returns early if `stop` is called meanwhile; what runs by then is stopped."""
        with self._lock:
            try:
                self._start()
            except StoppedError:
                _log.info("stopped while starting")

    def _start(self) -> None:
        parts, stop, teardown = self._parts, self._parts.base.stop, self._teardown
        stop.check()
        _log.info("starting", version=__version__, organizations=len(parts.base.current.organizations))
        parts.base.watchdog.start()
        teardown.add("watchdog", parts.base.watchdog.stop)
        # Early, so that a probe is answered while the state of an earlier run is read.
        parts.web.start()
        stop.check()
        with parts.garbage.paused():
            restored = restore(parts, teardown)
        teardown.add("alerting", parts.alerting.stop)
        # After all jobs have been cancelled, so that none of them uses what is stopped later.
        teardown.add("jobs", lambda: parts.base.scheduler.join(_JOBS_PATIENCE))
        teardown.add("organizations", parts.organizations.end)
        stop.check()
        with parts.garbage.paused():
            parts.reloader.begin(restored)
            forget_unconfigured(parts, restored)
            stop.check()
            parts.exposition.prepare_all()
        parts.exposition.open(_SCRAPE_PATIENCE)
        stop.check()
        parts.alerting.begin()
        stop.check()
        parts.base.scheduler.start()
        teardown.add("scheduler", parts.base.scheduler.stop)
        self._add_job("notes", parts.warnings.check, _WARNINGS_EVERY)
        self._add_job("tls files", parts.tls_files.check, _TLS_FILES_EVERY)
        self._add_job("index", self._prepare_index, _INDEX_EVERY)
        self._add_job("garbage", parts.garbage.check, _GARBAGE_EVERY)
        self._add_job("memory", return_memory, _MEMORY_EVERY, after=_MEMORY_AFTER)
        if parts.storage is not None:
            parts.storage.start()
        if parts.member is not None:
            parts.member.start()
        parts.reloader.start()
        if parts.auto_reload is not None:
            parts.auto_reload.start()
            teardown.add("auto reload", parts.auto_reload.stop)
        self._manager.ready()
        parts.heartbeat.start()
        teardown.add("heartbeat", parts.heartbeat.stop)

    def stop(self) -> None:
        """Stop polling, finish answering, end all threads. Takes a few seconds at most, whatever hangs.

        May be called at any time: before, during and after a start, and more than once.
        """
        self._manager.stopping()
        parts = self._parts
        parts.base.stop.set()
        parts.exposition.open()
        # First, since what follows may hang: from here on nothing changes, and the present state is written.
        parts.organizations.close()
        if parts.storage is not None:
            self._saved = parts.storage.stop()
        parts.reloader.stop()
        started = self._lock.acquire(timeout=_START_PATIENCE)
        try:
            self._teardown.run()
        finally:
            if started:
                self._lock.release()
        _log.info("stopped")

    def reload(self) -> None:
        """Load the configuration again and put it in force, all or nothing. Callers that wait share a reload.

        Raises:
            ReloadError: it is invalid; the previous one stays in effect.
        """
        self._parts.reloader.reload()

    def request_reload(self) -> None:
        """Reload soon, without waiting for it; the log and a metric show the result."""
        self._parts.reloader.request()

    @property
    def state_saved(self) -> bool:
        """Whether the end of the process loses nothing that `storage.path` should keep."""
        return self._saved

    def _add_job(self, name: str, job: Callable[[], None], interval: float, after: float = 0.0) -> None:
        base = self._parts.base
        base.scheduler.add(name, job, interval, after=after, skipped=lambda: None, crashed=base.count("watch"))

    def _prepare_index(self) -> None:
        self._parts.index.prepare(self._parts.base.clock.now())
