"""The list of tokens for people and scripts: its rows, their order and their values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from exporter.common.text import utc
from exporter.model.ssh_key import SshKey
from exporter.model.token import NEVER, CredentialKind, Token, TokenState
from exporter.policies.evaluate import counted, violations
from exporter.report.filters import TokenFilter

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from exporter.model.snapshot import View
    from exporter.model.state import UserState
    from exporter.model.user import User
    from exporter.policies.base import Policy
    from exporter.policies.schema import Policies


@dataclass(frozen=True, slots=True)
class Row:
    """One token or SSH key of the list.

    Attributes:
        policies: the policies that it violates; None if the list is no audit.
    """

    organization: str
    user: User
    token: Token
    state: TokenState
    policies: tuple[type[Policy], ...] | None = None


FIRST_COLUMNS = (
    "organization",
    "user_id",
    "user",
    "token_id",
    "token",
    "state",
    "expires_at",
    "expires_in_seconds",
    "created_at",
    "permissions",
)
OWNER_COLUMNS = ("owner_email", "owner_username", "owner_department")
LAST_COLUMNS = ("description", "kind", "last_used_at", "listed_expires_at", *OWNER_COLUMNS)
"""Columns that came later: after all others, so that the others keep their places."""
POLICIES = "policies"
ALL_COLUMNS = (*FIRST_COLUMNS, POLICIES, *LAST_COLUMNS)
"""The names of all values of a row; the policies only in an audit."""


def list_columns(*, audit: bool) -> tuple[str, ...]:
    """The columns of a list in which none were chosen."""
    return ALL_COLUMNS if audit else (*FIRST_COLUMNS, *LAST_COLUMNS)


def rows(view: View, now: float, wanted: TokenFilter | None = None) -> list[Row]:
    """The tokens and SSH keys to list by expiry: expired, expiring soonest first, unknown expiry, never expiring.

    Args:
        view: the state of all users.
        now: epoch seconds.
        wanted: which of them to list; None for all.
    """
    wanted = TokenFilter() if wanted is None else wanted
    found = [
        Row(organization.name, state.user, token, token.state(now))
        for organization in view.organizations
        for state in organization.users
        if wanted.fits_user(organization.name, state.user)
        for token in state.credentials
        if wanted.fits_token(token, now)
    ]
    return sorted(found, key=_order)


def owner_values(user: User) -> dict[str, str | None]:
    """What is known about the owner of a user's tokens, by the names of columns."""
    owner = user.owner
    known = (None, None, None) if owner is None else (owner.email, owner.username, owner.department)
    return dict(zip(OWNER_COLUMNS, known, strict=True))


def violating_rows(
    listed: Iterable[Row], view: View, policies: Policies, names: Collection[type[Policy]], now: float
) -> list[Row]:
    """The rows of a list whose tokens violate a policy, with the policies that they violate.

    For a user with too many tokens, all tokens that count are included.

    Args:
        listed: the list.
        view: the state that it was made from.
        policies: the configured policies.
        names: the policies to check; all that are configured if empty.
        now: epoch seconds.
    """
    by_user = {
        (organization.name, state.user.user_id): _violated(state, policies, names or policies.configured, now)
        for organization in view.organizations
        for state in organization.users
    }
    found = (
        replace(row, policies=by_user[row.organization, row.user.user_id].get((row.token.token_id, row.token.name)))
        for row in listed
        # Policies are about tokens.
        if row.token.kind is CredentialKind.TOKEN
    )
    return [row for row in found if row.policies]


def _violated(
    state: UserState, policies: Policies, names: Collection[type[Policy]], now: float
) -> dict[tuple[str, str], tuple[type[Policy], ...]]:
    """The policies that each token of a user violates, by token id and name, in the order of the configuration."""
    found: dict[tuple[str, str], set[type[Policy]]] = {}
    for one in violations(state.user, state.tokens, policies, now, state.unexpired_left_out):
        if one.policy in names:
            for token in counted(state.user, state.tokens, policies, now) if one.token is None else [one.token]:
                found.setdefault((token.token_id, token.name), set()).add(one.policy)
    return {
        key: tuple(policy for policy in policies.configured if policy in violated) for key, violated in found.items()
    }


def _order(row: Row) -> tuple[float, bool, str, str, str]:
    expires_at = row.token.expires_at
    last = NEVER if expires_at is None else expires_at
    return (last, expires_at == NEVER, row.organization, row.user.name, row.token.token_id)


def records(listed: Iterable[Row], now: float) -> list[dict[str, object]]:
    """The list as plain values, as in its JSON format."""
    return list(_records(listed, now))


def _records(listed: Iterable[Row], now: float) -> Iterator[dict[str, object]]:
    for row in listed:
        expires_at = row.token.expires_at
        endless = expires_at is None or expires_at == NEVER
        record: dict[str, object] = {
            "organization": row.organization,
            "user_id": row.user.user_id,
            "user": row.user.name,
            "token_id": row.token.token_id,
            "token": row.token.name,
            "state": row.state.value,
            "expires_at": utc(expires_at),
            "expires_in_seconds": None if endless else round((expires_at or 0) - now),
            "created_at": utc(row.token.created_at),
            "permissions": list(row.token.permissions),
            "description": row.token.description,
            "kind": row.token.kind.value,
            "last_used_at": utc(row.token.last_used_at) if isinstance(row.token, SshKey) else None,
            "listed_expires_at": utc(row.token.listed_expiry),
            **owner_values(row.user),
        }
        if row.policies is not None:
            record[POLICIES] = [policy.name for policy in row.policies]
        yield record
