"""One sweep over everything that is configured, for commands that look once and end."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.app.organization import Watcher
from exporter.common.cancellation import Stop
from exporter.common.text import explained
from exporter.common.worker import Supervisor
from exporter.http.session import Watchdog
from exporter.metrics.telemetry import Telemetry
from exporter.model.snapshot import View
from exporter.model.token import MOST_LISTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from exporter.common.clock import Clock
    from exporter.config.settings import Settings
    from exporter.model.user import User


_NAMED = 5
"""Users named in one sentence about a failure."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one sweep of each organization brought.

    Attributes:
        view: the state after it.
        failures: sentences that say which users could not be polled, and why.
    """

    view: View
    failures: tuple[str, ...]


def sweep_once(
    settings: Settings, clock: Clock, progress: Callable[[User], None], tell: Callable[[int], None]
) -> Outcome:
    """Discover and sweep every organization once, all at the same time.

    Args:
        settings: whom to ask for what.
        clock: where time comes from.
        progress: called after each user, from some other thread.
        tell: called for each organization with the number of its users, once that is known, from some other thread.

    Raises:
        KeyboardInterrupt: the person at the terminal has had enough; everything under way has been ended.
    """
    stop = Stop()
    telemetry = Telemetry()
    watchdog = Watchdog(clock, Supervisor(telemetry.internal_error, clock))
    watchdog.start()
    watchers = [
        Watcher(
            one,
            settings.config.poll,
            None,
            telemetry.organization(one.config.name),
            watchdog,
            stop,
            clock,
            progress,
            redact=settings.redactor.clean,
            # All that an answer can list: nothing is kept afterwards.
            most_tokens=MOST_LISTED,
        )
        for one in settings.organizations
    ]
    try:
        threads = [
            threading.Thread(target=watcher.sweep_found, args=(tell,), name=f"sweep-{number}", daemon=True)
            for number, watcher in enumerate(watchers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        stop.set()
        for watcher in watchers:
            watcher.end()
        watchdog.stop()
    view = View(tuple(watcher.ledger.view() for watcher in watchers))
    return Outcome(view, (*_undiscovered(watchers), *_failures(view)))


def _undiscovered(watchers: Iterable[Watcher]) -> Iterator[str]:
    """A sentence for each organization whose users could not be found."""
    for watcher in watchers:
        failure = None if watcher.refresher is None else watcher.refresher.failure
        if failure is not None:
            reason = f"{watcher.ledger.name}: users cannot be discovered: {failure.reason}"
            yield explained(failure.message, failure.reason.meaning, reason=reason)


def _failures(view: View) -> Iterator[str]:
    """A sentence for each way of failing, with the users that it hit."""
    for organization in view.organizations:
        hit: dict[str, list[str]] = {}
        for state in organization.users:
            if state.failure is not None:
                why = explained(state.failure.message, state.failure.reason.meaning, reason=state.failure.reason)
            elif not state.polled:
                why = "not polled"
            else:
                continue
            hit.setdefault(why, []).append(f"{state.user.name} ({state.user.user_id})")
        for why, users in hit.items():
            named = ", ".join(users[:_NAMED])
            more = f" and {len(users) - _NAMED} more" if len(users) > _NAMED else ""
            yield f"{organization.name}: {named}{more}: {why}"
