"""Upcoming expiries as a calendar (iCalendar, RFC 5545), which calendar programs open or subscribe to."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from exporter.common.text import printable, utc, without_control_characters
from exporter.model.token import CredentialKind, TokenState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.report.listing import Row

_PRODUCT = "-//yunxiao-token-exporter//tokens//EN"
_WHAT = {CredentialKind.TOKEN: "Token", CredentialKind.SSH_KEY: "SSH key"}
_REFRESH = timedelta(hours=1)
_TIME = "%Y%m%dT%H%M%SZ"
_REST = (
    "TRANSP:TRANSPARENT",  # it takes no one's time
    *("BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:A token expires in 7 days", "TRIGGER:-P7D", "END:VALARM"),
)


def calendar(listed: Iterable[Row], now: float, name: str = "Yunxiao tokens") -> str:
    """A calendar with an event for each token that will expire, at the time of its expiry.

    Tokens that have expired, never expire, or whose expiry is unknown have no event.

    Args:
        listed: the tokens.
        now: epoch seconds.
        name: the name of the calendar.
    """
    from icalendar import Calendar, vDuration  # noqa: PLC0415 - only who wants a calendar waits for it

    head = Calendar()
    head.add("prodid", _PRODUCT)
    head.add("version", "2.0")
    head.add("method", "PUBLISH")
    head.add("x-wr-calname", name)
    head.add("refresh-interval", vDuration(_REFRESH), parameters={"VALUE": "DURATION"})
    head.add("x-published-ttl", vDuration(_REFRESH))
    begin, _, end = head.to_ical().decode().rpartition("END:VCALENDAR")
    made_at = datetime.fromtimestamp(int(now), tz=UTC)
    seen: Counter[str] = Counter()
    parts = [begin]
    for row in listed:
        expires = utc(row.token.expires_at)
        if row.state is TokenState.ACTIVE and expires is not None:
            uid = _uid(row)
            seen[uid] += 1
            # Tokens whose id is masked can have the same id and name.
            unique = uid if seen[uid] == 1 else f"{seen[uid]}-{uid}"
            parts.append(_event(row, unique, datetime.fromisoformat(expires), made_at))
    return "".join([*parts, "END:VCALENDAR", end])


def _event(row: Row, uid: str, expires: datetime, made_at: datetime) -> str:
    """An event as text. The library quotes and folds; its components would take five times as long."""
    from icalendar import vText  # noqa: PLC0415 - as above
    from icalendar.parser import Contentline  # noqa: PLC0415 - as above

    summary = f"{_WHAT[row.token.kind]} {printable(row.token.name)} of {printable(row.user.name)} expires"
    texts = {"SUMMARY": summary, "DESCRIPTION": _description(row), "CATEGORIES": printable(row.organization)}
    folded: Any = Contentline
    lines = [folded(f"{key}:{vText(text).to_ical().decode()}").to_ical().decode() for key, text in texts.items()]
    fixed = (f"UID:{uid}", f"DTSTAMP:{made_at:{_TIME}}", f"DTSTART:{expires:{_TIME}}")
    return "\r\n".join(["BEGIN:VEVENT", *fixed, *lines, *_REST, "END:VEVENT", ""])


def _uid(row: Row) -> str:
    """The same for the same token, also after a renewal, so that its event moves."""
    key = repr((row.organization, row.user.user_id, row.token.kind.value, row.token.token_id, row.token.name))
    return f"{hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()[:32]}@yunxiao-token-exporter"


def _description(row: Row) -> str:
    token, owner = row.token, row.user.owner
    lines = [
        ("Organization", row.organization),
        ("User", f"{row.user.name} ({row.user.user_id})"),
        ("E-mail", "" if owner is None else owner.email),
        ("Department", "" if owner is None else owner.department),
        ("Id", token.token_id),
        ("Permissions", " ".join(token.permissions)),
        ("Description", token.description),
    ]
    return without_control_characters("\n".join(f"{key}: {printable(value)}" for key, value in lines if value))
