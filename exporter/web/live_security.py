"""The web configuration in effect: follows its files, and guards the application with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from exporter.config.errors import ConfigError
from exporter.web.basic_auth import BasicAuth
from exporter.web.handshake import CurrentTls, ServerTls
from exporter.web.headers import SecurityHeaders
from exporter.web.open_health import OpenHealth
from exporter.web.rate_limit import RateLimited
from exporter.web.route_prefix import below_prefix

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp

    from exporter.common.worker import MonotonicClock
    from exporter.web.refusals import Refusals
    from exporter.web.security import Stamp, WebSecurity

_log = structlog.get_logger(__name__)
CHECK_INTERVAL = 0.5
"""Seconds between two checks whether a file has changed. A change counts when no file changes any more."""


class LiveSecurity:
    """The web configuration in effect.

    Files that become invalid leave the last valid ones in effect. Connections that are open keep their TLS settings.

    Args:
        security: the configuration at the start.
        app: the application to guard.
        clock: monotonic time.
        refusals: counts refused clients.
        failed: counts files that became invalid.
        route_prefix: the path below which everything is served; "" for none.
    """

    def __init__(
        self,
        security: WebSecurity,
        app: ASGIApp,
        clock: MonotonicClock,
        refusals: Refusals,
        failed: Callable[[], None],
        route_prefix: str = "",
    ) -> None:
        # Replaced as a whole by the thread that checks the files; the event loop reads it.
        self._current = security
        self._failed = failed
        self._basic_auth = BasicAuth(app, security.users, clock, refusals)
        limited = RateLimited(self._basic_auth, lambda: self._current.config.rate_limit, clock, refusals)
        health = OpenHealth(app, limited, self._opens_health)
        # Outside of authentication, so that everything within sees paths without the prefix.
        prefixed = below_prefix(health, route_prefix)
        self.app: ASGIApp = SecurityHeaders(prefixed, lambda: self._current.config.http_server_config.headers)
        self.tls: CurrentTls | None = None
        if security.tls is not None:
            self.tls = CurrentTls.of(
                self._tls_in_effect, lambda reason, detail: refusals.refused(reason, detail=detail)
            )
        self._stamp: Stamp | None = None
        self._problem: str | None = None
        self._reported: str | None = None

    @property
    def current(self) -> WebSecurity:
        """The configuration in effect."""
        return self._current

    def check(self) -> float | None:
        """Put changed files in effect.

        Returns:
            Seconds until the next check; None if there is no file to check.
        """
        if not self._current.files:
            return None
        stamp = self._current.stamp_now()
        if self._problem is None and stamp == self._current.stamp:
            return CHECK_INTERVAL
        if stamp != self._stamp:
            # It may still be written to: half of a file can be valid, and let more clients in.
            self._stamp = stamp
            return CHECK_INTERVAL
        try:
            new = self._current.again()
        except ConfigError as error:
            self._report(str(error))
            return CHECK_INTERVAL
        self._problem = self._reported = None
        self._basic_auth.use(new.users)
        self._current = new
        _log.info("web configuration reloaded", file=str(new.file), users=len(new.users))
        for warning in new.warnings:
            _log.warning("web configuration", detail=warning)
        return CHECK_INTERVAL

    def _report(self, problem: str) -> None:
        # Only if it lasts: a certificate and its key are two files, and are not replaced at the same moment.
        if problem == self._problem and problem != self._reported:
            self._failed()
            _log.error(
                "the web configuration or a file that it names became invalid, the last valid one stays in effect",
                detail=problem,
            )
            self._reported = problem
        self._problem = problem

    def _opens_health(self) -> bool:
        security = self._current
        return security.open_health and bool(security.users or security.config.rate_limit.interval)

    def _tls_in_effect(self) -> ServerTls:
        tls = self._current.tls
        assert tls is not None, "a reload does not switch TLS off"  # noqa: S101 - for the type checker
        return tls
