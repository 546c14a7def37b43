"""Whom to watch: the users of the configuration joined with those of the user files, read anew when a file changes."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from exporter.common.durations import format_duration
from exporter.config.document import Document, read_yaml
from exporter.config.errors import ConfigError, Fault
from exporter.config.schema import StaticUser
from exporter.config.validation import checked, in_order, keys_of
from exporter.model.user import Owner, OwnThresholds, User

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.config.alerting import Alerting

Stamp = tuple[tuple[str, int, int, int, int], ...]
"""What tells that a set of files is another one: name, inode, two times of change and size of each."""

_ENTRIES: TypeAdapter[tuple[StaticUser, ...]] = TypeAdapter(tuple[StaticUser, ...])
_WILDCARDS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class UserFiles:
    """The user files of one organization.

    Attributes:
        folder: what the patterns are relative to.
        patterns: names and globs of the files.
        alerting: what an entry's own thresholds are joined with to be checked; None checks each entry by itself.
    """

    folder: Path
    patterns: tuple[str, ...]
    alerting: Alerting | None = None

    def stamp(self) -> Stamp:
        """The present state of the files, cheap enough to ask for every few seconds."""
        found = []
        for name in self._names():
            try:
                stat = (self.folder / name).stat()
            except OSError:
                found.append((name, 0, 0, 0, 0))
            else:
                found.append((name, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size))
        return tuple(found)

    def read(self) -> tuple[StaticUser, ...]:
        """The entries of all files, in the order of the patterns, then of the names.

        Raises:
            ConfigError: with every fault of every file. A pattern that matches nothing is one: an unmounted folder
                must not look like an organization without users.
        """
        entries: list[StaticUser] = []
        faults: list[Fault] = []
        names = self._names()
        for pattern in self.patterns:
            if not self._matches(pattern):
                hint = "check the pattern and the folder; for no users, use a file that contains []"
                faults.append(Fault(pattern, None, "", "matches no file", hint))
        for name in names:
            try:
                entries.extend(_read_entries(self.folder / name, name, self.alerting))
            except ConfigError as error:
                faults.extend(error.faults)
        if faults:
            raise ConfigError(tuple(faults))
        return tuple(entries)

    def _names(self) -> list[str]:
        names: dict[str, None] = {}
        for pattern in self.patterns:
            if not _WILDCARDS.intersection(pattern):
                names[pattern] = None  # a file named outright must be there
                continue
            names.update(dict.fromkeys(self._matches(pattern)))
        return list(names)

    def _matches(self, pattern: str) -> list[str]:
        if not _WILDCARDS.intersection(pattern):
            return [pattern]
        found = sorted(glob.glob(pattern, root_dir=self.folder, recursive=True))  # noqa: PTH207
        return [name for name in found if _may_be_a_list(self.folder / name)]


def _may_be_a_list(file: Path) -> bool:
    """Whether a file that a pattern matches is read: folders and pipes are not, and one that is hidden is a fault."""
    try:
        return file.is_file()
    except OSError:
        return True


def _read_entries(file: Path, name: str, alerting: Alerting | None) -> tuple[StaticUser, ...]:
    document = read_yaml(file, name)
    if document.data is None and not document.faults:
        raise ConfigError((Fault(name, None, "", "is empty", "write [] for no users"),))
    entries = checked(_ENTRIES, document, lambda path: keys_of(StaticUser, path[1:]))
    faults = (*repeated_ids(document, entries, ()), *threshold_faults(document, entries, (), alerting))
    if faults:
        raise ConfigError(in_order(faults))
    return entries


def repeated_ids(document: Document, entries: tuple[StaticUser, ...], path: tuple[str | int, ...]) -> tuple[Fault, ...]:
    """A fault for each entry whose id the same list has already had."""
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
    """A fault for each entry whose thresholds, joined with the general ones, are in the wrong order."""
    if alerting is None:
        return ()
    faults = []
    for index, entry in enumerate(entries):
        warning, critical = alerting.effective(_own_thresholds(entry))
        if critical >= warning:
            message = (
                f"user {entry.id}: the critical threshold ({format_duration(critical)}) must be shorter than the "
                f"warning threshold ({format_duration(warning)})"
            )
            hint = "set both here; a threshold that is not set is that of alerting.thresholds"
            faults.append(document.fault((*path, index, "thresholds"), message, hint))
    return tuple(faults)


def joined(*lists: Iterable[StaticUser]) -> tuple[User, ...]:
    """The users of several lists, each id once; what an earlier list says of it wins."""
    users: dict[str, User] = {}
    for entries in lists:
        for entry in entries:
            if entry.id not in users:
                users[entry.id] = _user(entry)
    return tuple(users.values())


def first_wins(*lists: Iterable[User]) -> tuple[User, ...]:
    """The users of several lists, each id once; what an earlier list leaves open a later one fills."""
    users: dict[str, User] = {}
    for one in lists:
        for user in one:
            first = users.get(user.user_id)
            users[user.user_id] = user if first is None else _filled(first, user)
    return tuple(users.values())


def _filled(first: User, later: User) -> User:
    return User(
        first.user_id,
        # Where no name was given the id stands for it.
        later.name if first.name == first.user_id else first.name,
        tuple(sorted((dict(later.labels) | dict(first.labels)).items())),
        first.thresholds or later.thresholds,
        first.owner or later.owner,
    )


def _user(entry: StaticUser) -> User:
    # An empty label is no label, to Prometheus as to Alertmanager.
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
    return None if own is None else OwnThresholds(own.warning, own.critical)
