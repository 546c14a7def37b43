"""One sweep over everything that is configured, for commands that look once and end."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.clock import Stop
from exporter.metrics.telemetry import Telemetry
from exporter.store import View
from exporter.watcher import Watcher
from exporter.yunxiao.transport import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.clock import Clock
    from exporter.config.loader import Settings
    from exporter.model import User


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one sweep of each organization brought.

    Attributes:
        view: the state after it.
        failures: a sentence for each user that could not be polled.
    """

    view: View
    failures: tuple[str, ...]


def sweep_once(settings: Settings, clock: Clock, progress: Callable[[User], None]) -> Outcome:
    """Sweep every organization once, all at the same time.

    Args:
        settings: whom to ask for what.
        clock: where time comes from.
        progress: called after each user, from some other thread.

    Raises:
        KeyboardInterrupt: the person at the terminal has had enough; everything under way has been ended.
    """
    stop = Stop()
    telemetry = Telemetry()
    watchdog = Watchdog(clock)
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
        )
        for one in settings.organizations
    ]
    try:
        threads = [
            threading.Thread(target=watcher.sweeper.sweep, name=f"sweep-{number}", daemon=True)
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
    failures = [
        f"{one.name}: {state.user.name} ({state.user.user_id}): "
        + ("not polled" if state.failure is None else f"{state.failure.reason.value}: {state.failure.message}")
        for one in view.organizations
        for state in one.users
        if state.failure is not None or not state.polled
    ]
    return Outcome(view, tuple(failures))
