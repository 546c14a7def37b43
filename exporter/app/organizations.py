"""The organizations in force: made, replaced and ended together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.app.organization import Watcher
    from exporter.config.settings import OrganizationSettings, Settings
    from exporter.model.snapshot import OrganizationView
    from exporter.polling.scheduler import Scheduler
    from exporter.state.store import Store

    Make = Callable[[OrganizationSettings, Settings, Watcher | None, OrganizationView | None], Watcher]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Replacement:
    """What is to come into force: nothing of it has touched what is in force.

    Attributes:
        settings: the configuration.
        watchers: every organization's watcher, by name: a new one, or the present one where it goes on.
        made: the new ones among them.
    """

    settings: Settings
    watchers: Mapping[str, Watcher]
    made: Mapping[str, Watcher] = field(default_factory=dict)


class Organizations:
    """The watchers in force. One thread at a time changes them; the reloader's lock sees to that.

    Args:
        make: makes a watcher from its settings, all settings, the watcher to replace, and what an earlier run knew.
        store: what readers see.
        scheduler: runs the watchers' jobs.
        crashed: called after a part of a replacement has raised; must count it.
    """

    def __init__(self, make: Make, store: Store, scheduler: Scheduler, crashed: Callable[[], None]) -> None:
        self._make = make
        self._store = store
        self._scheduler = scheduler
        self._crashed = crashed
        # Only ever replaced whole.
        self._watchers: Mapping[str, Watcher] = {}
        self._polls = True

    def prepare(self, settings: Settings, restored: Mapping[str, OrganizationView]) -> Replacement:
        """Make everything that other settings need. If that raises, nothing has happened."""
        poll = settings.config.poll
        watchers: dict[str, Watcher] = {}
        made: dict[str, Watcher] = {}
        try:
            for one in settings.organizations:
                name = one.config.name
                present = self._watchers.get(name)
                if present is not None and present.serves(one, poll):
                    watchers[name] = present
                else:
                    watchers[name] = made[name] = self._make(one, settings, present, restored.get(name))
        except Exception:
            for watcher in made.values():
                watcher.end()
            raise
        return Replacement(settings, watchers, made)

    def put_in_force(self, new: Replacement) -> None:
        """Replace the watchers. Each step is guarded: a defect in one must not leave the others undone."""
        old, self._watchers = self._watchers, new.watchers
        replaced = [watcher for name, watcher in old.items() if new.watchers.get(name) is not watcher]
        removed = [watcher for name, watcher in old.items() if name not in new.watchers]
        for watcher in replaced:
            self._guarded(watcher.retire, self._scheduler)
        self._store.replace(watcher.ledger for watcher in new.watchers.values())
        most_tokens = new.settings.config.metrics.max_tokens_per_user
        for one in new.settings.organizations:
            name = one.config.name
            watcher = new.watchers[name]
            watcher.ledger.keep_tokens(most_tokens)
            if name in new.made:
                self._guarded(watcher.take_over)
            else:
                self._guarded(watcher.adopt, one)
        for watcher in removed:
            self._guarded(watcher.ledger.remove)

    def start(self, new: Replacement) -> None:
        """Begin to poll with the watchers that are new."""
        for watcher in new.made.values():
            if not self._polls:
                self._guarded(watcher.pause)
            self._guarded(watcher.start, self._scheduler)

    def discard(self, new: Replacement) -> None:
        """End what has been made and is not needed after all."""
        for watcher in new.made.values():
            self._guarded(watcher.end)

    def poll(self, *, polls: bool) -> None:
        """Poll from now on, or stand by for the replica that does."""
        self._polls = polls
        for watcher in self._watchers.values():
            self._guarded(watcher.resume if polls else watcher.pause)

    def close(self) -> None:
        """Record nothing any more, so that what is known now can be written down."""
        for watcher in self._watchers.values():
            self._guarded(watcher.ledger.close)

    def end(self) -> None:
        """End everything that is under way."""
        for watcher in self._watchers.values():
            self._guarded(watcher.end)

    def _guarded(self, step: Callable[..., object], *arguments: object) -> None:
        try:
            step(*arguments)
        except Exception:  # noqa: BLE001 - the others must still be replaced or ended; it is counted
            _log.exception("an organization could not be changed")
            self._crashed()
