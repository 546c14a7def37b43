"""Checks that organizations answer as configured: real requests, with one finding about each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from exporter.app.organization import Organization
from exporter.app.organization_parts import Shared
from exporter.app.probe_checks import Checks, Discovered, Finding, Subject, Verdict
from exporter.common.cancellation import Stop
from exporter.common.text import printable
from exporter.common.worker import Supervisor
from exporter.http.session import Watchdog
from exporter.metrics.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.common.clock import Clock
    from exporter.config.settings import Settings


def probe(settings: Settings, clock: Clock) -> Iterator[Finding]:
    """Ask every organization for the caller, its users and their tokens; each line names its organization.

    Args:
        settings: the configuration.
        clock: the time.
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
                subject = _subject(organization, settings)
                for finding in Checks(subject, stop, clock.now).run():
                    yield replace(finding, text=printable(f"{name}: {finding.text}"))
            finally:
                organization.end()
    finally:
        stop.set()
        watchdog.stop()


def _subject(organization: Organization, settings: Settings) -> Subject:
    config, refresher = organization.settings.config, organization.refresher

    def discover() -> Discovered:
        organization.refresh()
        section = config.users.discover
        allow_empty = section is not None and section.allow_empty
        if refresher is None:
            return Discovered((), None, allow_empty)
        return Discovered(refresher.users or (), refresher.failure, allow_empty)

    return Subject(
        client=organization.client,
        token=organization.settings.token,
        listed=organization.settings.users,
        discover=None if refresher is None else discover,
        timezone=ZoneInfo(config.timezone),
        soon=settings.config.alerting.thresholds.warning,
        rate=config.limits.requests_per_second,
        ssh_keys=organization.client if config.watches_ssh_keys else None,
    )


__all__ = ["Finding", "Verdict", "probe"]
