"""Which users of an organization are watched: those listed by hand and those discovered, limited to one shard."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import structlog

from exporter.config.errors import ConfigError
from exporter.config.user_files import first_wins, joined
from exporter.model.user import with_known_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.config.settings import OrganizationSettings
    from exporter.model.user import User

_log = structlog.get_logger(__name__)


class FileObserver(Protocol):
    """Counts files that cannot be used."""

    def file_error(self, kind: str) -> None:
        """A file became invalid; the last valid content stays in effect."""
        ...


class Watched(Protocol):
    """Where the list of watched users goes."""

    def watch(self, users: Iterable[User]) -> None:
        """Set the watched users."""
        ...


def watched_users(listed: Iterable[User], discovered: Iterable[User], takes: Callable[[str], bool]) -> tuple[User, ...]:
    """The users to watch, each id once; what is listed by hand wins over what is discovered.

    Args:
        listed: users of the configuration and its user files.
        discovered: users found on the platform.
        takes: whether the user with an id belongs to this shard.
    """
    return tuple(user for user in first_wins(listed, discovered) if takes(user.user_id))


class Roster:
    """Keeps the list of watched users up to date, from any thread.

    Args:
        settings: the organization's configuration.
        discovered: users found before a reload or a restart.
        takes: whether the user with an id belongs to this shard.
        watched: receives the list when it may have changed.
        observer: counts invalid user files.
    """

    def __init__(
        self,
        settings: OrganizationSettings,
        discovered: Iterable[User],
        takes: Callable[[str], bool],
        watched: Watched,
        observer: FileObserver,
    ) -> None:
        self._takes = takes
        self._watched = watched
        self._observer = observer
        # Guards the fields below and the order in which lists are handed on: a check of the files or a discovery must
        # not overwrite what a reload has just put in force.
        self._lock = threading.Lock()
        self._settings = settings
        self._stamp = settings.users_stamp
        self._listed = settings.users
        self._discovered = tuple(discovered)
        self._log = _log.bind(organization=settings.config.name)

    @property
    def listed(self) -> tuple[User, ...]:
        """The users listed by hand, of all shards."""
        return self._listed

    @property
    def users(self) -> tuple[tuple[User, ...], ...]:
        """The users listed by hand and the discovered ones, of all shards: the same objects until a list changes."""
        return self._listed, self._discovered

    def take_over(self, discovered: Iterable[User]) -> None:
        """Decide from now on, starting with these discovered users."""
        with self._lock:
            self._hand_on(self._listed, tuple(discovered))

    def configure(self, settings: OrganizationSettings) -> None:
        """Replace the users listed by hand; discovered ones stay."""
        with self._lock:
            self._settings = settings
            self._stamp = settings.users_stamp
            self._hand_on(settings.users, self._discovered)

    def set_discovered(self, users: tuple[User, ...]) -> None:
        """Replace the discovered users; users listed by hand stay. If that raises, the previous list stays."""
        with self._lock:
            self._hand_on(self._listed, users)

    def check_files(self) -> bool:
        """Read the user files again if one of them has changed; whether the list comes from new content now.

        Files that cannot be used leave the last valid list in effect. That is logged and counted once for each change.
        """
        # Without the lock: a reload must not wait for a disk that hangs.
        settings = self._settings
        stamp = settings.user_files.stamp()
        if stamp == self._stamp:
            return False
        users, problem = None, ""
        try:
            read = joined(settings.config.users.static, settings.user_files.read())
            users = with_known_objects(read, self._listed)
        except ConfigError as error:
            problem = str(error)
        with self._lock:
            if self._settings is not settings:
                return False  # a reload has put another list in force meanwhile
            self._stamp = stamp
            if users is not None:
                self._hand_on(users, self._discovered)
        if users is None:
            self._observer.file_error("users_file")
            self._log.error("user files became invalid, the last valid list stays in effect", detail=problem)
            return False
        self._log.info("user files changed", users=len(watched_users(users, (), self._takes)))
        return True

    def release(self) -> None:
        """Drop the lists: another roster decides from now on."""
        with self._lock:
            self._settings = replace(self._settings, users=())
            self._listed = self._discovered = ()

    def _hand_on(self, listed: tuple[User, ...], discovered: tuple[User, ...]) -> None:
        """Hand on the new list. With the lock."""
        self._watched.watch(watched_users(listed, discovered, self._takes))
        self._listed = listed
        self._discovered = discovered
