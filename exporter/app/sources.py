"""What commands list: from a running exporter or a state file, in the form of a sweep's outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.app.once import Outcome, failure_sentences
from exporter.app.remote import RemoteError, RemoteExporter, RemoteTarget
from exporter.common.files import FileError
from exporter.model.snapshot import View
from exporter.report.api_records import EventRecord, InvalidAnswerError, parse_events, parse_view
from exporter.report.event_records import event_record
from exporter.state.read_only import read_state

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from exporter.common.clock import Clock

    Source = RemoteTarget | Path
    """A running exporter, or a state file."""


class SourceError(Exception):
    """A source cannot be read. The message says which, why, and what to do."""


def outcome_of(source: Source, clock: Clock) -> Outcome:
    """What a running exporter or a state file knows about users and their tokens.

    A running exporter of an earlier release lists only users with tokens, and not those that it cannot poll.

    Raises:
        SourceError: the source cannot be read.
    """
    if isinstance(source, RemoteTarget):
        try:
            with RemoteExporter(source, clock) as remote:
                answer, users = remote.tokens(), remote.users()
            view = parse_view(answer.body, None if users is None else users.body, clock.now())
        except RemoteError as error:
            raise SourceError(str(error)) from None
        except InvalidAnswerError as error:
            raise SourceError(f"{source.url}/api/v1/tokens: {error}; check the address") from None
        notes = [f"{answer.left_out} token(s) beyond metrics.max_tokens_per_user are not listed"] * bool(
            answer.left_out
        )
        return Outcome(view, tuple(failure_sentences(view)), tuple(notes))
    try:
        restored = read_state(source)
    except FileError as error:
        raise SourceError(f"{source}: {error}") from None
    unreadable = sum(row.table == "users" for row in restored.unreadable)
    if not restored.organizations and not unreadable:
        raise SourceError(f"{source}: contains no users yet; try again after the first sweep")
    view = View(tuple(restored.organizations.values()))
    damage = [f"{source}: {unreadable} user(s) cannot be read; a running exporter polls them again"] * bool(unreadable)
    return Outcome(view, (*damage, *failure_sentences(view)), unreadable=unreadable)


def events_of(source: Source, clock: Clock) -> list[EventRecord]:
    """The latest events that a running exporter or a state file knows, newest first.

    Raises:
        SourceError: the source cannot be read.
    """
    if isinstance(source, RemoteTarget):
        try:
            with RemoteExporter(source, clock) as remote:
                return parse_events(remote.events().body)
        except RemoteError as error:
            raise SourceError(str(error)) from None
        except InvalidAnswerError as error:
            raise SourceError(f"{source.url}/api/v1/events: {error}; check the address") from None
    try:
        restored = read_state(source)
    except FileError as error:
        raise SourceError(f"{source}: {error}") from None
    return [EventRecord(**_arguments(event_record(one))) for one in reversed(restored.events)]


def _arguments(record: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}
