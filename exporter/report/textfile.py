"""The list of tokens as metrics, for the textfile collector of node_exporter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.metrics.families.base import Scope
from exporter.metrics.families.users import USER_FAMILIES
from exporter.metrics.lines import head, lines
from exporter.model.ssh_key import SshKey
from exporter.model.state import UserState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.model.snapshot import View
    from exporter.model.token import Token
    from exporter.model.user import User
    from exporter.report.listing import Row

_FAMILIES = tuple(
    family
    for family in USER_FAMILIES
    if family.name
    in {
        "yunxiao_token_expiry_timestamp_seconds",
        "yunxiao_token_created_timestamp_seconds",
        "yunxiao_ssh_key_expiry_timestamp_seconds",
        "yunxiao_ssh_key_created_timestamp_seconds",
        "yunxiao_ssh_key_last_used_timestamp_seconds",
    }
)
_POLLS = tuple(
    family
    for family in USER_FAMILIES
    if family.name in {"yunxiao_user_up", "yunxiao_user_last_success_timestamp_seconds"}
)


def metrics(listed: Iterable[Row], polled: View, now: float) -> Iterator[str]:
    """The lines of the families about single tokens and keys, with the names and labels of `/metrics`.

    Args:
        listed: the tokens.
        polled: the users, for the families about polls.
        now: epoch seconds.
    """
    shown = _states(listed)
    every = [(one.name, state) for one in polled.organizations for state in one.users]
    scope = Scope(now=now)
    for families, states in ((_FAMILIES, shown), (_POLLS, every)):
        for family in families:
            body = b"".join(lines(family, family.samples(name, state, scope)) for name, state in states)
            if body:
                yield (head(family) + body).decode()


def _states(listed: Iterable[Row]) -> list[tuple[str, UserState]]:
    """The listed tokens and keys of each user, with the name of the organization."""
    users: dict[tuple[str, str], User] = {}
    held: dict[tuple[str, str], list[Token]] = {}
    for row in listed:
        key = row.organization, row.user.user_id
        users[key] = row.user
        held.setdefault(key, []).append(row.token)
    return [
        (
            key[0],
            UserState(
                users[key],
                tokens=tuple(one for one in credentials if not isinstance(one, SshKey)),
                ssh_keys=tuple(one for one in credentials if isinstance(one, SshKey)),
            ),
        )
        for key, credentials in held.items()
    ]
