"""What is known about one organization, ready for searches."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.model.severity import Severity
from exporter.model.token import CredentialKind, Token, TokenState
from exporter.state.columns import (
    department,
    flags,
    searchable,
    slots_with_text,
    user_columns,
    violated_by_users,
    whose,
)
from exporter.state.page_values import by_few, in_order, page_of, same
from exporter.state.token_order import Entry, by_expiry
from exporter.state.token_search import NO_RANK, TokenSearch, TokenSort
from exporter.state.user_search import UserSearch, UserSort
from exporter.state.violation_index import set_bits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from exporter.common.sorted_chunks import Chunk, Key, SortedChunks
    from exporter.model.state import UserState
    from exporter.model.user import User
    from exporter.policies.base import Policy
    from exporter.policies.schema import Policies
    from exporter.state.columns import UserColumns
    from exporter.state.credential_order import CredentialOrder
    from exporter.state.criteria import Criteria
    from exporter.state.cut import Wanted
    from exporter.state.page_values import Find
    from exporter.state.user_table import UserTable
    from exporter.state.violation_index import Mask

_SEVERITIES = {severity: float(place) for place, severity in enumerate(Severity)}
_WHOLE_USER = Token("", "", expires_at=None)
"""Stands for the token in rows about a user as a whole."""


@dataclass(frozen=True, slots=True)
class Match:
    """A row of a list.

    Attributes:
        key: its place in the list; the next page begins after it.
        organization: the name of the organization.
        state: what is known about the user.
        token: the token or SSH key; None for a row about the user.
        policies: the policies that the token violates; in rows about a user, those that anything of the user violates.
    """

    key: Key
    organization: str
    state: UserState
    token: Token | None
    policies: tuple[Policy, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """What an organization contributes to a page.

    Attributes:
        total: the number of its rows that match.
        rows: its rows of the page, in order.
    """

    total: int
    rows: list[Match]


@dataclass(frozen=True)
class Contents:
    """What is known about one organization. Valid until the index changes.

    Attributes:
        name: the organization.
        table: the states of all users.
        users: the users by name.
        orders: the credentials of each kind.
        masks: the violations of users, by slot.
        policies: the configured policies.
        evaluated: whether the violations of all users are known.
        violations: the number of violations of each policy.
    """

    name: str
    table: UserTable
    users: SortedChunks[User]
    orders: Mapping[CredentialKind, CredentialOrder]
    masks: Sequence[Mask | None]
    policies: Policies
    evaluated: bool
    violations: Mapping[type[Policy], int]

    def tokens(self, criteria: Criteria, sort: TokenSort, wanted: Wanted, now: float) -> Part:
        """The tokens and SSH keys that match."""
        total, rows = 0, list[Match]()
        for kind in criteria.kinds:
            count, page = TokenSearch(self, kind, criteria, now).page(sort, wanted)
            total += count
            rows += [self._match(key, one) for key, one in page]
        return Part(total, merged(rows, wanted))

    def violating_users(self, criteria: Criteria, sort: TokenSort, wanted: Wanted) -> Part:
        """The users that violate a policy as a whole; none if the criteria are about tokens.

        Their keys fit into a list of tokens: they stand among those whose expiry is not known.
        """
        if criteria.about_tokens or not criteria.kinds:
            return Part(0, [])
        portions = self._violating(criteria, descending=wanted.descending)
        total, page = page_of(portions, self._find_users(sort), wanted, self._whole_key)
        states = [(key, self.table[user.user_id]) for key, user in page]
        return Part(total, [Match(key, self.name, one, None, self.policies_of(one)[-1]) for key, one in states])

    def _violating(
        self, criteria: Criteria, *, descending: bool
    ) -> Iterator[tuple[Chunk[User], UserColumns, Sequence[int]]]:
        """The chunks of users by name, or reversed, with the places of those that violate a policy as a whole."""
        bits, text = self.bits(criteria.policies), searchable(criteria.text)
        asked = [self.chosen(criteria), self.with_text(text) if text else None]
        chunks = self.users.chunks
        for chunk in reversed(chunks) if descending else chunks:
            columns = user_columns(chunk, self.table)
            violated = violated_by_users(columns, self.masks)
            at = violated.where(range(len(chunk)), [bool(one & bits) for one in violated.values])
            for flagged in asked:
                if flagged is not None:
                    at = [place for place in at if flagged[columns.slots[place]]]
            yield chunk, columns, at

    def _whole_key(self, user: User) -> Key:
        return by_expiry(self.name, Entry(user, _WHOLE_USER, 0))

    def _find_users(self, sort: TokenSort) -> Find[User, UserColumns] | None:
        """What finds the users of a page of violations by their values, which a token would have."""
        match sort:
            case TokenSort.EXPIRES:
                return None
            case TokenSort.TOKEN:
                return same("")
            case TokenSort.ORGANIZATION:
                return same(self.name)
            case TokenSort.PERMISSIONS:
                return same(0.0)
            case TokenSort.CREATED:
                return same(math.inf)
            case TokenSort.USER:
                return in_order(lambda columns: columns.by_user, whose)
            case TokenSort.DEPARTMENT:
                return in_order(lambda columns: columns.by_department, department)
            case TokenSort.SEVERITY:
                return by_few(lambda columns: violated_by_users(columns, self.masks), self.rank)

    def expired_at(self, times: Sequence[float]) -> list[int]:
        """How many tokens and SSH keys will have expired at each of these times."""
        return [sum(one.count(TokenState.EXPIRED, at) for one in self.orders.values()) for at in times]

    def users_of(self, criteria: Criteria, sort: UserSort, wanted: Wanted, now: float) -> Part:
        """The users that match."""
        total, page = UserSearch(self, criteria, now).page(sort, wanted)
        return Part(total, [Match(key, self.name, state, None, self.violated_by(state)) for key, state in page])

    def violated_by(self, state: UserState) -> tuple[Policy, ...]:
        """The policies that a user or its tokens violate."""
        return self.named(functools.reduce(int.__or__, self._mask(state.user.user_id) or (), 0))

    def policies_of(self, state: UserState) -> tuple[tuple[Policy, ...], ...]:
        """The policies that each token of a user violates, in their order, and last the user as a whole."""
        mask = self._mask(state.user.user_id) or (0,) * (len(state.tokens) + 1)
        return tuple([self.named(bits) for bits in mask])

    def _mask(self, user_id: str) -> Mask | None:
        return self.masks[self.table.slot(user_id)]

    def named(self, bits: int) -> tuple[Policy, ...]:
        """The policies of a mask's bits."""
        return tuple([self.policies.enabled[place] for place in set_bits(bits)]) if bits else ()

    def bits(self, names: frozenset[str] | None) -> int:
        """The bits of policies with these names; of all if it is None."""
        every = enumerate(self.policies.configured)
        return sum(1 << place for place, policy in every if names is None or policy.name in names)

    def rank(self, bits: int) -> float:
        """The rank of the most severe of some policies; the most severe comes first."""
        return self._ranks[bits]

    @functools.cached_property
    def _ranks(self) -> _Ranks:
        return _Ranks([_SEVERITIES[policy.severity] for policy in self.policies.enabled])

    def chosen(self, criteria: Criteria) -> bytearray | None:
        """Flags by slot of the users that match everything about users but the text; None if everyone does."""
        if not criteria.about_users:
            return None
        if criteria not in self._chosen:
            self._chosen[criteria] = flags(self._slots_of(criteria), len(self.table.states))
        return self._chosen[criteria]

    def _slots_of(self, criteria: Criteria) -> Iterable[int]:
        states = self.table.states
        # Names contain the text; only those that do are compared exactly.
        text = searchable(criteria.owner or criteria.department or criteria.user or "")
        slots: Iterable[int] = slots_with_text(self.users, self.table, text) if text else range(len(states))
        for check in criteria.user_checks():
            slots = [slot for slot in slots if (state := states[slot]) is not None and check(state)]
        return slots

    def with_text(self, text: str) -> bytearray:
        """Flags by slot of users with a field that contains a text, as `searchable` returns it."""
        if text not in self._with_text:
            self._with_text[text] = flags(slots_with_text(self.users, self.table, text), len(self.table.states))
        return self._with_text[text]

    # One question searches tokens, SSH keys and users.

    @functools.cached_property
    def _chosen(self) -> dict[Criteria, bytearray]:
        return {}

    @functools.cached_property
    def _with_text(self) -> dict[str, bytearray]:
        return {}

    def _match(self, key: Key, one: Entry) -> Match:
        mask = self._mask(one.user.user_id) if one.token.kind is CredentialKind.TOKEN else None
        policies = () if mask is None else self.named(mask[one.position])
        return Match(key, self.name, self.table[one.user.user_id], one.token, policies)


class _Ranks(dict[int, float]):
    """The ranks of combinations of policies, computed when needed."""

    def __init__(self, ranks: list[float]) -> None:
        super().__init__()
        self._of_policies = ranks

    def __missing__(self, bits: int) -> float:
        self[bits] = found = min([self._of_policies[place] for place in set_bits(bits)], default=NO_RANK)
        return found


def merged(rows: list[Match], wanted: Wanted) -> list[Match]:
    """The page of rows of several lists."""
    rows.sort(key=lambda row: row.key, reverse=wanted.descending)
    return rows[: wanted.limit]
