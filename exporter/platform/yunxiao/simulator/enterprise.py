"""The people of a simulated enterprise and their tokens: the same for the same seed, made on demand."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from exporter.model.user import User
from exporter.platform.yunxiao.simulator.made_up import (
    made_up_keys,
    made_up_person,
    made_up_tokens,
    made_up_user,
)
from exporter.platform.yunxiao.simulator.records import DEPARTMENTS, ORGANIZATIONS, KeyRecord, PersonRecord, TokenRecord
from exporter.platform.yunxiao.simulator.wire import iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Enterprise:
    """Users, their tokens and their SSH keys.

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
        self._made_up = [made_up_user(seed, number) for number in range(size)]
        self._index = {user.user_id: number for number, user in enumerate(self._made_up)}
        # Guards the fields below: tests and a lively enterprise change them while requests read them.
        self._lock = threading.Lock()
        self._left: set[str] = set()
        self._people: dict[str, PersonRecord] = {}
        self._tokens = {user_id: tuple(records) for user_id, records in (tokens or {}).items()}
        self._keys: dict[str, tuple[KeyRecord, ...]] = {}
        # Lists of people by what was asked for: with 100,000 people, a list costs more than the page that is asked for.
        self._lists: dict[tuple[str, str | None], tuple[PersonRecord, ...]] = {}

    def users(self) -> list[User]:
        """All users, in a fixed order, those who left included."""
        return self._made_up + [User(user_id, user_id) for user_id in list(self._tokens) if user_id not in self._index]

    def people(self, status: str | None = None) -> tuple[PersonRecord, ...]:
        """All people in the directory of the platform with a status, or with any, in a fixed order."""
        with self._lock:
            return self._listed("", status)

    def members(self, organization_id: str) -> tuple[PersonRecord, ...]:
        """The members of an organization; none if it is unknown."""
        with self._lock:
            return self._listed(organization_id, None) if organization_id in ORGANIZATIONS else ()

    def leave(self, user_id: str) -> None:
        """Remove a person from the directory; the tokens stay."""
        with self._lock:
            self._left.add(user_id)
            self._lists.clear()

    def join(self, user_id: str) -> None:
        """Put a person who left back into the directory, at the same place."""
        with self._lock:
            self._left.discard(user_id)
            self._lists.clear()

    def is_listed(self, user_id: str) -> bool:
        """Whether a user is in the directory."""
        return self.knows(user_id) and user_id not in self._left

    def knows(self, user_id: str) -> bool:
        """Whether there is such a user, one who left included."""
        return user_id in self._index or user_id in self._tokens

    def tokens(self, user_id: str) -> tuple[TokenRecord, ...]:
        """The tokens of a user; () for an unknown one."""
        with self._lock:
            if (records := self._tokens.get(user_id)) is not None:
                return records
        number = self._index.get(user_id)
        return () if number is None else made_up_tokens(self._seed, number, self._base)

    def set_tokens(self, user_id: str, records: Iterable[TokenRecord]) -> None:
        """Replace the tokens of a user; adds the user if there is none with this id."""
        with self._lock:
            if not self.knows(user_id):
                self._lists.clear()
            self._tokens[user_id] = tuple(records)

    def renew(self, user_id: str, token_id: str, expires_at: float | None) -> None:
        """Change the expiry of one token of a user."""
        records = self.tokens(user_id)
        self.set_tokens(
            user_id, [replace(one, expires_at=expires_at) if one.token_id == token_id else one for one in records]
        )

    def delete(self, user_id: str, token_id: str) -> None:
        """Delete one token of a user."""
        self.set_tokens(user_id, [one for one in self.tokens(user_id) if one.token_id != token_id])

    def keys(self, user_id: str) -> tuple[KeyRecord, ...]:
        """The SSH keys of a user; () for an unknown one, and for users that tests add."""
        with self._lock:
            if (records := self._keys.get(user_id)) is not None:
                return records
        number = self._index.get(user_id)
        return () if number is None else made_up_keys(self._seed, number, self._base)

    def set_keys(self, user_id: str, records: Iterable[KeyRecord]) -> None:
        """Replace the SSH keys of a user."""
        with self._lock:
            self._keys[user_id] = tuple(records)

    def _listed(self, organization_id: str, status: str | None) -> tuple[PersonRecord, ...]:
        """A list of people; "" for the whole enterprise. Requires the lock."""
        if (known := self._lists.get((organization_id, status))) is not None:
            return known
        people: tuple[PersonRecord, ...]
        if status is not None:
            people = tuple(one for one in self._listed(organization_id, None) if one.status == status)
        elif organization_id == list(ORGANIZATIONS)[1]:
            people = self._listed("", None)[::2]
        else:
            everybody = [self._person(number, user) for number, user in enumerate(self.users())]
            people = tuple(one for one in everybody if one.user_id not in self._left)
        self._lists[organization_id, status] = people
        return people

    def _person(self, number: int, user: User) -> PersonRecord:
        if (person := self._people.get(user.user_id)) is None:
            person = self._people[user.user_id] = made_up_person(self._seed, number, user)
        return person


__all__ = ["DEPARTMENTS", "ORGANIZATIONS", "Enterprise", "KeyRecord", "PersonRecord", "TokenRecord", "iso"]
