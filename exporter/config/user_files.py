"""Lists of users in files, and how they are joined with those of the configuration."""

from __future__ import annotations

import glob
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from exporter.common.durations import format_duration
from exporter.config.document import Document, parse_yaml, read_text
from exporter.config.errors import ConfigError, Fault
from exporter.config.plain_users import plain_users
from exporter.config.schema import StaticUser
from exporter.config.validation import keys_of, sorted_faults, validated
from exporter.model.user import Owner, OwnThresholds, User

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.config.alerting import Alerting

Stamp = tuple[tuple[str, int, int, int, int], ...]
"""The state of a set of files, to detect changes: name, inode, modification and change time, size of each."""

_ENTRIES: TypeAdapter[tuple[StaticUser, ...]] = TypeAdapter(tuple[StaticUser, ...])
_WILDCARDS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class UserFiles:
    """The user files of one organization.

    Attributes:
        folder: what the patterns are relative to.
        patterns: names and globs of the files.
        alerting: general thresholds to check those of entries against; None skips this check.
    """

    folder: Path
    patterns: tuple[str, ...]
    alerting: Alerting | None = None

    def stamp(self) -> Stamp:
        """The present state of the files. Cheap enough to call every few seconds."""
        found = []
        for name in self._names():
            try:
                stat = (self.folder / name).stat()
            except OSError:
                found.append((name, 0, 0, 0, 0))
            else:
                found.append((name, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size))
        return tuple(found)

    def read(self) -> tuple[User, ...]:
        """The users of all files, in the order of the patterns, then of the names.

        Raises:
            ConfigError: with all faults of all files. A pattern without a match is a fault, so that an unmounted folder
                does not look like an organization without users.
        """
        users: list[User] = []
        faults: list[Fault] = []
        names = self._names()
        for pattern in self.patterns:
            if not self._matches(pattern):
                hint = "check the pattern and the folder; for no users, use a file that contains []"
                faults.append(Fault(pattern, None, "", "matches no file", hint))
        for name in names:
            try:
                users.extend(_read_users(self.folder / name, name, self.alerting))
            except ConfigError as error:
                faults.extend(error.faults)
        if faults:
            raise ConfigError(tuple(faults))
        return tuple(users)

    def _names(self) -> list[str]:
        names: dict[str, None] = {}
        for pattern in self.patterns:
            if not _WILDCARDS.intersection(pattern):
                names[pattern] = None  # a file without wildcards must exist
                continue
            names.update(dict.fromkeys(self._matches(pattern)))
        return list(names)

    def _matches(self, pattern: str) -> list[str]:
        if not _WILDCARDS.intersection(pattern):
            return [pattern]
        found = sorted(glob.glob(pattern, root_dir=self.folder, recursive=True))  # noqa: PTH207
        return [name for name in found if _may_be_a_list(self.folder / name)]


def _may_be_a_list(file: Path) -> bool:
    """Whether to read a file that matches a pattern: not folders and pipes; one without access is a fault later."""
    try:
        return file.is_file()
    except OSError:
        return True


def _read_users(file: Path, name: str, alerting: Alerting | None) -> tuple[User, ...]:
    text = read_text(file, name)
    users = plain_users(text, alerting)
    return exact_users(text, name, alerting) if users is None else users


def exact_users(text: str, name: str, alerting: Alerting | None) -> tuple[User, ...]:
    """The users of a list in YAML; all that `plain_users` does not decline it reads in the same way.

    Raises:
        ConfigError: with all faults.
    """
    document = parse_yaml(text, name)
    if document.data is None and not document.faults:
        raise ConfigError((Fault(name, None, "", "is empty", "write [] for no users"),))
    entries = validated(_ENTRIES, document, lambda path: keys_of(StaticUser, path[1:]))
    faults = (*duplicate_id_faults(document, entries, ()), *threshold_faults(document, entries, (), alerting))
    if faults:
        raise ConfigError(sorted_faults(faults))
    return tuple([_user(entry) for entry in entries])


def duplicate_id_faults(
    document: Document, entries: tuple[StaticUser, ...], path: tuple[str | int, ...]
) -> tuple[Fault, ...]:
    """A fault for each entry whose id appears earlier in the same list."""
    first: dict[str, int] = {}
    faults = []
    for index, entry in enumerate(entries):
        if entry.id in first:
            line = document.line((*path, first[entry.id]))
            message = f"user {entry.id} is listed twice, first on line {line}"
            faults.append(document.fault((*path, index, "id"), message, "keep one"))
        first.setdefault(entry.id, index)
    return tuple(faults)


def threshold_faults(
    document: Document, entries: tuple[StaticUser, ...], path: tuple[str | int, ...], alerting: Alerting | None
) -> tuple[Fault, ...]:
    """A fault for each entry whose critical threshold, with the general ones as defaults, is not the shorter one."""
    if alerting is None:
        return ()
    faults = []
    for index, entry in enumerate(entries):
        effective = alerting.expiry_thresholds(_own_thresholds(entry))
        if effective.critical >= effective.warning:
            message = (
                f"user {entry.id}: the critical threshold ({format_duration(effective.critical)}) must be shorter "
                f"than the warning threshold ({format_duration(effective.warning)})"
            )
            hint = "set both here; a threshold that is not set is that of alerting.thresholds"
            faults.append(document.fault((*path, index, "thresholds"), message, hint))
    return tuple(faults)


def joined(entries: Iterable[StaticUser], listed: Iterable[User]) -> tuple[User, ...]:
    """The users of the configuration and of its files, each id once; entries of the configuration win."""
    users: dict[str, User] = {}
    for user in itertools.chain(map(_user, entries), listed):
        users.setdefault(user.user_id, user)
    return tuple(users.values())


def first_wins(*lists: Iterable[User]) -> tuple[User, ...]:
    """The users of several lists, each id once; later lists add only what earlier ones leave out."""
    users: dict[str, User] = {}
    for one in lists:
        for user in one:
            first = users.get(user.user_id)
            users[user.user_id] = user if first is None else _filled(first, user)
    return tuple(users.values())


def _filled(first: User, later: User) -> User:
    return User(
        first.user_id,
        # Without a name in the configuration, the name is the id.
        later.name if first.name == first.user_id else first.name,
        tuple(sorted((dict(later.labels) | dict(first.labels)).items())),
        first.thresholds or later.thresholds,
        first.owner or later.owner,
    )


def _user(entry: StaticUser) -> User:
    # Prometheus and Alertmanager treat an empty label as missing.
    labels = {name: value for name, value in entry.labels.items() if value}
    owner = Owner(labels.get("email"), labels.get("department"), labels.get("username"))
    return User(
        entry.id,
        entry.name or entry.id,
        tuple(sorted(labels.items())),
        _own_thresholds(entry),
        None if owner == Owner() else owner,
    )


def _own_thresholds(entry: StaticUser) -> OwnThresholds | None:
    own = entry.thresholds
    return None if own is None else OwnThresholds(own.warning, own.critical, own.info)
