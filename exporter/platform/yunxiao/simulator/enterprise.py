"""The people of a simulated enterprise and their tokens: the same for the same seed, made on demand."""

from __future__ import annotations

import random
import threading
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from exporter.model.user import User

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0

_FAMILY = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_GIVEN = (
    "伟",
    "芳",
    "娜",
    "秀英",
    "敏",
    "静",
    "丽",
    "强",
    "磊",
    "军",
    "洋",
    "勇",
    "艳",
    "杰",
    "涛",
    "明",
    "超",
    "浩然",
)
_LATIN = ("li.wei", "wang.fang", "zhang.min", "chen.jie", "yang.tao", "zhao.lei", "sun.yan", "ma.chao", "lin.jing")
_PURPOSES = ("ci", "deploy", "laptop", "backup-job", "流水线", "release-bot", "sonar", "ide", "migration", "nightly")
_PERMISSIONS = (
    "base_user_read",
    "base_organization_read",
    "base_orgmember_read",
    "base_orgmember_read_write",
    "lingma_chat_read",
    "lingma_chat_read_write",
    "lingma_knowledgeBase_read",
    "lingma_knowledgeBase_read_write",
    "lingma_kbFile_read",
    "lingma_kbFile_read_write",
    "lingma_developerUsage_read",
    "base_user_read_write",
)
_NAMESPACE = uuid.UUID("6f1b2f5e-7c1d-5a55-9c0b-0d6d5f6f9e11")


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token as the platform keeps it.

    Attributes:
        token_id: the public part.
        name: given by the owner.
        permissions: what it grants.
        created_at: epoch seconds.
        expires_at: epoch seconds; None for never.
    """

    token_id: str
    name: str
    permissions: tuple[str, ...]
    created_at: float
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """A person as the platform keeps them.

    Attributes:
        departments: ids of the departments that the person is in.
        status: `enabled`, `disabled` or `deleted`.
    """

    user_id: str
    name: str
    username: str
    email: str
    departments: tuple[str, ...]
    status: str = "enabled"


ORGANIZATIONS = {"org-1": "研发中心", "org-2": "Operations"}
"""The made-up organizations: every second person is a member of the second one too."""
DEPARTMENTS = {
    "dept-1": ("研发部", ""),
    "dept-2": ("平台组", "dept-1"),
    "dept-3": ("移动端", "dept-1"),
    "dept-4": ("Operations", ""),
}
"""The made-up departments by id: their names, and the ids of those above them."""


class Enterprise:
    """Users and their tokens.

    Args:
        size: how many users to make up.
        seed: the same seed makes the same people; their dates depend on ``base``.
        base: epoch seconds that all made-up dates are relative to.
        tokens: tokens by user id; replaces those of a made-up user or adds a user.
    """

    def __init__(
        self,
        size: int = 0,
        seed: int = 1,
        *,
        base: float,
        tokens: Mapping[str, Iterable[TokenRecord]] | None = None,
    ) -> None:
        self._seed = seed
        self._base = base
        self._index = {_user_id(seed, number): number for number in range(size)}
        self._made_up = [User(user_id, _name(seed, number)) for user_id, number in self._index.items()]
        # Guards the fields below: tests change them while requests read them.
        self._lock = threading.Lock()
        self._left: set[str] = set()
        self._people: dict[str, PersonRecord] = {}
        self._set = {user_id: tuple(records) for user_id, records in (tokens or {}).items()}

    def users(self) -> list[User]:
        """All users, in a fixed order."""
        return self._made_up + [User(user_id, user_id) for user_id in list(self._set) if user_id not in self._index]

    def people(self) -> list[PersonRecord]:
        """All people in the directory of the platform, in a fixed order."""
        users = self.users()
        with self._lock:
            for number, user in enumerate(users):
                if user.user_id not in self._people:
                    self._people[user.user_id] = _person(self._seed, number, user)
            return [self._people[user.user_id] for user in users if user.user_id not in self._left]

    def members(self, organization_id: str) -> list[PersonRecord]:
        """The members of an organization; none if it is unknown."""
        first, second = ORGANIZATIONS
        people = self.people()
        return {first: people, second: people[::2]}.get(organization_id, [])

    def leave(self, user_id: str) -> None:
        """Remove a person from the directory; the tokens stay."""
        with self._lock:
            self._left.add(user_id)

    def knows(self, user_id: str) -> bool:
        """Whether there is such a user."""
        return user_id in self._index or user_id in self._set

    def tokens(self, user_id: str) -> tuple[TokenRecord, ...]:
        """The tokens of a user; () for an unknown one."""
        with self._lock:
            if (records := self._set.get(user_id)) is not None:
                return records
        number = self._index.get(user_id)
        return () if number is None else _tokens(self._seed, number, self._base)

    def set_tokens(self, user_id: str, records: Iterable[TokenRecord]) -> None:
        """Replace the tokens of a user."""
        with self._lock:
            self._set[user_id] = tuple(records)

    def renew(self, user_id: str, token_id: str, expires_at: float | None) -> None:
        """Change the expiry of one token of a user."""
        records = self.tokens(user_id)
        self.set_tokens(
            user_id, [replace(one, expires_at=expires_at) if one.token_id == token_id else one for one in records]
        )

    def delete(self, user_id: str, token_id: str) -> None:
        """Delete one token of a user."""
        self.set_tokens(user_id, [one for one in self.tokens(user_id) if one.token_id != token_id])


def _random(seed: int, number: int, what: str) -> random.Random:
    return random.Random(f"{seed}/{number}/{what}")  # noqa: S311 - made-up people, nothing to guess


def _user_id(seed: int, number: int) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{seed}/{number}"))


def _name(seed: int, number: int) -> str:
    chance = _random(seed, number, "name")
    if number % 3 == 0:
        return chance.choice(_FAMILY) + chance.choice(_GIVEN)
    return f"{chance.choice(_LATIN)}.{number}"


def _person(seed: int, number: int, user: User) -> PersonRecord:
    username = user.name if user.name.isascii() else f"user.{number}"
    department = _random(seed, number, "department").choice(list(DEPARTMENTS))
    return PersonRecord(user.user_id, user.name, username, f"{username}@example.com", (department,))


def _tokens(seed: int, number: int, base: float) -> tuple[TokenRecord, ...]:
    """Three tokens on average. The first users show one kind each, so that a small enterprise has them all."""
    chance = _random(seed, number, "tokens")
    kinds = ("minutes", "days", "expired", "never", "many", "months", "none")
    if number < len(kinds):
        chosen = [kinds[number]]
    else:
        chosen = chance.choices(kinds[:-1], weights=(1, 12, 14, 8, 5, 60), k=chance.choice((0, 1, 2, 3, 3, 4, 5, 6)))
    return tuple(_token(chance, kind, base) for kind in chosen if kind != "none")


def _token(chance: random.Random, kind: str, base: float) -> TokenRecord:
    left: float | None
    match kind:
        case "minutes":
            left = chance.uniform(5 * MINUTE, 55 * MINUTE)
        case "days":
            left = chance.uniform(1 * DAY, 14 * DAY)
        case "expired":
            left = -chance.uniform(1 * HOUR, 200 * DAY)
        case "never":
            left = None
        case _:
            left = chance.uniform(15 * DAY, 300 * DAY)
    many = kind == "many"
    granted = chance.sample(_PERMISSIONS, len(_PERMISSIONS) if many else chance.randint(1, 3))
    lifetime = chance.choice((30, 90, 180, 365)) * DAY
    end = base + (lifetime / 2 if left is None else left)
    return TokenRecord(
        token_id="pt-" + "".join(chance.choices("0123456789abcdefghijklmnopqrstuvwxyz", k=12)),
        name=f"{chance.choice(_PURPOSES)}-{chance.randint(1, 9)}",
        permissions=tuple(granted),
        # whole seconds, as a person would read them; a created date never lies ahead of the base
        created_at=float(int(min(end - lifetime, base - HOUR))),
        expires_at=None if left is None else float(int(base + left)),
    )


def iso(epoch: float) -> str:
    """A date as the platform's documentation writes it: ``2023-03-22T12:44:50.048Z``."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=round(epoch * 1000))
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
