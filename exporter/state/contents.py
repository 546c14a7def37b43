"""What is known about one organization, ready for searches."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.model.severity import Severity
from exporter.model.token import CredentialKind, Token, TokenState
from exporter.state.columns import department, searchable, users_with_text
from exporter.state.token_order import Entry, by_expiry
from exporter.state.token_search import TokenSearch, TokenSort
from exporter.state.user_search import UserSearch, UserSort
from exporter.state.violation_index import set_bits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exporter.common.sorted_chunks import Key, SortedChunks
    from exporter.model.state import UserState
    from exporter.model.user import User
    from exporter.policies.base import Policy
    from exporter.policies.schema import Policies
    from exporter.state.credential_orders import CredentialOrders
    from exporter.state.criteria import Criteria
    from exporter.state.cut import Wanted
    from exporter.state.violation_index import Mask

_SEVERITIES = {severity: float(place) for place, severity in enumerate(Severity)}
_NO_RANK = float(len(Severity))
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
        states: the states of all users, by id.
        users: the users by name.
        orders: the credentials of each kind.
        masks: the violations of users, by user id.
        policies: the configured policies.
        evaluated: whether the violations of all users are known.
        violations: the number of violations of each policy.
    """

    name: str
    states: Mapping[str, UserState]
    users: SortedChunks[User]
    orders: Mapping[CredentialKind, CredentialOrders]
    masks: Mapping[str, Mask]
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
        bits, text = self.bits(criteria.policies), searchable(criteria.text)
        ids = [user_id for user_id, mask in self.masks.items() if mask[-1] & bits]
        if (chosen := self.chosen(criteria)) is not None:
            ids = [user_id for user_id in ids if user_id in chosen]
        if text:
            named = frozenset(users_with_text(self.users, text))
            ids = [user_id for user_id in ids if user_id in named]
        page = wanted.sort([(self._whole_key(user_id, sort), user_id) for user_id in ids], lambda pair: pair[0])
        return Part(
            len(ids),
            [
                Match(key, self.name, self.states[user_id], None, self.named(self.masks[user_id][-1]))
                for key, user_id in page
            ],
        )

    def _whole_key(self, user_id: str, sort: TokenSort) -> Key:
        user = self.states[user_id].user
        base = by_expiry(self.name, Entry(user, _WHOLE_USER, 0))
        match sort:
            case TokenSort.EXPIRES:
                return base
            case TokenSort.USER:
                return (f"{user.name}\0{user_id}", *base)
            case TokenSort.ORGANIZATION:
                return (self.name, *base)
            case TokenSort.DEPARTMENT:
                return (department(user), *base)
            case TokenSort.SEVERITY:
                return (self._ranks[self.masks[user_id][-1]], *base)
            case TokenSort.TOKEN:
                return ("", *base)
            case TokenSort.PERMISSIONS:
                return (0.0, *base)
            case TokenSort.CREATED:
                return (math.inf, *base)

    def expired_at(self, times: Sequence[float]) -> list[int]:
        """How many tokens and SSH keys will have expired at each of these times."""
        return [sum(one.count(TokenState.EXPIRED, at) for one in self.orders.values()) for at in times]

    def users_of(self, criteria: Criteria, sort: UserSort, wanted: Wanted, now: float) -> Part:
        """The users that match."""
        total, page = UserSearch(self, criteria, now).page(sort, wanted)
        return Part(total, [Match(key, self.name, state, None, self.violated_by(state)) for key, state in page])

    def violated_by(self, state: UserState) -> tuple[Policy, ...]:
        """The policies that a user or its tokens violate."""
        return self.named(functools.reduce(int.__or__, self.masks.get(state.user.user_id, ()), 0))

    def policies_of(self, state: UserState) -> tuple[tuple[Policy, ...], ...]:
        """The policies that each token of a user violates, in their order, and last the user as a whole."""
        mask = self.masks.get(state.user.user_id) or (0,) * (len(state.tokens) + 1)
        return tuple([self.named(bits) for bits in mask])

    def named(self, bits: int) -> tuple[Policy, ...]:
        """The policies of a mask's bits."""
        return tuple([self.policies.enabled[place] for place in set_bits(bits)]) if bits else ()

    def bits(self, names: frozenset[str] | None) -> int:
        """The bits of policies with these names; of all if it is None."""
        every = enumerate(self.policies.configured)
        return sum(1 << place for place, policy in every if names is None or policy.name in names)

    def rank(self, user_id: str, position: int) -> float:
        """The rank of the most severe policy that a token violates; the most severe comes first."""
        mask = self.masks.get(user_id)
        return self._ranks[mask[position]] if mask is not None and mask[position] else _NO_RANK

    @functools.cached_property
    def _ranks(self) -> _Ranks:
        return _Ranks([_SEVERITIES[policy.severity] for policy in self.policies.enabled])

    def chosen(self, criteria: Criteria) -> frozenset[str] | None:
        """The ids of the users that match everything about users but the text; None if everyone does."""
        if not criteria.about_users:
            return None
        states = self.states
        # Names contain the text; only those that do are compared exactly.
        text = searchable(criteria.owner or criteria.department or criteria.user or "")
        candidates = [states[user_id] for user_id in users_with_text(self.users, text)] if text else states.values()
        return frozenset(state.user.user_id for state in candidates if criteria.matches_user(state))

    def _match(self, key: Key, one: Entry) -> Match:
        mask = self.masks.get(one.user.user_id) if one.token.kind is CredentialKind.TOKEN else None
        policies = () if mask is None else self.named(mask[one.position])
        return Match(key, self.name, self.states[one.user.user_id], one.token, policies)


class _Ranks(dict[int, float]):
    """The ranks of combinations of policies, computed when needed."""

    def __init__(self, ranks: list[float]) -> None:
        super().__init__()
        self._of_policies = ranks

    def __missing__(self, bits: int) -> float:
        self[bits] = found = min([self._of_policies[place] for place in set_bits(bits)])
        return found


def merged(rows: list[Match], wanted: Wanted) -> list[Match]:
    """The page of rows of several lists."""
    rows.sort(key=lambda row: row.key, reverse=wanted.descending)
    return rows[: wanted.limit]
