"""Searches as they would be written without an index: filter everything, sort it, take a page."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from exporter.model.permission import granted
from exporter.model.token import NEVER, CredentialKind, Token
from exporter.policies.evaluate import violations
from exporter.state.criteria import Criteria, PollStatus
from exporter.state.token_search import TokenSort
from exporter.state.user_search import UserSort

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.model.state import UserState
    from exporter.policies.schema import Policies

World = dict[str, "Sequence[UserState]"]
"""The states of users by organization."""
Row = tuple[str, "UserState", "Token"]
"""An organization, a user, and a token of the user."""
_Key = tuple[Any, ...]
_LAST = "\U0010ffff"
_RANKS = {"critical": 0.0, "warning": 1.0, "info": 2.0}


def violated(state: UserState, token: Token | None, policies: Policies, now: float) -> list[str]:
    """The policies that a token violates, or a user as a whole if it is None."""
    found = violations(state.user, state.tokens, policies, now, state.unexpired_left_out)
    names = {one.policy.name for one in found if one.token is token}
    return [policy.name for policy in policies.configured if policy.name in names]


def tokens(world: World, policies: Policies, criteria: Criteria, sort: TokenSort, now: float) -> list[Row]:
    """All tokens that match, in order."""
    found = _tokens(world, policies, criteria, sort, now)
    return [row for _, row in sorted(found, key=lambda pair: pair[0])]


def _tokens(
    world: World, policies: Policies, criteria: Criteria, sort: TokenSort, now: float
) -> list[tuple[_Key, Row]]:
    severities = {policy.name: _RANKS[policy.severity.value] for policy in policies.enabled}
    found: list[tuple[_Key, Row]] = []
    for name, states in world.items():
        for state in states:
            if criteria.organization in {None, name} and _user_fits(state, criteria):
                for kind in CredentialKind:
                    for position, token in enumerate(state.of_kind(kind)):
                        # Equal tokens can be the same object; the first one stands for all.
                        first = next(place for place, one in enumerate(state.of_kind(kind)) if one is token)
                        about = kind is CredentialKind.TOKEN and position == first
                        of_policies = violated(state, token, policies, now) if about else []
                        if _token_fits(state, token, criteria, of_policies, now):
                            base = _by_expiry(name, state, token, position)
                            rank = min((severities[one] for one in of_policies), default=3.0)
                            found.append((_token_key(name, state, token, sort, base, rank), (name, state, token)))
    return found


def all_violations(
    world: World, policies: Policies, criteria: Criteria, sort: TokenSort, now: float
) -> list[tuple[str, UserState, Token | None]]:
    """All tokens that violate policies, and users that do as a whole, with None for the token, in order."""
    severities = {policy.name: _RANKS[policy.severity.value] for policy in policies.enabled}
    asked = frozenset(severities) if criteria.policies is None else criteria.policies
    criteria = replace(criteria, policies=asked)
    found: list[tuple[_Key, tuple[str, UserState, Token | None]]] = list(_tokens(world, policies, criteria, sort, now))
    about_tokens = (criteria.state, criteria.token_id, criteria.permission)
    spans = (criteria.expires, criteria.created)
    for name, states in world.items():
        for state in states:
            of_policies = violated(state, None, policies, now)
            if (
                criteria.organization in {None, name}
                and _user_fits(state, criteria)
                and any(criteria.text.lower() in one.lower() for one in _known(state))
                and {*of_policies} & asked
                and about_tokens == (None, None, None)
                and criteria.kind is not CredentialKind.SSH_KEY
                and all((one.start, one.end) == (-math.inf, math.inf) for one in spans)
            ):
                # As if it were a token without name, id and permissions, whose times are not known.
                token = Token("", "", expires_at=None)
                base = _by_expiry(name, state, token, 0)
                rank = min(severities[one] for one in of_policies)
                found.append((_token_key(name, state, token, sort, base, rank), (name, state, None)))
    return [row for _, row in sorted(found, key=lambda pair: pair[0])]


def _by_expiry(organization: str, state: UserState, token: Token, position: int) -> _Key:
    user = state.user
    # Expired and active tokens by date, unreadable ones after them, then those without an end.
    expiry = {None: (1, 0.0), NEVER: (2, 0.0)}.get(token.expires_at, (0, token.expires_at))
    return (expiry, organization, user.name, token.token_id, user.user_id, token.kind.value, position)


def _token_key(name: str, state: UserState, token: Token, sort: TokenSort, base: _Key, rank: float) -> _Key:
    owner = state.user.owner
    first: dict[TokenSort, float | str] = {
        TokenSort.CREATED: math.inf if token.created_at is None else token.created_at,
        TokenSort.TOKEN: token.name,
        TokenSort.USER: f"{state.user.name}\0{state.user.user_id}",
        TokenSort.ORGANIZATION: name,
        TokenSort.DEPARTMENT: _LAST if owner is None or not owner.department else owner.department,
        TokenSort.PERMISSIONS: float(len(token.permissions)),
        TokenSort.SEVERITY: rank,
    }
    return base if sort is TokenSort.EXPIRES else (first[sort], *base)


def _token_fits(state: UserState, token: Token, criteria: Criteria, of_policies: list[str], now: float) -> bool:
    text = criteria.text.lower()
    return (
        (criteria.state is None or token.state(now) is criteria.state)
        and (criteria.kind is None or token.kind is criteria.kind)
        and (criteria.token_id is None or token.token_id == criteria.token_id)
        and (criteria.permission is None or criteria.permission in granted(token.permissions))
        and (criteria.policies is None or bool({*of_policies} & criteria.policies))
        and _within(criteria.expires.start, token.expires_at, criteria.expires.end)
        and _within(criteria.created.start, token.created_at, criteria.created.end)
        and any(text in one.lower() for one in (token.name, token.token_id, token.description, *_known(state)))
    )


def _within(start: float, at: float | None, end: float) -> bool:
    if start == -math.inf and end == math.inf:
        return True
    return at is not None and at != math.inf and start <= at < end


def _known(state: UserState) -> list[str]:
    owner = state.user.owner
    more = [] if owner is None else [owner.email, owner.username, owner.department]
    return [state.user.name, state.user.user_id, *(one for one in more if one)]


def _user_fits(state: UserState, criteria: Criteria) -> bool:
    user, owner = state.user, state.user.owner
    contact = [user.name, *([] if owner is None else [one for one in (owner.email, owner.username) if one])]
    department = "" if owner is None or owner.department is None else owner.department
    status = PollStatus.FAILING if state.failure else PollStatus.OK if state.polled else PollStatus.PENDING
    return (
        (criteria.user is None or criteria.user in {user.user_id, user.name})
        and (not criteria.owner or any(criteria.owner.lower() in one.lower() for one in contact))
        and (not criteria.department or criteria.department.lower() in department.lower())
        and (criteria.status is None or criteria.status is status)
        and (criteria.reason is None or (state.failure is not None and state.failure.reason is criteria.reason))
    )


def users(world: World, policies: Policies, criteria: Criteria, sort: UserSort, now: float) -> list[str]:
    """The ids of all users that match, in order."""
    found: list[tuple[_Key, str]] = []
    for name, states in world.items():
        for state in states:
            of_policies = {one for token in (*state.tokens, None) for one in violated(state, token, policies, now)}
            text = criteria.text.lower()
            if (
                criteria.organization in {None, name}
                and _user_fits(state, criteria)
                and any(text in one.lower() for one in _known(state))
                and (criteria.policies is None or of_policies & criteria.policies)
                and (
                    not criteria.about_tokens
                    or any(
                        _token_fits(state, token, Criteria(
                            state=criteria.state, permission=criteria.permission,
                            expires=criteria.expires, created=criteria.created,
                        ), [], now)
                        for token in state.tokens
                    )
                )
            ):  # fmt: skip
                different = {id(token): token for token in state.tokens}.values()
                count = sum(len(violated(state, token, policies, now)) for token in (*different, None))
                key = (_user_value(name, state, sort, count, now), state.user.name, name, state.user.user_id)
                found.append((key, state.user.user_id))
    return [user_id for _, user_id in sorted(found)]


def _user_value(name: str, state: UserState, sort: UserSort, violations_found: int, now: float) -> float | str:
    owner = state.user.owner
    rank = 0 if state.failure is not None else 2 if state.polled else 1
    upcoming = [token.expires_at for token in state.tokens if token.expires_at is not None and token.expires_at > now]
    values: dict[UserSort, float | str] = {
        UserSort.STATUS: f"{rank}{state.user.name}",
        UserSort.USER: state.user.name,
        UserSort.ORGANIZATION: f"{name}\0{state.user.name}",
        UserSort.DEPARTMENT: _LAST if owner is None or not owner.department else owner.department,
        UserSort.TOKENS: float(len(state.tokens) + state.tokens_left_out),
        UserSort.EXPIRES: min(upcoming, default=math.inf),
        UserSort.POLLED: -math.inf if state.last_success is None else state.last_success,
        UserSort.VIOLATIONS: float(violations_found),
    }
    return values[sort]
