"""What the exporter counts about itself, as the methods that other packages call.

The packages that poll, persist and replicate do not import the table of families: they call what is here through
protocols of their own. All else counts through `Telemetry.instruments` directly.
"""

from __future__ import annotations

import platform
import threading
from typing import TYPE_CHECKING

from exporter import __version__
from exporter.metrics.families.exporter import (
    BUILD_INFO,
    EXCHANGE_ERRORS,
    FILE_ERRORS,
    INTERNAL_ERRORS,
    LEADER,
    LEFT_OUT,
    REDIS_UP,
    RELOAD_SUCCESSFUL,
    RELOAD_TIME,
)
from exporter.metrics.families.platform import (
    API_DURATION,
    API_ERRORS,
    API_REQUESTS,
    API_RETRIES,
    PARSE_ERRORS,
    SHORTEST_INTERVAL,
    SWEEPS,
    SWEEPS_SKIPPED,
    TOKEN_EVENTS,
    TOKEN_LAST_EVENT,
    TRUNCATED,
)
from exporter.metrics.instruments import Instruments
from exporter.model.labels import ORGANIZATION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client import CollectorRegistry

    from exporter.model.event import Change, Event
    from exporter.model.snapshot import SweepResult
    from exporter.model.state import Reason


class Telemetry:
    """The exporter's own metrics for all of its parts, and those of each organization.

    Attributes:
        instruments: counts a family by its declaration.
    """

    def __init__(self) -> None:
        self.instruments = Instruments()
        self.instruments.set(BUILD_INFO, 1, __version__, platform.python_version())
        self.instruments.set(LEADER, 1)
        self._reloads = 0
        # Guards _organizations: reloads add and remove organizations while events are counted.
        self._lock = threading.Lock()
        self._organizations: dict[str, OrganizationTelemetry] = {}

    @property
    def registry(self) -> CollectorRegistry:
        """The registry that all metrics are in."""
        return self.instruments.registry

    def organization(self, name: str, *, begin: bool = True) -> OrganizationTelemetry:
        """The counters of one organization: those that it has already, or new ones.

        Args:
            name: the organization.
            begin: whether new ones start at 0 now, or with `OrganizationTelemetry.begin`.
        """
        if (known := self._of(name)) is not None:
            return known
        made = OrganizationTelemetry(name, self)
        if begin:
            made.begin()
        return made

    def _of(self, organization: str) -> OrganizationTelemetry | None:
        with self._lock:
            return self._organizations.get(organization)

    def add(self, organization: OrganizationTelemetry) -> bool:
        """Put counters in use; False if the organization has others."""
        with self._lock:
            return self._organizations.setdefault(organization.name, organization) is organization

    def remove(self, organization: OrganizationTelemetry) -> None:
        """Take counters out of use, unless the organization has others by now."""
        with self._lock:
            if self._organizations.get(organization.name) is organization:
                del self._organizations[organization.name]

    def forget(self, organization: str) -> None:
        """Drop the series of an organization that is no longer configured; later counts are dropped."""
        if (known := self._of(organization)) is not None:
            known.retire()

    def internal_error(self, where: str) -> None:
        """Count a defect that was caught; ``where`` is one of the label's values in `INTERNAL_ERRORS`."""
        self.instruments.inc(INTERNAL_ERRORS, where)

    def exchange_error(self) -> None:
        """Count a failed exchange with other replicas."""
        self.instruments.inc(EXCHANGE_ERRORS)

    def leads(self, leads: bool) -> None:  # noqa: FBT001 - the value of the gauge
        """Set whether this process polls."""
        self.instruments.set(LEADER, leads)

    def redis_up(self, up: bool) -> None:  # noqa: FBT001 - the value of the gauge
        """Set whether the last request to Redis succeeded. The series starts with the first call."""
        self.instruments.set(REDIS_UP, up)

    def token_event(self, event: Event) -> None:
        """Count a change of a token that a poll found; dropped for organizations without counters."""
        if (organization := self._of(event.organization)) is not None:
            organization.token_event(event.change, event.time)

    def last_event(self, organization: str, change: Change, at: float) -> None:
        """Set when such a change was last found, in epoch seconds; dropped for organizations without counters."""
        if (known := self._of(organization)) is not None:
            known.last_event(change, at)

    def families_left_out(self, families: Mapping[str, bool]) -> None:
        """Set whether families are left out of scrapes; series of other families are dropped."""
        self.instruments.publish(LEFT_OUT, {(family,): left_out for family, left_out in families.items()})

    @property
    def reloads(self) -> int:
        """How many reloads have succeeded or failed; increased after the gauges are set."""
        return self._reloads

    def reloaded(self, at: float) -> None:
        """A configuration took effect at this time, in epoch seconds. One reload at a time."""
        self.instruments.set(RELOAD_SUCCESSFUL, 1)
        self.instruments.set(RELOAD_TIME, at)
        self._reloads += 1

    def reload_failed(self) -> None:
        """A configuration was rejected. One reload at a time."""
        self.instruments.set(RELOAD_SUCCESSFUL, 0)
        self._reloads += 1


class OrganizationTelemetry:
    """The counters of one organization, for its client, its sweeper and its files; they end with the organization.

    Args:
        name: the organization.
        telemetry: where the counters are in use after `begin`.
    """

    def __init__(self, name: str, telemetry: Telemetry) -> None:
        self.name = name
        self._telemetry = telemetry
        self._series = telemetry.instruments.labelled(ORGANIZATION, name)

    def begin(self) -> None:
        """Start every known series at 0, unless the organization has its counters already."""
        if self._telemetry.add(self):
            self._series.begin()

    def retire(self) -> None:
        """Drop the series. What is counted later, such as a request that is still running, is dropped."""
        self._telemetry.remove(self)
        self._series.end()

    def request(self, operation: str, code: str, seconds: float) -> None:
        """A request ended with an HTTP status, or with ``error`` if there was no response."""
        self._series.inc(API_REQUESTS, operation, code)
        self._series.observe(API_DURATION, seconds, operation)

    def retry(self) -> None:
        """A request is about to be retried."""
        self._series.inc(API_RETRIES)

    def error(self, reason: Reason) -> None:
        """A request failed."""
        self._series.inc(API_ERRORS, reason.value)

    def parse_errors(self, field: str, count: int) -> None:
        """Fields of a response could not be parsed."""
        self._series.inc(PARSE_ERRORS, field, amount=count)

    def truncated(self, field: str, count: int) -> None:
        """Fields of a response were too long and were truncated."""
        self._series.inc(TRUNCATED, field, amount=count)

    def internal_error(self, where: str) -> None:
        """A defect was caught."""
        self._telemetry.internal_error(where)

    def swept(self, result: SweepResult) -> None:
        """A sweep ended."""
        self._series.inc(SWEEPS, result.value)

    def skipped(self) -> None:
        """A sweep was skipped because the previous one was still running."""
        self._series.inc(SWEEPS_SKIPPED)

    def shortest_interval(self, seconds: float) -> None:
        """A sweep takes this long at the allowed rate."""
        self._series.set(SHORTEST_INTERVAL, seconds)

    def file_error(self, kind: str) -> None:
        """A token file or user file became invalid."""
        self._series.inc(FILE_ERRORS, kind)

    def token_event(self, change: Change, at: float) -> None:
        """A poll found such a change of a token, in epoch seconds."""
        self._series.inc(TOKEN_EVENTS, change.value)
        self.last_event(change, at)

    def last_event(self, change: Change, at: float) -> None:
        """Such a change was last found at this time, in epoch seconds."""
        self._series.set(TOKEN_LAST_EVENT, at, change.value)
