"""Reloads when the configuration file has changed (`--config.auto-reload`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from exporter.app.reloader import DEFECT
from exporter.config.content import FileContent
from exporter.config.errors import ConfigError, ReloadError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exporter.app.in_force import Current
    from exporter.config.settings import Settings

_log = structlog.get_logger(__name__)
_SETTLE = 2.0
"""Seconds for which a changed content must stay the same."""


class AutoReload:
    """Compares the content of the configuration file with what is in effect, and reloads when it differs.

    A change counts once two checks in a row find the same content, because the file may be half written. That it cannot
    be read counts only if it lasts for an interval.

    A content that is refused is not reloaded again. It is loaded on trial at each check, without a word in the log,
    because the files that it names may be corrected or appear later, such as a secret that is mounted after the file
    that names it.

    Args:
        current: the configuration in effect.
        load: loads the configuration; raises ConfigError.
        reload: loads it and puts it in effect; raises ReloadError.
        interval: seconds between two checks.
        content_of: the content of a file now.
    """

    def __init__(
        self,
        current: Current,
        load: Callable[[], Settings],
        reload: Callable[[], None],
        interval: float,
        content_of: Callable[[Path], FileContent] = FileContent.of,
    ) -> None:
        self._current = current
        self._load = load
        self._reload = reload
        self._interval = interval
        self._content_of = content_of
        # The content that the last check found, if it is not in effect.
        self._pending: FileContent | None = None
        # The content that was refused last, and why.
        self._refused: FileContent | None = None
        self._problem = ""
        self._on_trial = False

    def check(self) -> float | None:
        """Check once, and reload if it is time to.

        Returns:
            Seconds until the next check; None without a configuration file.
        """
        value = self._current.value
        loaded = value.settings.content
        if loaded is None:
            return None
        found = self._content_of(loaded.file)
        if found == loaded and value.refused_since is None:
            self._pending = self._refused = None
        elif found == self._refused:
            self._pending = None
            if self._on_trial and self._loads():
                self._attempt(found)
        elif found != self._pending:
            self._pending = found
            return min(_SETTLE, self._interval) if found.readable else self._interval
        else:
            self._pending = None
            _log.info("the configuration has changed, reloading", file=str(found.file))
            self._attempt(found)
        return self._interval

    def _attempt(self, content: FileContent) -> None:
        try:
            self._reload()
        except ReloadError as error:
            problem = str(error)
            # After a defect, or if it was loaded on trial and is refused all the same, another trial shows nothing new.
            again = content == self._refused and problem == self._problem
            self._on_trial = problem != DEFECT and not again
            self._refused, self._problem = content, problem
        else:
            self._refused = None

    def _loads(self) -> bool:
        """Whether the refused content can be loaded now, or is refused for another reason."""
        try:
            self._load()
        except ConfigError as error:
            return str(error) != self._problem
        except Exception:
            # A defect, which the worker logs and counts: once for a content.
            self._on_trial = False
            raise
        return True
