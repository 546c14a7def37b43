"""One sweep over everything that is configured, for commands that sweep once and exit."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.app.organization import Organization
from exporter.app.organization_parts import Shared
from exporter.common.cancellation import Stop
from exporter.common.text import explained
from exporter.common.worker import Supervisor
from exporter.http.session import Watchdog
from exporter.metrics.telemetry import Telemetry
from exporter.model.snapshot import View
from exporter.model.token import MOST_LISTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from exporter.common.clock import Clock
    from exporter.config.settings import Settings
    from exporter.model.state import UserState
    from exporter.model.user import User


_NAMED = 5
"""Users named in one sentence about a failure."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one sweep of each organization.

    Attributes:
        view: the state after it.
        failures: sentences that say which users could not be polled, and why.
        notes: sentences about what is missing without a failure: tokens that could not be read, and SSH keys that could
            not be listed, since only some editions offer that.
        undiscovered: organizations whose users could not be discovered.
        unreadable: users of a state file that could not be read.
    """

    view: View
    failures: tuple[str, ...]
    notes: tuple[str, ...] = ()
    undiscovered: int = 0
    unreadable: int = 0

    @property
    def users(self) -> int:
        """The number of users that were to be polled."""
        return sum(len(one.users) for one in self.view.organizations) + self.unreadable

    @property
    def failed_users(self) -> int:
        """The number of users that could not be polled or read."""
        return self.unreadable + sum(
            state.failure is not None or not state.polled for one in self.view.organizations for state in one.users
        )

    @property
    def failed_completely(self) -> bool:
        """Whether nothing is known: there are users or an organization that failed, and no user was polled."""
        return self.failed_users == self.users and bool(self.users or self.undiscovered)


def sweep_once(
    settings: Settings, clock: Clock, progress: Callable[[User], None], begins: Callable[[int], None]
) -> Outcome:
    """Discover and sweep every organization once, all at the same time.

    Args:
        settings: the configuration.
        clock: the time.
        progress: called after each user, from another thread.
        begins: called for each organization with the number of its users before its sweep, from another thread.

    Raises:
        KeyboardInterrupt: Ctrl-C; everything under way has been ended.
    """
    stop = Stop()
    telemetry = Telemetry()
    watchdog = Watchdog(clock, Supervisor(telemetry.internal_error, clock))
    watchdog.start()
    shared = Shared(watchdog, stop, clock, settings.redactor.clean, progress=progress)
    organizations = [
        Organization(one, settings.config, shared, telemetry.organization(one.config.name))
        for one in settings.organizations
    ]
    for organization in organizations:
        # All that an answer can list: nothing is kept afterwards.
        organization.ledger.keep_tokens(MOST_LISTED)
    try:
        threads = [
            threading.Thread(target=organization.sweep_once, args=(begins,), name=f"sweep-{number}", daemon=True)
            for number, organization in enumerate(organizations)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        stop.set()
        for organization in organizations:
            organization.end()
        watchdog.stop()
    view = View(tuple(organization.ledger.view() for organization in organizations))
    undiscovered = tuple(_undiscovered(organizations))
    return Outcome(
        view,
        (*undiscovered, *failure_sentences(view)),
        (*_unreadable(view), *_without_keys(organizations)),
        len(undiscovered),
    )


def _undiscovered(organizations: Iterable[Organization]) -> Iterator[str]:
    """A sentence for each organization whose users could not be discovered."""
    for organization in organizations:
        failure = None if organization.refresher is None else organization.refresher.failure
        if failure is not None:
            reason = f"{organization.ledger.name}: users cannot be discovered: {failure.reason}"
            yield explained(failure.message, failure.reason.meaning, reason=reason)


def _unreadable(view: View) -> Iterator[str]:
    """A sentence for each organization with listed entries that could not be read as tokens."""
    for organization in view.organizations:
        affected = [state for state in organization.users if state.failure is None and state.unreadable]
        if affected:
            entries = sum(state.unreadable for state in affected)
            yield (
                f"{organization.name}: {entries} listed token(s) of {_named(affected)} cannot be read, such as those "
                "without an id, and are left out"
            )


def _without_keys(organizations: Iterable[Organization]) -> Iterator[str]:
    """A sentence for each organization with users whose SSH keys could not be listed although their tokens could."""
    for organization in organizations:
        reader = organization.parts.ssh_keys
        users = [state for state in organization.ledger.view().users if state.last_success is not None]
        without = sum(state.ssh_keys is None for state in users)
        if reader is not None and without:
            yield explained(
                f"{organization.ledger.name}: the SSH keys of {without} of {len(users)} users are not listed",
                reader.problem or "",
            )


def failure_sentences(view: View) -> Iterator[str]:
    """A sentence for each kind of failure, with the users that it affects."""
    for organization in view.organizations:
        affected: dict[str, list[UserState]] = {}
        for state in organization.users:
            if state.failure is not None:
                why = explained(state.failure.message, state.failure.reason.meaning, reason=state.failure.reason)
            elif not state.polled:
                why = "not polled"
            else:
                continue
            affected.setdefault(why, []).append(state)
        for why, states in affected.items():
            yield f"{organization.name}: {_named(states)}: {why}"


def _named(states: Sequence[UserState]) -> str:
    """The users of these states, for a sentence."""
    named = ", ".join(f"{state.user.name} ({state.user.user_id})" for state in states[:_NAMED])
    return f"{named} and {len(states) - _NAMED} more" if len(states) > _NAMED else named
