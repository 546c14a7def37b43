"""Reads lists of users that are written plainly, many times faster than YAML is read in general.

Only lists as `exporter.config.plain_yaml` reads them, and without any fault, are accepted. Everything else is declined:
then the exact reader decides, and its messages name lines and keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from exporter.common.fields import LabelName
from exporter.common.plain_secrets import looks_like_a_token
from exporter.config.alerting import UserThresholds
from exporter.config.plain_yaml import DeclinedError, plain_entries
from exporter.config.tree import MOST_VALUES
from exporter.model.user import Owner, OwnThresholds, User

if TYPE_CHECKING:
    from exporter.config.alerting import Alerting

T = TypeVar("T")
Labels = tuple[tuple[str, str], ...]

_OWNER = frozenset({"email", "department", "username"})
_LONGEST = 256
_LABEL_NAME: TypeAdapter[str] = TypeAdapter(LabelName)
_THRESHOLDS: TypeAdapter[UserThresholds] = TypeAdapter(UserThresholds)


def plain_users(text: str, alerting: Alerting | None) -> tuple[User, ...] | None:
    """The users of a list that is written plainly.

    Args:
        text: the file.
        alerting: general thresholds to check those of entries against; None skips this check.

    Returns:
        None if the exact reader must read it.
    """
    users = _Users(alerting)
    try:
        for entry in plain_entries(text):
            users.add(entry)
        return users.checked()
    except DeclinedError:
        return None


class _Users:
    """Checks entries as the schema does, and converts them."""

    def __init__(self, alerting: Alerting | None) -> None:
        self._alerting = alerting
        self._users: list[User] = []
        self._ids: set[str] = set()
        self._values = 1
        self._label_names: set[str] = set()
        # The labels and thresholds as written, and what they are: many users have the same.
        self._labels: dict[Labels, Labels] = {}
        self._thresholds: dict[Labels, OwnThresholds] = {}

    def add(self, entry: dict[str, Any]) -> None:
        """Add an entry.

        Raises:
            DeclinedError: it has a fault.
        """
        user_id = _text(entry.pop("id", None))
        name = _text(entry.pop("name")) if "name" in entry else user_id
        labels: Labels = ()
        thresholds = None
        self._values += 5
        if "labels" in entry:
            labels = self._labels_of(_mapping(entry.pop("labels")))
        if "thresholds" in entry:
            thresholds = self._thresholds_of(_mapping(entry.pop("thresholds")))
        if entry:
            raise DeclinedError
        if user_id in self._ids or self._values > MOST_VALUES:
            raise DeclinedError
        self._ids.add(user_id)
        self._users.append(User(user_id, name, labels, thresholds, _owner(labels) if labels else None))

    def checked(self) -> tuple[User, ...]:
        """All users.

        Raises:
            DeclinedError: there are none, or one has a fault.
        """
        texts = [text for user in self._users for text in (user.user_id, user.name)]
        texts.extend(value for labels in self._labels for _, value in labels)
        if not self._users or looks_like_a_token("\n".join(texts)):
            raise DeclinedError
        self._check_order(None)
        return tuple(self._users)

    def _labels_of(self, labels: dict[str, str]) -> Labels:
        self._values += 2 + 2 * len(labels)
        written = tuple(labels.items())
        known = self._labels.get(written)
        if known is None:
            for name in labels:
                if name not in self._label_names:
                    if len(name) > _LONGEST:
                        raise DeclinedError  # YAML limits keys
                    _valid(_LABEL_NAME, name)
                    self._label_names.add(name)
            # Prometheus and Alertmanager treat an empty label as missing.
            known = self._labels[written] = tuple(
                sorted(written if all(labels.values()) else filter(_has_value, written))
            )
        return known

    def _thresholds_of(self, thresholds: dict[str, str]) -> OwnThresholds:
        self._values += 2 + 2 * len(thresholds)
        written = tuple(thresholds.items())
        known = self._thresholds.get(written)
        if known is None:
            own = _valid(_THRESHOLDS, thresholds)
            known = self._thresholds[written] = OwnThresholds(own.warning, own.critical, own.info)
            self._check_order(known)
        return known

    def _check_order(self, own: OwnThresholds | None) -> None:
        if self._alerting is not None:
            effective = self._alerting.expiry_thresholds(own)
            if effective.critical >= effective.warning:
                raise DeclinedError


def _owner(labels: Labels) -> Owner | None:
    named = dict(labels)
    if _OWNER.isdisjoint(named):
        return None
    return Owner(named.get("email"), named.get("department"), named.get("username"))


def _text(value: Any) -> str:
    """An id or a name. One with white space around it is declined: pydantic and Python do not strip the same."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST or value != value.strip():
        raise DeclinedError
    return value


def _has_value(label: tuple[str, str]) -> bool:
    return bool(label[1])


def _mapping(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise DeclinedError
    return value


def _valid(adapter: TypeAdapter[T], value: Any) -> T:
    try:
        return adapter.validate_python(value)
    except ValidationError:
        raise DeclinedError from None
