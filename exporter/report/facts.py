"""The report as a table of facts, one value a line, for CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.common.text import utc
from exporter.model.ssh_key import SshKey
from exporter.report.spreadsheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from exporter.model.token import Token
    from exporter.report.comparison import Comparison
    from exporter.report.spreadsheet import Cell
    from exporter.report.summary import Held, Summary

_COLUMNS = ("section", "organization", "user_id", "user", "token_id", "token", "name", "value", "description")
_NO_TOKEN = ("", "", "", "", "")


def facts(summary: Summary, comparison: Comparison | None = None) -> Sheet:
    """All facts of a report."""
    # Only lines about a token have a description.
    rows = (*_numbers(summary), *_lists(summary), *_changes(comparison), *_failures(summary))
    return Sheet("facts", _COLUMNS, [(*row, "")[: len(_COLUMNS)] for row in rows])


def _numbers(summary: Summary) -> Iterator[tuple[Cell, ...]]:
    yield "report", *_NO_TOKEN, "at", utc(summary.at)
    for total in summary.organizations:
        where = (total.name, "", "", "", "")
        yield "users", *where, "watched", total.users
        yield "users", *where, "failing", total.failing
        for state, count in total.states.items():
            yield "tokens_by_state", *where, state.value, count
    for policy in summary.policies:
        yield "violations_by_policy", *_NO_TOKEN, policy.policy.name, policy.count
    for week, count in enumerate(summary.weeks):
        yield "expiring_by_week", *_NO_TOKEN, str(week), count
    yield "expiring_by_week", *_NO_TOKEN, "later", summary.later


def _lists(summary: Summary) -> Iterator[tuple[Cell, ...]]:
    for one in summary.violations:
        token = ("", "") if one.token is None else (one.token.token_id, one.token.name)
        who = (one.organization, one.user.user_id, one.user.name)
        description = "" if one.token is None else one.token.description
        yield "violation", *who, *token, one.policy.name, one.severity.value, description
    lists: tuple[tuple[str, tuple[Held, ...], str, Callable[[Token], Cell]], ...] = (
        ("next_to_expire", summary.next_to_expire, "expires_at", lambda token: utc(token.expires_at)),
        ("expired", summary.expired, "expires_at", lambda token: utc(token.expires_at)),
        ("never_expiring", summary.never_expiring, "created_at", lambda token: utc(token.created_at)),
        ("oldest", summary.oldest, "created_at", lambda token: utc(token.created_at)),
        ("most_powerful", summary.most_permissions, "permissions", lambda token: len(token.permissions)),
    )
    for section, held, name, value in lists:
        for each in held:
            yield section, *_whose(each), name, value(each.token), each.token.description
    for owner in summary.owners:
        who = (owner.organization, owner.user.user_id, owner.user.name)
        yield "users_with_most_tokens", *who, "", "", "unexpired", owner.unexpired
    for one_user in summary.powers:
        who = (one_user.organization, one_user.user.user_id, one_user.user.name)
        yield "users_with_most_permissions", *who, "", "", "permissions", len(one_user.permissions)
    for entry in summary.exemptions:
        token = (entry.token_id or "", entry.name or "")
        yield "exemption", "", "", entry.user or "", *token, entry.policy.name, entry.days_left, entry.reason
    yield from _key_lines(summary.ssh_keys)


def _whose(one: Held) -> tuple[str, str, str, str, str]:
    return one.organization, one.user.user_id, one.user.name, one.token.token_id, one.token.name


def _key_lines(keys: Iterable[Held]) -> Iterator[tuple[Cell, ...]]:
    for one in keys:
        key = one.token
        last_used = utc(key.last_used_at) if isinstance(key, SshKey) else None
        yield "ssh_key", *_whose(one), "expires_at", utc(key.expires_at), key.description
        yield "ssh_key", *_whose(one), "created_at", utc(key.created_at), key.description
        yield "ssh_key", *_whose(one), "last_used_at", last_used, key.description


def _changes(comparison: Comparison | None) -> Iterator[tuple[Cell, ...]]:
    if comparison is None:
        return
    yield "comparison", *_NO_TOKEN, "since", comparison.since
    yield "comparison", *_NO_TOKEN, "unchanged", comparison.unchanged
    yield "comparison", *_NO_TOKEN, "unknown", comparison.unknown
    for name, found in (("fixed", comparison.fixed), ("new", comparison.new)):
        for one in found:
            token = (one.token_id or "", one.token or "")
            yield "comparison", one.organization, one.user_id, one.user, *token, name, one.problem


def _failures(summary: Summary) -> Iterator[tuple[Cell, ...]]:
    for failure in summary.failures:
        yield "failure", *_NO_TOKEN, "", failure
