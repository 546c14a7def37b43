"""The organizations in force: built, replaced and ended together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.app.organization import Organization
    from exporter.config.settings import OrganizationSettings, Settings
    from exporter.model.snapshot import OrganizationView
    from exporter.polling.scheduler import Scheduler
    from exporter.state.store import Store

    Build = Callable[[OrganizationSettings, Settings, Organization | None, OrganizationView | None], Organization]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Replacement:
    """What is about to come into force. It has not touched what is in force.

    Attributes:
        settings: the configuration.
        organizations: every organization by name: a new one, or the present one if it lives on.
        built: the new ones among them.
    """

    settings: Settings
    organizations: Mapping[str, Organization]
    built: Mapping[str, Organization] = field(default_factory=dict)


class Organizations:
    """The organizations in force. One thread at a time changes them; the reloader's lock ensures that.

    Args:
        build: builds an organization from its settings, all settings, the organization that it replaces, and what an
            earlier run knew.
        store: what readers see.
        scheduler: runs the organizations' jobs.
        crashed: called after a part of a replacement has raised; must count it.
    """

    def __init__(self, build: Build, store: Store, scheduler: Scheduler, crashed: Callable[[], None]) -> None:
        self._build = build
        self._store = store
        self._scheduler = scheduler
        self._crashed = crashed
        # Only ever replaced as a whole.
        self._organizations: Mapping[str, Organization] = {}
        self._polls = True

    def prepare(self, settings: Settings, restored: Mapping[str, OrganizationView]) -> Replacement:
        """Build everything that other settings need. If that raises, nothing has changed."""
        settings = settings.with_known_users({name: one.users for name, one in self._organizations.items()})
        poll = settings.config.poll
        organizations: dict[str, Organization] = {}
        built: dict[str, Organization] = {}
        try:
            for one in settings.organizations:
                name = one.config.name
                present = self._organizations.get(name)
                if present is not None and present.serves(one, poll):
                    organizations[name] = present
                else:
                    organizations[name] = built[name] = self._build(one, settings, present, restored.get(name))
        except Exception:
            for organization in built.values():
                organization.end()
            raise
        return Replacement(settings, organizations, built)

    def put_in_force(self, new: Replacement) -> None:
        """Replace the organizations. Each step is guarded: a defect in one must not keep the others from it."""
        old, self._organizations = self._organizations, new.organizations
        replaced = [one for name, one in old.items() if new.organizations.get(name) is not one]
        removed = [one for name, one in old.items() if name not in new.organizations]
        for organization in replaced:
            self._guarded(organization.retire)
        self._store.replace(one.ledger for one in new.organizations.values())
        most_tokens = new.settings.config.metrics.max_tokens_per_user
        for settings in new.settings.organizations:
            name = settings.config.name
            organization = new.organizations[name]
            organization.ledger.keep_tokens(most_tokens)
            if name in new.built:
                self._guarded(organization.take_over)
            else:
                self._guarded(organization.adopt, settings)
        for organization in removed:
            self._guarded(organization.ledger.remove)
        for organization in replaced:
            self._guarded(organization.release)

    def start(self, new: Replacement) -> None:
        """Begin to poll with the organizations that are new."""
        for organization in new.built.values():
            if not self._polls:
                self._guarded(organization.pause)
            self._guarded(organization.start, self._scheduler)

    def discard(self, new: Replacement) -> None:
        """End what was built and does not come into force."""
        for organization in new.built.values():
            self._guarded(organization.end)

    def poll(self, *, polls: bool) -> None:
        """Poll from now on, or stand by for the replica that does."""
        self._polls = polls
        for organization in self._organizations.values():
            self._guarded(organization.resume if polls else organization.pause)

    def close(self) -> None:
        """Record nothing from now on, so that the present state can be written."""
        for organization in self._organizations.values():
            self._guarded(organization.ledger.close)

    def end(self) -> None:
        """End everything that is under way."""
        for organization in self._organizations.values():
            self._guarded(organization.end)

    def _guarded(self, step: Callable[..., object], *arguments: object) -> None:
        try:
            step(*arguments)
        except Exception:  # noqa: BLE001 - the others must still be replaced or ended; it is counted
            _log.exception("an organization could not be changed")
            self._crashed()
