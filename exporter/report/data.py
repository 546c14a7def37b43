"""The report as JSON, for programs: complete, with times in RFC 3339 and UTC, or null."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from exporter.common.text import escaped_json, utc
from exporter.model.ssh_key import SshKey
from exporter.report.listing import owner_values

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.model.user import User
    from exporter.report.comparison import Comparison, Finding
    from exporter.report.summary import Held, Summary, Totals


def as_json_text(summary: Summary, comparison: Comparison | None = None) -> str:
    """The report as JSON text."""
    return escaped_json(json.dumps(as_json(summary, comparison), ensure_ascii=False, indent=2)) + "\n"


def as_json(summary: Summary, comparison: Comparison | None = None) -> dict[str, object]:
    """The report as data."""
    found = {
        **_numbers(summary),
        "violations": [
            {
                **_who(one.organization, one.user),
                "token_id": None if one.token is None else one.token.token_id,
                "token": None if one.token is None else one.token.name,
                "policy": one.policy.name,
                "severity": one.severity.value,
                "description": None if one.token is None else one.token.description,
            }
            for one in summary.violations
        ],
        **{name: [_held(one, summary.at) for one in held] for name, held in _lists(summary).items()},
        "users_with_most_tokens": [
            {**_who(one.organization, one.user), "tokens": one.tokens, "unexpired": one.unexpired}
            for one in summary.owners
        ],
        "users_with_most_permissions": [
            {**_who(one.organization, one.user), "unexpired": one.unexpired, "permissions": list(one.permissions)}
            for one in summary.powers
        ],
        "exemptions": [
            {
                "policy": one.policy.name,
                "user": one.user,
                "token_id": one.token_id,
                "name": one.name,
                "reason": one.reason,
                "until": one.until.isoformat(),
                "days_left": one.days_left,
                "tokens": one.tokens,
            }
            for one in summary.exemptions
        ],
        "ssh_keys": [
            _held(one, summary.at)
            | {"last_used_at": utc(one.token.last_used_at) if isinstance(one.token, SshKey) else None}
            for one in summary.ssh_keys
        ],
        "failing_users": [
            {**_who(one.organization, one.user), "reason": None if one.reason is None else one.reason.value}
            for one in summary.failing
        ],
        "failures": list(summary.failures),
    }
    if comparison is not None:
        found["comparison"] = {
            "since": comparison.since,
            "fixed": _findings(comparison.fixed),
            "new": _findings(comparison.new),
            "unchanged": comparison.unchanged,
            "unknown": comparison.unknown,
        }
    return found


def _numbers(summary: Summary) -> dict[str, object]:
    total = summary.total
    return {
        "at": utc(summary.at),
        "users": total.users,
        "users_failing": total.failing,
        "tokens": total.tokens,
        "tokens_by_state": _states(total),
        "organizations": [
            {
                "name": one.name,
                "users": one.users,
                "users_failing": one.failing,
                "tokens_by_state": _states(one),
            }
            for one in summary.organizations
        ],
        "violations_by_policy": [
            {"policy": one.policy.name, "severity": one.severity.value, "count": one.count} for one in summary.policies
        ],
        "expiring_by_week": list(summary.weeks),
        "expiring_later": summary.later,
    }


def _states(totals: Totals) -> dict[str, int]:
    return {state.value: count for state, count in totals.states.items()}


def _lists(summary: Summary) -> dict[str, tuple[Held, ...]]:
    return {
        "next_to_expire": summary.next_to_expire,
        "expired": summary.expired,
        "never_expiring": summary.never_expiring,
        "oldest": summary.oldest,
        "most_powerful": summary.most_permissions,
    }


def _held(one: Held, at: float) -> dict[str, object]:
    token = one.token
    return {
        **_who(one.organization, one.user),
        "token_id": token.token_id,
        "token": token.name,
        "state": token.state(at).value,
        "created_at": utc(token.created_at),
        "expires_at": utc(token.expires_at),
        "listed_expires_at": utc(token.listed_expiry),
        "permissions": list(token.permissions),
        "description": token.description,
        "kind": token.kind.value,
    }


def _who(organization: str, user: User) -> dict[str, object]:
    return {"organization": organization, "user_id": user.user_id, "user": user.name, **owner_values(user)}


def _findings(found: Iterable[Finding]) -> list[dict[str, object]]:
    return [
        {
            "organization": one.organization,
            "user_id": one.user_id,
            "user": one.user,
            "token_id": one.token_id,
            "token": one.token,
            "problem": one.problem,
        }
        for one in found
    ]
