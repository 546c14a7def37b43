"""The parameters of lists: what each one means, and how a query becomes criteria. Pages, API and OpenAPI share them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from exporter.common.durations import parse_duration
from exporter.model.event import Change
from exporter.model.severity import Severity
from exporter.model.state import Reason
from exporter.model.token import CredentialKind, TokenState
from exporter.policies.builtin import POLICIES
from exporter.state.criteria import Criteria, PollStatus, Span
from exporter.state.token_search import TokenSort
from exporter.state.user_search import UserSort

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import tzinfo

ANY = "any"
MOST_ROWS = 1000
"""The largest limit."""
_LONGEST = 200
"""Characters of a value."""
_DIGITS = 9


class Form(StrEnum):
    """How the value of a parameter is written."""

    TEXT = "text"
    CHOICE = "choice"
    TIME = "time"
    DURATION = "duration"
    NUMBER = "number"
    CURSOR = "cursor"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a list.

    Attributes:
        name: as it is written in a query.
        form: how its value is written.
        meaning: for the API's documentation.
        choices: the values allowed; empty if any value is.
    """

    name: str
    form: Form
    meaning: str
    choices: tuple[str, ...] = ()


def _choice(name: str, meaning: str, values: Iterable[str]) -> Parameter:
    return Parameter(name, Form.CHOICE, meaning, tuple(values))


def _sort(values: Iterable[str], default: str) -> Parameter:
    every = [*values]
    return _choice(
        "sort", f"The order; with - before it in reverse. Default: {default}.", [*every, *(f"-{one}" for one in every)]
    )


Q = Parameter("q", Form.TEXT, "Part of a name, id, description, e-mail address, account or department; any case.")
ORGANIZATION = Parameter("organization", Form.TEXT, "The name of the organization.")
USER = Parameter("user", Form.TEXT, "The id or the name of the user.")
OWNER = Parameter("owner", Form.TEXT, "Part of the user's name, e-mail address or account; any case.")
DEPARTMENT = Parameter("department", Form.TEXT, "Part of the name of the user's department; any case.")
TOKEN_ID = Parameter("token_id", Form.TEXT, "The id of the token, as the platform lists it.")
STATE = _choice("state", "The state of the token.", TokenState)
KIND = _choice("kind", "The kind of credential.", CredentialKind)
PERMISSION = Parameter("permission", Form.TEXT, "A permission that the token grants; X_read_write grants X_read, too.")
POLICY = _choice("policy", "A policy that is violated, or any.", (ANY, *(policy.name for policy in POLICIES)))
SEVERITY = _choice("severity", "The severity of a policy that is violated.", Severity)
EXPIRES_WITHIN = Parameter("expires_within", Form.DURATION, "The time within which the token expires, such as 14d.")
EXPIRES_FROM = Parameter("expires_from", Form.TIME, "The first day, or the time, of the expiry.")
EXPIRES_TO = Parameter("expires_to", Form.TIME, "The last day of the expiry, or the time before which it is.")
CREATED_FROM = Parameter("created_from", Form.TIME, "The first day, or the time, of the creation.")
CREATED_TO = Parameter("created_to", Form.TIME, "The last day of the creation, or the time before which it was.")
STATUS = _choice("status", "Whether the user can be polled.", PollStatus)
REASON = _choice("reason", "Why the last poll of the user failed.", Reason)
EVENT = _choice("event", "The kind of change.", Change)
SINCE = Parameter("since", Form.TIME, "The first day, or the time, of the change.")
UNTIL = Parameter("until", Form.TIME, "The last day of the change, or the time before which it was found.")
LIMIT = Parameter("limit", Form.NUMBER, f"Rows of a page, 1 to {MOST_ROWS}. Without it, all rows are listed.")
CURSOR = Parameter("cursor", Form.CURSOR, "Where the page begins: as in the link to the next page.")
FORMAT = _choice("format", "The format. Default: json.", ("json", "csv"))
LANG = _choice("lang", "The language of texts. Default: by Accept-Language.", ("en", "zh"))

_OF_USERS = (ORGANIZATION, USER, OWNER, DEPARTMENT)
_OF_TOKENS = (
    *(Q, *_OF_USERS, TOKEN_ID, STATE, KIND, PERMISSION, POLICY, SEVERITY),
    *(EXPIRES_WITHIN, EXPIRES_FROM, EXPIRES_TO, CREATED_FROM, CREATED_TO),
)
_PAGE = (LIMIT, CURSOR, FORMAT)

TOKENS = (*_OF_TOKENS, _sort(TokenSort, "expires"), *_PAGE)
VIOLATIONS = (*(one for one in _OF_TOKENS if one is not KIND), _sort(TokenSort, "severity"), *_PAGE)
USERS = (
    *(Q, *_OF_USERS, STATUS, REASON, STATE, PERMISSION, POLICY, SEVERITY),
    *(EXPIRES_WITHIN, EXPIRES_FROM, EXPIRES_TO, CREATED_FROM, CREATED_TO),
    *(_sort(UserSort, "status, those that fail first"), *_PAGE),
)
EVENTS = (Q, ORGANIZATION, USER, TOKEN_ID, EVENT, KIND, SINCE, UNTIL, _sort(("time",), "-time"), *_PAGE)
CALENDAR = (*(one for one in _OF_TOKENS if one is not STATE), LIMIT, LANG)


class ParameterError(ValueError):
    """A query that cannot be answered. The text says what is wrong and what would be right."""


def values_of(pairs: Sequence[tuple[str, str]], known: Sequence[Parameter]) -> dict[str, str]:
    """The parameters of a query. Empty ones are left out, as forms send them.

    Raises:
        ParameterError: one is unknown, occurs twice, or has a value that it cannot have.
    """
    by_name = {one.name: one for one in known}
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in by_name:
            raise ParameterError(f"unknown parameter {_short(name)}; known are {', '.join(by_name)}")
        if name in found:
            raise ParameterError(f"{name} occurs twice; give it once")
        if not value.strip():
            continue
        _check(by_name[name], value)
        found[name] = value
    return found


def _check(parameter: Parameter, value: str) -> None:
    name = parameter.name
    if parameter.form is not Form.CURSOR and len(value) > _LONGEST:
        raise ParameterError(f"{name} is longer than {_LONGEST} characters")
    if parameter.choices and value not in parameter.choices:
        raise ParameterError(f"{name} cannot be {_short(value)}; it is one of {', '.join(parameter.choices)}")
    if parameter.form is Form.NUMBER and not (value.isascii() and value.isdigit()):
        raise ParameterError(f"{name} must be a whole number, such as {name}=20")


def _short(text: str) -> str:
    return repr(text if len(text) <= _LONGEST // 4 else f"{text[: _LONGEST // 4]}…")


def limit_of(values: Mapping[str, str], least: int = 1) -> int | None:
    """The number of rows asked for; None for all.

    Raises:
        ParameterError: it is out of range.
    """
    text = values.get("limit")
    if text is None:
        return None
    limit = int(text.lstrip("0")[:_DIGITS] or "0")
    if not least <= limit <= MOST_ROWS:
        raise ParameterError(f"limit must be between {least} and {MOST_ROWS}; leave it out for all rows")
    return limit


def sort_of(values: Mapping[str, str], default: str) -> tuple[str, bool]:
    """What to sort by, and whether in reverse."""
    sort = values.get("sort", default)
    return sort.removeprefix("-"), sort.startswith("-")


def criteria_of(values: Mapping[str, str], now: float, zone: tzinfo, severities: Mapping[str, Severity]) -> Criteria:
    """What rows must match.

    Args:
        values: the parameters.
        now: epoch seconds.
        zone: the time zone of days.
        severities: the severity of each configured policy, by its name.

    Raises:
        ParameterError: a value cannot be read.
    """
    expires = span_of(values, "expires_from", "expires_to", zone)
    if (within := values.get("expires_within")) is not None:
        expires = Span(max(now, expires.start), min(now + _duration("expires_within", within), expires.end))
    state, kind, status, reason = (values.get(name) for name in ("state", "kind", "status", "reason"))
    return Criteria(
        text=values.get("q", "").strip(),
        organization=values.get("organization"),
        user=values.get("user"),
        owner=values.get("owner", "").strip(),
        department=values.get("department", "").strip(),
        token_id=values.get("token_id"),
        state=None if state is None else TokenState(state),
        kind=None if kind is None else CredentialKind(kind),
        permission=values.get("permission"),
        policies=_policies(values, severities),
        expires=expires,
        created=span_of(values, "created_from", "created_to", zone),
        status=None if status is None else PollStatus(status),
        reason=None if reason is None else Reason(reason),
    )


def _policies(values: Mapping[str, str], severities: Mapping[str, Severity]) -> frozenset[str] | None:
    policy, severity = values.get("policy"), values.get("severity")
    if policy is None and severity is None:
        return None
    every = [policy.name for policy in POLICIES] if policy in {None, ANY} else [policy or ""]
    return frozenset(name for name in every if severity is None or severities.get(name) == severity)


def span_of(values: Mapping[str, str], first: str, last: str, zone: tzinfo) -> Span:
    """The range between two parameters; a day includes the whole day.

    Raises:
        ParameterError: one of them is neither a day nor a time.
    """
    start, end = values.get(first), values.get(last)
    everything = Span()
    return Span(
        everything.start if start is None else _time(first, start, zone),
        everything.end if end is None else _time(last, end, zone, whole_day=True),
    )


def _time(name: str, text: str, zone: tzinfo, *, whole_day: bool = False) -> float:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ParameterError(
            f"{name} cannot be {_short(text)}; write a day such as 2026-12-31, or a time such as 2026-12-31T08:00:00Z"
        ) from None
    try:
        if len(text.strip()) <= len("2026-12-31"):
            moment = moment.replace(tzinfo=zone) + timedelta(days=whole_day)
        elif moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        # By subtraction: the first and the last day have no equivalent in some zones.
        return (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    except OverflowError:
        raise ParameterError(f"{name} is out of range") from None


def _duration(name: str, text: str) -> float:
    try:
        return parse_duration(text.strip())
    except ValueError:
        raise ParameterError(f"{name} cannot be {_short(text)}; write a duration such as 14d or 12h") from None
