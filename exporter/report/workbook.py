"""The report as the sheets of an Excel workbook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.model.ssh_key import SshKey
from exporter.report.spreadsheet import Sheet, Time
from exporter.report.summary import Held

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.report.comparison import Comparison
    from exporter.report.spreadsheet import Cell
    from exporter.report.summary import Summary
    from exporter.report.words import Words


def sheets(summary: Summary, words: Words, comparison: Comparison | None) -> Iterator[Sheet]:
    """The sheets: the numbers, each finding with what to do about it, the lists, and what is missing."""

    def sheet(name: str, columns: tuple[str, ...], rows: Iterator[tuple[Cell, ...]]) -> Sheet:
        return Sheet(words(name), [words(column) for column in columns], rows)

    yield sheet("Totals", ("Organization", "name", "Tokens"), _totals(summary, words))
    if comparison is not None:
        columns = ("Change", "Problem", "Organization", "User", "Token id", "Token")
        yield sheet("Changes", columns, _changes(comparison, words))
    yield sheet(
        "Policy violations",
        ("Severity", "Policy", "Problem", "What to do", *_HELD),
        _violations(summary, words),
    )
    held = {
        "Next to expire": summary.next_to_expire,
        "Expired tokens": summary.expired,
        "Tokens that never expire": summary.never_expiring,
        "Oldest tokens": summary.oldest,
        "Tokens with most permissions": summary.most_permissions,
    }
    for name, tokens in held.items():
        yield sheet(name, _HELD, (_held(one, words, summary.at) for one in tokens))
    yield sheet(
        "Users with most permissions",
        ("Organization", "User", "Owner", "Unexpired", "Permissions"),
        _powers(summary, words),
    )
    if summary.exemptions:
        columns = ("Policy", "Applies to", "Reason", "Until", "Days left", "Exempted")
        yield sheet("Exemptions", columns, _exemptions(summary, words))
    if summary.ssh_keys:
        keys = (
            (*_held(one, words, summary.at), Time(one.token.last_used_at if isinstance(one.token, SshKey) else None))
            for one in summary.ssh_keys
        )
        yield sheet("SSH keys", (*_HELD, "Last used"), keys)
    if summary.failures:
        yield sheet("Failing", ("Reason",), ((words.failure(one),) for one in summary.failures))


_HELD = (
    "Organization",
    "User",
    "User id",
    "Owner",
    "Token",
    "Token id",
    "Created",
    "Expiry",
    "Expires at",
    "Permissions",
    "Description",
)


def _held(one: Held, words: Words, at: float) -> tuple[Cell, ...]:
    token = one.token
    return (
        one.organization,
        one.user.name,
        one.user.user_id,
        words.contact(one.user),
        token.name,
        token.token_id,
        Time(token.created_at),
        words.expiry(token.expires_at, at),
        Time(token.expires_at),
        token.permissions,
        token.description,
    )


def _totals(summary: Summary, words: Words) -> Iterator[tuple[Cell, ...]]:
    yield "", words("as of"), Time(summary.at)
    for one in summary.organizations:
        yield one.name, words("users"), one.users
        yield one.name, words("users failing"), one.failing
        for state, count in one.states.items():
            yield one.name, words(state.value.replace("_", " ")), count
    for policy in summary.policies:
        yield "", policy.policy.name, policy.count


def _violations(summary: Summary, words: Words) -> Iterator[tuple[Cell, ...]]:
    for one in summary.violations:
        head = (words(one.severity.value), one.policy.name, words.problem(one.policy), words.action(one.policy))
        if one.token is None:
            yield (
                *head,
                one.organization,
                one.user.name,
                one.user.user_id,
                words.contact(one.user),
                words("all tokens of the user"),
            )
        else:
            yield *head, *_held(Held(one.organization, one.user, one.token), words, summary.at)


def _powers(summary: Summary, words: Words) -> Iterator[tuple[Cell, ...]]:
    for one in summary.powers:
        yield one.organization, one.user.name, words.contact(one.user), one.unexpired, one.permissions


def _exemptions(summary: Summary, words: Words) -> Iterator[tuple[Cell, ...]]:
    for one in summary.exemptions:
        left: Cell = words("Ended") if one.days_left < 0 else one.days_left
        yield one.policy.name, words.scope(one), one.reason, one.until.isoformat(), left, one.tokens


def _changes(comparison: Comparison, words: Words) -> Iterator[tuple[Cell, ...]]:
    for kind, found in (("New", comparison.new), ("Fixed", comparison.fixed)):
        for one in found:
            token = one.token_id or words("all tokens of the user"), one.token
            yield words(kind), words.finding(one.problem), one.organization, one.user, *token
