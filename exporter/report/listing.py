"""The list of tokens for people and scripts, as a table, JSON or CSV."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from exporter.common.text import csv_cell, escaped_json, expiry_words, printable, utc
from exporter.model.ssh_key import SshKey
from exporter.model.token import NEVER, CredentialKind, Token, TokenState
from exporter.policies.evaluate import counted, violations
from exporter.report.formats import Output

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

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


_COLUMNS = (
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
_LAST_COLUMNS = ("description", "kind", "last_used_at", "listed_expires_at")
"""Columns that came later: after all others, so that the others keep their places."""
_STYLES = {TokenState.EXPIRED: "red", TokenState.NEVER_EXPIRES: "magenta", TokenState.UNKNOWN: "yellow"}
_WIDTH = 240
_WIDTH_WIDE = 480
"""Columns of a table that is not written to a terminal, without and with descriptions."""


def rows(view: View, now: float, *, within: float | None, expired: bool) -> list[Row]:
    """The tokens and SSH keys to list by expiry: expired, expiring soonest first, unknown expiry, never expiring.

    Args:
        view: the state of all users.
        now: epoch seconds.
        within: list only tokens that expire within this many seconds, have expired, or whose expiry is unknown, since
            those may expire as well; None for all tokens.
        expired: whether to list expired tokens.
    """
    found = [
        Row(organization.name, state.user, token, token.state(now))
        for organization in view.organizations
        for state in organization.users
        for token in state.credentials
    ]
    found = [row for row in found if expired or row.state is not TokenState.EXPIRED]
    if within is not None:
        found = [row for row in found if row.token.expires_at is None or row.token.expires_at <= now + within]
    return sorted(found, key=_order)


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


def write(
    listed: Sequence[Row], form: Output, now: float, stream: TextIO, *, audit: bool = False, wide: bool = False
) -> None:
    """Write the list.

    Args:
        listed: the tokens.
        form: the format.
        now: epoch seconds.
        stream: where to write.
        audit: whether there is a column for the policies that each token violates.
        wide: whether the table has descriptions as well; the other formats always have them.
    """
    match form:
        case Output.TABLE:
            _write_table(listed, now, stream, audit=audit, wide=wide)
        case Output.JSON:
            pieces = json.JSONEncoder(ensure_ascii=False, indent=2).iterencode(records(listed, now))
            stream.writelines(map(escaped_json, pieces))
            stream.write("\n")
        case Output.CSV:
            writer = csv.writer(stream)
            columns = (*_COLUMNS, *(("policies",) if audit else ()), *_LAST_COLUMNS)
            writer.writerow(columns)
            for record in _records(listed, now):
                values = [record[column] for column in columns]
                writer.writerow([_cell(value) for value in values])


def _cell(value: object) -> object:
    if isinstance(value, list):
        return csv_cell(" ".join(value))
    return csv_cell(value) if isinstance(value, str) else value


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
        }
        if row.policies is not None:
            record["policies"] = [policy.name for policy in row.policies]
        yield record


def _write_table(listed: Sequence[Row], now: float, stream: TextIO, *, audit: bool, wide: bool) -> None:
    # Without a terminal, lines are not wrapped to its width.
    width = _WIDTH_WIDE if wide else _WIDTH
    console = Console(file=stream, width=None if stream.isatty() else width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    kinds = wide or any(row.token.kind is not CredentialKind.TOKEN for row in listed)
    headings = [*["KIND"] * kinds, "ORGANIZATION", "USER", "TOKEN", "TOKEN ID", "EXPIRES", "AT", "PERMISSIONS"]
    for heading in [*headings, *["POLICIES"] * audit, *["DESCRIPTION"] * wide]:
        table.add_column(heading, overflow="fold", no_wrap=heading in {"EXPIRES", "AT", "TOKEN ID"})
    for row in listed:
        words = expiry_words(row.token.expires_at, now)
        table.add_row(
            *[row.token.kind.value] * kinds,
            _plain(row.organization),
            _plain(row.user.name),
            _plain(row.token.name),
            _plain(row.token.token_id),
            Text(words, style=_STYLES.get(row.state, "")),
            utc(row.token.platform_expiry) or "-",
            _plain(" ".join(row.token.permissions)),
            *([" ".join(policy.name for policy in row.policies or ())] if audit else []),
            *([_plain(row.token.description)] if wide else []),
        )
    console.print(table if listed else Text("No tokens to list."))


def _plain(text: str) -> Text:
    return Text(printable(text))
