"""What the page says before anything else: organizations that cannot be polled, and the exporter's own tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.alerts.thresholds import failing_after
from exporter.common.text import expiry_words, rough_duration, utc
from exporter.model.severity import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.config.schema import Config
    from exporter.model.snapshot import OrganizationView, View


@dataclass(frozen=True, slots=True)
class Banner:
    """A line at the top of the page.

    Attributes:
        severity: as that of the alert; `INFO` if there is none.
        text: what it says.
    """

    severity: Severity
    text: str


def banners(view: View, config: Config, now: float) -> tuple[Banner, ...]:
    """The lines at the top of the page, the most urgent first; they agree with the alerts.

    Args:
        view: the state.
        config: the configuration, for thresholds and intervals.
        now: epoch seconds.
    """
    found = [one for organization in view.organizations for one in _of(organization, config, now)]
    return tuple(sorted(found, key=lambda banner: list(Severity).index(banner.severity)))


def _of(view: OrganizationView, config: Config, now: float) -> Iterator[Banner]:
    outage = view.outage
    patience = failing_after(config.poll)
    if outage is not None and outage.ended_at is None and (outage.confirmed or outage.begins_to_count(patience) <= now):
        yield Banner(
            Severity.CRITICAL,
            f"No user of {view.name} can be polled since {utc(outage.since)} ({rough_duration(now - outage.since)}): "
            f"{outage.reason.value}: {outage.message}; {outage.reason.meaning}.",
        )
    if view.own_expiry is not None:
        words = expiry_words(view.own_expiry, now)
        at = utc(view.own_expiry)
        when = f"{words} ({at})" if at else words
        yield Banner(_severity(view.own_expiry - now, config), f"The exporter's own token for {view.name} {when}.")


def _severity(left: float, config: Config) -> Severity:
    thresholds = config.alerting.thresholds
    if left < thresholds.critical:
        return Severity.CRITICAL
    return Severity.WARNING if left < thresholds.warning else Severity.INFO
