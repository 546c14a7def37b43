"""Checks that organizations answer as configured: a few real requests, with one line about each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.app.organization import Organization
from exporter.app.organization_parts import Shared
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
        settings: the configuration.
        clock: the time.

    Returns:
        For each request whether it succeeded, and a line about it. A token that may not ask who it belongs to is no
        failure: only the watch on its own expiry needs that.
    """
    stop = Stop()
    telemetry = Telemetry()
    watchdog = Watchdog(clock, Supervisor(telemetry.internal_error, clock))
    watchdog.start()
    shared = Shared(watchdog, stop, clock, settings.redactor.clean)
    try:
        for one in settings.organizations:
            name = one.config.name
            organization = Organization(one, settings.config, shared, telemetry.organization(name))
            try:
                for succeeded, line in _results(organization, stop):
                    yield succeeded, printable(f"{name}: {line}")
            finally:
                organization.end()
    finally:
        stop.set()
        watchdog.stop()


def _results(organization: Organization, stop: Stop) -> Iterator[tuple[bool, str]]:
    discover = organization.settings.config.users.discover
    allow_empty = discover is not None and discover.allow_empty
    yield _caller(organization, stop)
    if organization.refresher is not None:
        organization.refresh()
        failure, found = organization.refresher.failure, organization.refresher.users or ()
        if failure is not None:
            yield False, f"discovery: {_words(failure)}"
        elif found or allow_empty:
            yield True, f"discovery: {_named(found)}"
        else:
            yield False, "discovery: no users; check status, departments, include and exclude, or set allow_empty"
    users = organization.ledger.users()
    if not users:
        yield True, "tokens: no user to ask for"
        return
    who = f"tokens of {users[0].name} ({users[0].user_id})"
    try:
        yield True, f"{who}: {len(organization.client.list_tokens(users[0].user_id, stop))}"
    except ApiError as error:
        yield False, f"{who}: {_words(error.failure)}"


def _caller(organization: Organization, stop: Stop) -> tuple[bool, str]:
    try:
        person = organization.client.caller(stop)
    except ApiError as error:
        if error.not_offered:
            return True, f"caller: this token may not ask for it ({error.detail}), so its own expiry is not watched"
        return False, f"caller: {_words(error.failure)}"
    return True, f"caller: {person.name or person.username or person.user_id} ({person.user_id})"


def _named(users: Sequence[User]) -> str:
    names = ", ".join(user.name for user in users[:_NAMED])
    more = f" and {len(users) - _NAMED} more" if len(users) > _NAMED else ""
    return f"{len(users)} user(s)" + (f": {names}{more}" if users else "")


def _words(failure: Failure) -> str:
    return explained(failure.message, failure.reason.meaning, reason=f"failed: {failure.reason}")
