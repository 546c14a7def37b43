"""Warnings about a configuration that is valid: what needs a restart, what has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.app.in_force import Current
    from exporter.common.clock import Clock
    from exporter.config.redis import Redis
    from exporter.config.settings import Settings

_log = structlog.get_logger(__name__)


class ConfigWarnings:
    """Logs each warning once, for as long as it applies.

    Args:
        current: the configuration in force; the present one is that of the start.
        clock: the time.
    """

    def __init__(self, current: Current, clock: Clock) -> None:
        self._current = current
        # Only this, since the settings have every user of the start.
        self._storage_at_start, self._redis_at_start = _fixed(current.value.settings)
        self._clock = clock
        self._logged: frozenset[str] = frozenset()

    def report(self, settings: Settings) -> None:
        """Warn of what a reload could not put in force, then as `check`."""
        storage, redis = _fixed(settings)
        if storage != self._storage_at_start:
            _log.warning("storage.path has changed; it takes effect at the next start")
        if redis != self._redis_at_start:
            _log.warning("redis has changed; it takes effect at the next start")
        self.check()

    def check(self) -> None:
        """Warn of what has come up meanwhile, such as a silence that has ended."""
        warnings = frozenset(self._current.value.settings.warnings(self._clock.now()))
        for warning in sorted(warnings - self._logged):
            _log.warning("configuration warning", note=warning)
        self._logged = warnings


def _fixed(settings: Settings) -> tuple[Path | None, Redis | None]:
    """What takes effect at the next start only."""
    return settings.storage, None if settings.redis is None else settings.redis.config
