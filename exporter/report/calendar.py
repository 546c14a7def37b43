"""Upcoming expiries as a calendar (iCalendar, RFC 5545), which calendar programs open or subscribe to."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from exporter.common.text import printable, utc, without_control_characters
from exporter.model.token import CredentialKind, TokenState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.report.listing import Row

_PRODUCT = "-//yunxiao-token-exporter//tokens//EN"
_WHAT = {CredentialKind.TOKEN: "Token", CredentialKind.SSH_KEY: "SSH key"}
_REFRESH = timedelta(hours=1)
_REMIND = timedelta(days=7)


def calendar(listed: Iterable[Row], now: float, name: str = "Yunxiao tokens") -> str:
    """A calendar with an event for each token that will expire, at the time of its expiry.

    Tokens that have expired, never expire, or whose expiry is unknown have no event.

    Args:
        listed: the tokens.
        now: epoch seconds.
        name: the name of the calendar.
    """
    from icalendar import Alarm, Calendar, Event, vDuration  # noqa: PLC0415 - only who wants a calendar waits for it

    made_at = datetime.fromtimestamp(int(now), tz=UTC)
    # Each event as text, since the library needs ten times as long for a component of thousands of others.
    head = Calendar()
    head.add("prodid", _PRODUCT)
    head.add("version", "2.0")
    head.add("method", "PUBLISH")
    head.add("x-wr-calname", name)
    head.add("refresh-interval", vDuration(_REFRESH), parameters={"VALUE": "DURATION"})
    head.add("x-published-ttl", vDuration(_REFRESH))
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("trigger", -_REMIND)
    alarm.add("description", "A token expires in 7 days")
    begin, _, end = head.to_ical().decode().rpartition("END:VCALENDAR")
    parts = [begin]
    seen: Counter[str] = Counter()
    for row in listed:
        expires = utc(row.token.expires_at)
        if row.state is not TokenState.ACTIVE or expires is None:
            continue
        uid = _uid(row)
        seen[uid] += 1
        event = Event()
        # Tokens whose id is masked can have the same id and name.
        event.add("uid", uid if seen[uid] == 1 else f"{seen[uid]}-{uid}")
        event.add("dtstamp", made_at)
        event.add("dtstart", datetime.fromisoformat(expires))
        event.add(
            "summary", f"{_WHAT[row.token.kind]} {printable(row.token.name)} of {printable(row.user.name)} expires"
        )
        event.add("description", _description(row))
        event.add("categories", [printable(row.organization)])
        # It takes no one's time.
        event.add("transp", "TRANSPARENT")
        event.add_component(alarm)
        parts.append(event.to_ical().decode())
    return "".join([*parts, "END:VCALENDAR", end])


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
