"""Rows of lists as plain values, for JSON and CSV."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import msgspec

from exporter.common.text import csv_cell, utc
from exporter.model.token import NEVER, TokenState
from exporter.policies.base import ALWAYS, TokenPolicy
from exporter.report.listing import Row, records
from exporter.state.criteria import PollStatus
from exporter.state.user_search import next_expiry
from exporter.web.urgency import urgency

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exporter.config.alerting import Alerting
    from exporter.model.token import Token
    from exporter.model.user import User
    from exporter.policies.base import Policy
    from exporter.state.contents import Match

Record = dict[str, object]
BOM = "\ufeff"
"""Without it, a Chinese Excel reads CSV files as GBK."""


def token_record(match: Match, alerting: Alerting, now: float) -> Record:
    """A token or SSH key: what `tokens --output json` says, and more."""
    token, user = match.token, match.state.user
    if token is None:
        raise TypeError("a row about a user")
    (record,) = records([Row(match.organization, user, token, token.state(now))], now)
    return {
        **record,
        "urgency": urgency(user, token, alerting, now).value,
        **_owner(user),
        "policies": [policy.name for policy in match.policies],
    }


def violation_record(match: Match, now: float) -> Record:
    """A token, or a user as a whole, with the policies that it violates."""
    token, user = match.token, match.state.user
    return {
        "organization": match.organization,
        "user_id": user.user_id,
        "user": user.name,
        **_owner(user),
        "token_id": None if token is None else token.token_id,
        "token": None if token is None else token.name,
        "state": None if token is None else token.state(now).value,
        "created_at": None if token is None else utc(token.created_at),
        "expires_at": None if token is None else utc(token.platform_expiry),
        "violations": [
            {
                "policy": policy.name,
                "severity": policy.severity.value,
                "problem": policy.words,
                "since": utc(since(policy, token)),
            }
            for policy in match.policies
        ],
    }


def since(policy: Policy, token: Token | None) -> float | None:
    """When a violation began, in epoch seconds; None if that is not known."""
    if token is None or not isinstance(policy, TokenPolicy):
        return None
    begin, _ = policy.span(token)
    return token.created_at if begin == ALWAYS else begin


def user_record(match: Match, now: float) -> Record:
    """A user."""
    state = match.state
    failure = state.failure
    soonest = next_expiry(state, now)
    return {
        "organization": match.organization,
        "user_id": state.user.user_id,
        "user": state.user.name,
        **_owner(state.user),
        "labels": dict(state.user.labels),
        "status": PollStatus.of(state).value,
        "reason": None if failure is None else failure.reason.value,
        "detail": None if failure is None else failure.message,
        "failing_since": utc(state.failing_since),
        "last_success": utc(state.last_success),
        "tokens": {one.value: count for one, count in state.counts(now).items()},
        "ssh_keys": None if state.ssh_keys is None else len(state.ssh_keys),
        "next_expiry": None if soonest == NEVER else utc(soonest),
        "policies": [policy.name for policy in match.policies],
    }


def _owner(user: User) -> Record:
    owner = user.owner
    return {
        "owner_email": None if owner is None else owner.email,
        "owner_username": None if owner is None else owner.username,
        "owner_department": None if owner is None else owner.department,
    }


_STATES = tuple(state.value for state in TokenState)
_TOKEN_COLUMNS = (
    *("organization", "user_id", "user", "token_id", "token", "state", "expires_at", "expires_in_seconds"),
    *("created_at", "permissions", "description", "kind", "last_used_at", "listed_expires_at"),
    *("urgency", "owner_email", "owner_username", "owner_department", "policies"),
)
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "tokens": _TOKEN_COLUMNS,
    "violations": (
        *("organization", "user_id", "user", "owner_email", "owner_username", "owner_department"),
        *("token_id", "token", "state", "created_at", "expires_at", "policies", "severities"),
    ),
    "users": (
        *("organization", "user_id", "user", "owner_email", "owner_username", "owner_department", "status", "reason"),
        *("detail", "failing_since", "last_success", *_STATES, "ssh_keys", "next_expiry", "policies"),
    ),
    "events": (
        *("time", "organization", "event", "user_id", "user", "token_id", "token", "kind", "old_name"),
        *("added", "removed", "old_expiry", "new_expiry", "description"),
    ),
}
"""The columns of each list as CSV."""


def _flat(record: Record) -> Record:
    """A record with a value for each column."""
    flat = dict(record)
    violated = record.get("violations")
    if isinstance(violated, list):
        flat["policies"] = [one["policy"] for one in violated]
        flat["severities"] = [one["severity"] for one in violated]
    tokens = record.get("tokens")
    if isinstance(tokens, dict):
        flat |= tokens
    return flat


def json_row(record: Record) -> bytes:
    """A record as a JSON object."""
    return msgspec.json.encode(record)


def csv_row(listed: str, record: Record) -> bytes:
    """A record as a line of CSV, in UTF-8."""
    flat = _flat(record)
    return _line([_cell(flat.get(column)) for column in COLUMNS[listed]])


def csv_heading(listed: str) -> bytes:
    """The first line of CSV, with a byte order mark."""
    return BOM.encode() + _line(COLUMNS[listed])


def _line(cells: Sequence[object]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream).writerow(cells)
    return stream.getvalue().encode("utf-8", "replace")


def _cell(value: object) -> object:
    if isinstance(value, list):
        return csv_cell(" ".join(value))
    return csv_cell(value) if isinstance(value, str) else value
