"""The list of events for people and scripts, as a table, JSON, CSV or a workbook."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, TextIO

import msgspec

from exporter.common.text import escaped_json, printable
from exporter.report.filters import any_matches
from exporter.report.formats import Binary, Output, Text
from exporter.report.spreadsheet import Sheet, write_csv, write_workbook
from exporter.report.table import Column, write_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from exporter.report.api_records import EventRecord

_COLUMNS = (
    *("time", "organization", "event", "user_id", "user", "token_id", "token", "kind"),
    *("old_name", "added", "removed", "old_expiry", "new_expiry", "description"),
)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Selects events; patterns as in `TokenFilter`.

    Attributes:
        users: ids or names of users.
        organizations: names of organizations.
        changes: kinds of events.
    """

    users: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()

    def fits(self, event: EventRecord) -> bool:
        """Whether an event fits."""
        return (
            (not self.changes or event.event in self.changes)
            and any_matches(self.users, (event.user_id, event.user))
            and any_matches(self.organizations, (event.organization,))
        )


def event_document(events: Sequence[EventRecord], form: Output) -> Text | Binary:
    """The events as a document, in one of the formats that suit them."""
    match form:
        case Output.JSON:
            return Text(lambda stream: _write_json(events, stream))
        case Output.CSV:
            return Text(lambda stream: write_csv(_sheet(events), stream), spreadsheet=True)
        case Output.XLSX:

            def write(stream: BinaryIO, clean: Callable[[str], str]) -> None:
                write_workbook([_sheet(events)], stream, clean)

            return Binary(write)
        case _:
            return Text(lambda stream: _write_table(events, stream))


def _write_json(events: Iterable[EventRecord], stream: TextIO) -> None:
    found = [msgspec.to_builtins(one) for one in events]
    stream.write(escaped_json(json.dumps(found, ensure_ascii=False, indent=2)) + "\n")


def _sheet(events: Iterable[EventRecord]) -> Sheet:
    return Sheet("events", _COLUMNS, [[getattr(one, name) for name in _COLUMNS] for one in events])


def _write_table(events: Sequence[EventRecord], stream: TextIO) -> None:
    if not events:
        stream.write("No events to list.\n")
        return
    columns = (
        Column("TIME", [printable(f"{one.time[:19]}Z") for one in events], None, 0),
        Column("EVENT", [printable(one.event) for one in events], None, 1),
        Column("ORGANIZATION", [printable(one.organization) for one in events], 8, 5),
        Column("USER", [printable(one.user) for one in events], 10, 2),
        Column("TOKEN", [printable(one.token) for one in events], 10, 3),
        Column("DETAILS", [printable(_details(one)) for one in events], 12, 4),
    )
    write_table(columns, stream)


def _details(event: EventRecord) -> str:
    parts = [
        f"{event.old_expiry or '-'} -> {event.new_expiry or '-'}" if event.old_expiry or event.new_expiry else "",
        f"was {event.old_name}" if event.old_name else "",
        *(f"+{name}" for name in event.added),
        *(f"-{name}" for name in event.removed),
    ]
    return " ".join(part for part in parts if part)
