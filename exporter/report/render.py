"""The report as a self-contained HTML page, Markdown, CSV or JSON. Names are untrusted and always escaped."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from exporter import __version__
from exporter.common.text import csv_cell, escaped_json, expiry_words, printable, rough_duration, utc
from exporter.model.ssh_key import SshKey
from exporter.model.token import TokenState
from exporter.report.charts import policies_chart, states_chart, weeks_chart
from exporter.report.formats import Form

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from exporter.model.token import Token
    from exporter.report.summary import Held, Summary

_SHOWN_VIOLATIONS = 100
"""Violations listed in HTML and Markdown; the counts cover all, and CSV and JSON list all."""
_SHOWN_KEYS = 100
"""SSH keys listed in HTML and Markdown, those that expire next; CSV and JSON list all."""
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~&^$])")


def _markdown(text: object) -> str:
    """Text on one line, escaped for Markdown and the HTML in it."""
    return _MARKDOWN.sub(r"\\\1", printable(str(text)))


_PAGES = Environment(
    loader=PackageLoader("exporter.report"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_PAGES.filters |= {"plain": printable, "md": _markdown, "utc": lambda at: utc(at) or "-"}


def render(summary: Summary, form: Form) -> str:
    """The report in a format."""
    match form:
        case Form.HTML:
            return _page("report.html", summary)
        case Form.MARKDOWN:
            return _page("report.md", summary)
        case Form.CSV:
            return _csv(summary)
        case Form.JSON:
            return escaped_json(json.dumps(as_json(summary), ensure_ascii=False, indent=2)) + "\n"


def _page(template: str, summary: Summary) -> str:
    def expires(token: Token) -> str:
        return expiry_words(token.expires_at, summary.at)

    def age(token: Token) -> str:
        return "-" if token.created_at is None else rough_duration(max(0.0, summary.at - token.created_at))

    return _PAGES.get_template(template).render(
        version=__version__,
        summary=summary,
        states=tuple(TokenState),
        expires=expires,
        age=age,
        shown=summary.violations[:_SHOWN_VIOLATIONS],
        more=max(0, len(summary.violations) - _SHOWN_VIOLATIONS),
        shown_keys=summary.ssh_keys[:_SHOWN_KEYS],
        more_keys=max(0, len(summary.ssh_keys) - _SHOWN_KEYS),
        last_used=_last_used,
        states_chart=states_chart(summary.total.states),
        policies_chart=policies_chart(summary.policies),
        weeks_chart=weeks_chart(summary),
    )


def as_json(summary: Summary) -> dict[str, object]:
    """The report as data: times in RFC 3339 and UTC, or null."""
    total = summary.total

    def held(one: Held) -> dict[str, object]:
        token = one.token
        return {
            **_who(one.organization, one.user.user_id, one.user.name),
            "token_id": token.token_id,
            "token": token.name,
            "state": token.state(summary.at).value,
            "created_at": utc(token.created_at),
            "expires_at": utc(token.expires_at),
            "listed_expires_at": utc(token.listed_expiry),
            "permissions": list(token.permissions),
            "description": token.description,
            "kind": token.kind.value,
        }

    return {
        "at": utc(summary.at),
        "users": total.users,
        "users_failing": total.failing,
        "tokens": total.tokens,
        "tokens_by_state": {state.value: count for state, count in total.states.items()},
        "organizations": [
            {
                "name": one.name,
                "users": one.users,
                "users_failing": one.failing,
                "tokens_by_state": {state.value: count for state, count in one.states.items()},
            }
            for one in summary.organizations
        ],
        "violations_by_policy": [
            {"policy": one.policy.name, "severity": one.severity.value, "count": one.count} for one in summary.policies
        ],
        "expiring_by_week": list(summary.weeks),
        "expiring_later": summary.later,
        "violations": [
            {
                **_who(one.organization, one.user.user_id, one.user.name),
                "token_id": None if one.token is None else one.token.token_id,
                "token": None if one.token is None else one.token.name,
                "policy": one.policy.name,
                "severity": one.severity.value,
                "description": None if one.token is None else one.token.description,
            }
            for one in summary.violations
        ],
        "oldest": [held(one) for one in summary.oldest],
        "most_powerful": [held(one) for one in summary.most_permissions],
        "users_with_most_tokens": [
            {
                **_who(one.organization, one.user.user_id, one.user.name),
                "tokens": one.tokens,
                "unexpired": one.unexpired,
            }
            for one in summary.owners
        ],
        "ssh_keys": [held(one) | {"last_used_at": _last_used(one.token)} for one in summary.ssh_keys],
        "failures": list(summary.failures),
    }


def _last_used(token: Token) -> str | None:
    return utc(token.last_used_at) if isinstance(token, SshKey) else None


def _who(organization: str, user_id: str, user: str) -> dict[str, object]:
    return {"organization": organization, "user_id": user_id, "user": user}


_COLUMNS = ("section", "organization", "user_id", "user", "token_id", "token", "name", "value", "description")


def _csv(summary: Summary) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(_COLUMNS)
    for row in _lines(summary):
        # Only lines about a token have a description.
        writer.writerow([_cell(value) for value in (*row, "")[: len(_COLUMNS)]])
    return stream.getvalue()


def _cell(value: object) -> object:
    """A cell that a spreadsheet does not interpret as a formula."""
    return csv_cell(value) if isinstance(value, str) else value


def _lines(summary: Summary) -> Iterator[tuple[object, ...]]:
    """The lines of the CSV format, one value each."""
    no_token = ("", "", "", "", "")
    yield "report", *no_token, "at", utc(summary.at)
    for total in summary.organizations:
        where = (total.name, "", "", "", "")
        yield "users", *where, "watched", total.users
        yield "users", *where, "failing", total.failing
        for state, count in total.states.items():
            yield "tokens_by_state", *where, state.value, count
    for policy in summary.policies:
        yield "violations_by_policy", *no_token, policy.policy.name, policy.count
    for week, count in enumerate(summary.weeks):
        yield "expiring_by_week", *no_token, week, count
    yield "expiring_by_week", *no_token, "later", summary.later
    for one in summary.violations:
        token = ("", "") if one.token is None else (one.token.token_id, one.token.name)
        who = (one.organization, one.user.user_id, one.user.name)
        description = "" if one.token is None else one.token.description
        yield "violation", *who, *token, one.policy.name, one.severity.value, description
    facts: tuple[tuple[str, tuple[Held, ...], str, Callable[[Token], object]], ...] = (
        ("oldest", summary.oldest, "created_at", lambda token: utc(token.created_at)),
        ("most_powerful", summary.most_permissions, "permissions", lambda token: len(token.permissions)),
    )
    for section, held, name, value in facts:
        for each in held:
            who = (each.organization, each.user.user_id, each.user.name)
            yield section, *who, each.token.token_id, each.token.name, name, value(each.token), each.token.description
    for owner in summary.owners:
        who = (owner.organization, owner.user.user_id, owner.user.name)
        yield "users_with_most_tokens", *who, "", "", "unexpired", owner.unexpired
    yield from _key_lines(summary.ssh_keys)
    for failure in summary.failures:
        yield "failure", *no_token, "", failure


def _key_lines(keys: Iterable[Held]) -> Iterator[tuple[object, ...]]:
    for one in keys:
        key = one.token
        whose = (one.organization, one.user.user_id, one.user.name, key.token_id, key.name)
        yield "ssh_key", *whose, "expires_at", utc(key.expires_at), key.description
        yield "ssh_key", *whose, "created_at", utc(key.created_at), key.description
        yield "ssh_key", *whose, "last_used_at", _last_used(key), key.description
