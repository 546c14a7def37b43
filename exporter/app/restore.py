"""What a start takes from the state file of an earlier run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from exporter.state.delivery import OrganizationRemoved

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.app.daemon_parts import Parts
    from exporter.app.teardown import Teardown
    from exporter.model.snapshot import OrganizationView

_log = structlog.get_logger(__name__)


def restore(parts: Parts, teardown: Teardown) -> Mapping[str, OrganizationView]:
    """Claim the state file and read it: alerts and events go to their parts, organizations are returned by name."""
    storage, clock = parts.storage, parts.base.clock
    if storage is None:
        return {}
    started = clock.monotonic()
    storage.claim()
    # In addition to the stop of the daemon, for one that comes before there is anything to write.
    teardown.add("storage", storage.stop)
    organizations, firing = storage.load()
    now = clock.now()
    parts.alerting.restore(firing)
    configured = parts.base.current.organizations
    parts.audit.restore(
        [event for event in storage.events if event.organization in configured],
        {key: at for key, at in storage.last_events.items() if key[0] in configured},
    )
    _log.info(
        "state restored",
        users=sum(len(view.users) for view in organizations.values()),
        alerts=len(firing),
        seconds=round(clock.monotonic() - started, 3),
    )
    return {name: replace(view, since=now) for name, view in organizations.items()}


def forget_unconfigured(parts: Parts, restored: Mapping[str, OrganizationView]) -> None:
    """Forget organizations of an earlier run that are not configured any more; expose the last events of the others.

    Args:
        parts: the parts of the daemon, with a configuration in force.
        restored: what `restore` returned.
    """
    storage = parts.storage
    if storage is None:
        return
    for (organization, change), at in parts.audit.last().items():
        parts.base.telemetry.last_event(organization, change, at)
    known = {*restored, *(name for name, _ in storage.last_events)}
    known |= {event.organization for event in storage.events}
    for name in sorted(known - parts.base.current.organizations):
        _log.info("an organization of an earlier run is no longer configured", organization=name)
        parts.changes.publish(OrganizationRemoved(name))
