"""The list of tokens for people and scripts: what falls in a window, as a table, JSON or CSV."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from exporter.model import NEVER, Token, TokenState, User
from exporter.wording import expiry_words, printable, utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from exporter.store import View


class Output(StrEnum):
    """The form of the list."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Row:
    """One token of the list."""

    organization: str
    user: User
    token: Token
    state: TokenState


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
_STYLES = {TokenState.EXPIRED: "red", TokenState.NEVER_EXPIRES: "magenta", TokenState.UNKNOWN: "yellow"}
_WIDE = 240


def rows(view: View, now: float, *, within: float | None, expired: bool) -> list[Row]:
    """The tokens to list, by expiry: the expired, the soonest, the unreadable, the never-expiring.

    Args:
        view: what is known.
        now: epoch seconds.
        within: only tokens that expire within so many seconds, have expired, or whose expiry cannot be read, since
            nobody can say that those do not; None for all tokens.
        expired: whether tokens that have expired are listed.
    """
    found = [
        Row(organization.name, state.user, token, token.state(now))
        for organization in view.organizations
        for state in organization.users
        for token in state.tokens
    ]
    found = [row for row in found if expired or row.state is not TokenState.EXPIRED]
    if within is not None:
        found = [row for row in found if row.token.expires_at is None or row.token.expires_at <= now + within]
    return sorted(found, key=_order)


def _order(row: Row) -> tuple[float, bool, str, str, str]:
    expires_at = row.token.expires_at
    last = NEVER if expires_at is None else expires_at
    return (last, expires_at == NEVER, row.organization, row.user.name, row.token.token_id)


def write(listed: Sequence[Row], form: Output, now: float, stream: TextIO) -> None:
    """Write the list."""
    match form:
        case Output.TABLE:
            _write_table(listed, now, stream)
        case Output.JSON:
            json.dump(list(_records(listed, now)), stream, ensure_ascii=False, indent=2)
            stream.write("\n")
        case Output.CSV:
            writer = csv.writer(stream)
            writer.writerow(_COLUMNS)
            for record in _records(listed, now):
                values = [record[column] for column in _COLUMNS]
                writer.writerow([" ".join(value) if isinstance(value, list) else value for value in values])


def _records(listed: Iterable[Row], now: float) -> Iterator[dict[str, object]]:
    for row in listed:
        expires_at = row.token.expires_at
        endless = expires_at is None or expires_at == NEVER
        yield {
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
        }


def _write_table(listed: Sequence[Row], now: float, stream: TextIO) -> None:
    # Where nobody looks on, lines are not cut to a terminal's width.
    console = Console(file=stream, width=None if stream.isatty() else _WIDE)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("ORGANIZATION", "USER", "TOKEN", "TOKEN ID", "EXPIRES", "AT", "PERMISSIONS"):
        table.add_column(heading, overflow="fold", no_wrap=heading in {"EXPIRES", "AT", "TOKEN ID"})
    for row in listed:
        words = expiry_words(row.token.expires_at, now)
        table.add_row(
            _plain(row.organization),
            _plain(row.user.name),
            _plain(row.token.name),
            _plain(row.token.token_id),
            Text(words, style=_STYLES.get(row.state, "")),
            utc(row.token.expires_at) or "-",
            _plain(" ".join(row.token.permissions)),
        )
    console.print(table if listed else Text("No token to list."))


def _plain(text: str) -> Text:
    return Text(printable(text))
