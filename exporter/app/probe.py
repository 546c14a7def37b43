"""Whether organizations answer as configured: a few real requests, a line about each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.app.organization import Watcher
from exporter.common.cancellation import Stop
from exporter.common.text import explained, printable
from exporter.common.worker import Supervisor
from exporter.http.session import Watchdog
from exporter.metrics.telemetry import Telemetry
from exporter.platform.base import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exporter.common.clock import Clock
    from exporter.config.settings import Settings
    from exporter.model.state import Failure
    from exporter.model.user import User

_NAMED = 5
"""Users named in a line."""


def probe(settings: Settings, clock: Clock) -> Iterator[tuple[bool, str]]:
    """Ask every organization for the caller, its users and one user's tokens.

    Args:
        settings: whom to ask.
        clock: where time comes from.

    Returns:
        For each question whether all is well, and a line about it. That the token may not ask who it belongs to is
        well: nothing but the watch on its own expiry needs that.
    """
    stop = Stop()
    telemetry = Telemetry()
    watchdog = Watchdog(clock, Supervisor(telemetry.internal_error, clock))
    watchdog.start()
    try:
        for one in settings.organizations:
            name = one.config.name
            counts = telemetry.organization(name)
            redact = settings.redactor.clean
            watcher = Watcher(one, settings.config.poll, None, counts, watchdog, stop, clock, redact=redact)
            try:
                for well, line in _about(watcher, stop):
                    yield well, printable(f"{name}: {line}")
            finally:
                watcher.end()
    finally:
        stop.set()
        watchdog.stop()


def _about(watcher: Watcher, stop: Stop) -> Iterator[tuple[bool, str]]:
    discover = watcher.settings.config.users.discover
    allow_empty = discover is not None and discover.allow_empty
    yield _caller(watcher, stop)
    if watcher.refresher is not None:
        watcher.refresh()
        failure, found = watcher.refresher.failure, watcher.refresher.users or ()
        if failure is not None:
            yield False, f"discovery: {_words(failure)}"
        elif found or allow_empty:
            yield True, f"discovery: {_named(found)}"
        else:
            yield False, "discovery: nobody found; look at status, departments, include and exclude, or set allow_empty"
    users = watcher.ledger.users()
    if not users:
        yield True, "tokens: nobody to ask about"
        return
    who = f"tokens of {users[0].name} ({users[0].user_id})"
    try:
        yield True, f"{who}: {len(watcher.client.list_tokens(users[0].user_id, stop))}"
    except ApiError as error:
        yield False, f"{who}: {_words(error.failure)}"


def _caller(watcher: Watcher, stop: Stop) -> tuple[bool, str]:
    try:
        person = watcher.client.caller(stop)
    except ApiError as error:
        if error.not_offered:
            return True, f"caller: not told to this token ({error.detail}), so its own expiry is not watched"
        return False, f"caller: {_words(error.failure)}"
    return True, f"caller: {person.name or person.username or person.user_id} ({person.user_id})"


def _named(users: Sequence[User]) -> str:
    names = ", ".join(user.name for user in users[:_NAMED])
    more = f" and {len(users) - _NAMED} more" if len(users) > _NAMED else ""
    return f"{len(users)} user(s)" + (f": {names}{more}" if users else "")


def _words(failure: Failure) -> str:
    return explained(failure.message, failure.reason.meaning, reason=f"failed: {failure.reason}")
