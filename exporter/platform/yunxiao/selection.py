"""Which of the users on a list the configuration selects, by their status and their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.common.regex import compiled_regex

if TYPE_CHECKING:
    from exporter.config.discovery import Discover
    from exporter.platform.yunxiao.directory import Person

_DELETED = "deleted"
_UNDELETED = "undeleted"
_GROUPS = {
    "enabled": frozenset({"normal_using", "unvisited"}),
    _UNDELETED: frozenset({"normal_using", "unvisited", "disabled"}),
}
"""The statuses that stand for several others. Whether an answer uses the group or its members is unconfirmed."""


class Selection:
    """Selects users. The platform may ignore the status in a request, so that it is checked again here.

    Args:
        config: the section `users.discover`.
    """

    def __init__(self, config: Discover) -> None:
        # No status selects the same users as this one.
        self._status = (config.status or _UNDELETED).lower()
        self._include = [compiled_regex(pattern) for pattern in config.include]
        self._exclude = [compiled_regex(pattern) for pattern in config.exclude]

    def selects(self, person: Person) -> bool:
        """Whether status and names of a person are selected."""
        if person.status and not self._has_status(person.status):
            return False
        texts = [text for text in (person.name, person.username, person.email) if text]
        if self._include and not any(regex.fullmatch(text) for regex in self._include for text in texts):
            return False
        return not any(regex.fullmatch(text) for regex in self._exclude for text in texts)

    def _has_status(self, status: str) -> bool:
        if self._status == _UNDELETED:
            return status != _DELETED
        # In doubt a person is watched: one listed as `enabled` may be `unvisited`.
        return not _members(status).isdisjoint(_members(self._status))


def _members(status: str) -> frozenset[str]:
    """The statuses that a status stands for."""
    return _GROUPS.get(status, frozenset({status}))
