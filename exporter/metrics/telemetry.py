"""What the exporter counts about itself."""

from __future__ import annotations

import itertools
import platform
import threading
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from exporter import __version__
from exporter.metrics.families import (
    API_DURATION,
    API_ERRORS,
    API_REQUESTS,
    API_RETRIES,
    BUILD_INFO,
    EXCHANGE_ERRORS,
    FILE_ERRORS,
    INTERNAL_ERRORS,
    LEADER,
    LEFT_OUT,
    OWN_FAMILIES,
    PARSE_ERRORS,
    REDIS_UP,
    RELOAD_SUCCESSFUL,
    RELOAD_TIME,
    SHORTEST_INTERVAL,
    STORAGE_ERRORS,
    STORAGE_EVENTS_DROPPED,
    SWEEPS,
    SWEEPS_SKIPPED,
    TOKEN_EVENTS,
    TOKEN_LAST_EVENT,
    TRUNCATED,
)
from exporter.metrics.instruments import LabelledSeries, instruments
from exporter.metrics.own import counter, gauge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.model.event import Change, Event
    from exporter.model.snapshot import SweepResult
    from exporter.model.state import Reason


class Telemetry:
    """The exporter's own counters in a registry of their own, with the usual process and Python families."""

    def __init__(self) -> None:
        # Prometheus would store a `_created` series beside each counter and nobody asks for it.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._by_organization = instruments(OWN_FAMILIES, "organization", self.registry)
        # Guards _organizations: reloads add and remove organizations while events are counted.
        self._lock = threading.Lock()
        self._organizations: dict[str, OrganizationTelemetry] = {}
        self._internal_errors = counter(INTERNAL_ERRORS, self.registry)
        for (where,) in itertools.product(*INTERNAL_ERRORS.known):
            self._internal_errors.labels(where)
        self._left_out = gauge(LEFT_OUT, self.registry)
        self._limited: frozenset[str] = frozenset()
        self._storage_errors = counter(STORAGE_ERRORS, self.registry)
        self._storage_events_dropped = counter(STORAGE_EVENTS_DROPPED, self.registry)
        gauge(BUILD_INFO, self.registry).labels(__version__, platform.python_version()).set(1)
        self._reload_successful = gauge(RELOAD_SUCCESSFUL, self.registry)
        self._reload_time = gauge(RELOAD_TIME, self.registry)
        self._reloads = 0
        self._leader = gauge(LEADER, self.registry)
        self._leader.set(1)
        self._redis_up: Gauge | None = None
        self._exchange_errors = counter(EXCHANGE_ERRORS, self.registry)

    def organization(self, name: str, *, begin: bool = True) -> OrganizationTelemetry:
        """The counters of one organization: those that it has already, or new ones.

        Args:
            name: the organization.
            begin: whether new ones start at 0 now, or with `OrganizationTelemetry.begin`.
        """
        with self._lock:
            known = self._organizations.get(name)
        if known is not None:
            return known
        made = OrganizationTelemetry(name, self)
        if begin:
            made.begin()
        return made

    def forget(self, organization: str) -> None:
        """Drop the series of an organization that is no longer configured; what is counted later goes nowhere."""
        with self._lock:
            known = self._organizations.get(organization)
        if known is not None:
            known.retire()

    def internal_error(self, where: str) -> None:
        """A defect was caught and survived."""
        self._internal_errors.labels(where).inc()

    def exchange_error(self) -> None:
        """Something could not be exchanged with other replicas."""
        self._exchange_errors.inc()

    def leads(self, leads: bool) -> None:  # noqa: FBT001 - the one thing that it says
        """Whether this process polls."""
        self._leader.set(leads)

    def redis_up(self, up: bool) -> None:  # noqa: FBT001 - the one thing that it says
        """Whether Redis answered. The series begins with the first call."""
        if self._redis_up is None:
            self._redis_up = gauge(REDIS_UP, self.registry)
        self._redis_up.set(up)

    def token_event(self, event: Event) -> None:
        """A poll found a token changed."""
        with self._lock:
            organization = self._organizations.get(event.organization)
        if organization is not None:
            organization.token_event(event.change, event.time)

    def last_event(self, organization: str, change: Change, at: float) -> None:
        """Such a change was last found then, in epoch seconds; dropped for organizations without counters."""
        with self._lock:
            known = self._organizations.get(organization)
        if known is not None:
            known.last_event(change, at)

    def storage_error(self) -> None:
        """The storage file could not be read or written."""
        self._storage_errors.inc()

    def storage_events_dropped(self, count: int) -> None:
        """Events were given up because too many were waiting to be written."""
        self._storage_events_dropped.inc(count)

    def family_left_out(self, family: str, left_out: bool) -> None:  # noqa: FBT001 - a pair of values
        """Whether a family is left out of scrapes."""
        self._left_out.labels(family).set(left_out)

    def families_left_out(self, families: Mapping[str, bool]) -> None:
        """Which families are left out of scrapes, of all those that can be; one caller at a time."""
        for family in self._limited - families.keys():
            self._left_out.remove(family)
        for family, left_out in families.items():
            self._left_out.labels(family).set(left_out)
        self._limited = frozenset(families)

    @property
    def reloads(self) -> int:
        """How many configurations have come into force or been refused; told by the gauges before it is told here."""
        return self._reloads

    def reloaded(self, at: float) -> None:
        """A configuration came into force. One reload at a time."""
        self._reload_successful.set(1)
        self._reload_time.set(at)
        self._reloads += 1

    def reload_failed(self) -> None:
        """A configuration was refused. One reload at a time."""
        self._reload_successful.set(0)
        self._reloads += 1


class OrganizationTelemetry:
    """The counters of one organization, for its client, its sweeper and its files; they end with the organization."""

    def __init__(self, name: str, telemetry: Telemetry) -> None:
        self._name = name
        self._telemetry = telemetry
        self._series = LabelledSeries("organization", name, telemetry._by_organization)  # noqa: SLF001 - two halves of one thing

    def begin(self) -> None:
        """Start every known series at 0, unless the organization has its counters already."""
        with self._telemetry._lock:  # noqa: SLF001
            if self._telemetry._organizations.setdefault(self._name, self) is self:  # noqa: SLF001
                self._series.begin()

    def retire(self) -> None:
        """Drop the series. A request that ends later must not bring them back: it counts nowhere."""
        with self._telemetry._lock:  # noqa: SLF001
            if self._telemetry._organizations.get(self._name) is self:  # noqa: SLF001
                del self._telemetry._organizations[self._name]  # noqa: SLF001
        self._series.end()

    def request(self, operation: str, code: str, seconds: float) -> None:
        """A request ended with an HTTP status, or with ``error`` where none came."""
        self._series.inc(API_REQUESTS, operation, code)
        self._series.observe(API_DURATION, seconds, operation)

    def retry(self) -> None:
        """A request is about to be made again."""
        self._series.inc(API_RETRIES)

    def error(self, reason: Reason) -> None:
        """A request failed."""
        self._series.inc(API_ERRORS, reason.value)

    def parse_errors(self, field: str, count: int) -> None:
        """Fields of an answer could not be read."""
        self._series.inc(PARSE_ERRORS, field, amount=count)

    def truncated(self, field: str, count: int) -> None:
        """Fields of an answer were too long and have been cut."""
        self._series.inc(TRUNCATED, field, amount=count)

    def internal_error(self, where: str) -> None:
        """A defect was caught and survived."""
        self._telemetry.internal_error(where)

    def swept(self, result: SweepResult) -> None:
        """A sweep ended."""
        self._series.inc(SWEEPS, result.value)

    def skipped(self) -> None:
        """A sweep was left out since the one before was still going."""
        self._series.inc(SWEEPS_SKIPPED)

    def shortest_interval(self, seconds: float) -> None:
        """So many seconds does a sweep take at the allowed rate."""
        self._series.set(SHORTEST_INTERVAL, seconds)

    def file_error(self, kind: str) -> None:
        """A token file or user file went bad."""
        self._series.inc(FILE_ERRORS, kind)

    def token_event(self, change: Change, at: float) -> None:
        """A poll found such a change of a token, in epoch seconds."""
        self._series.inc(TOKEN_EVENTS, change.value)
        self.last_event(change, at)

    def last_event(self, change: Change, at: float) -> None:
        """Such a change was last found then, in epoch seconds."""
        self._series.set(TOKEN_LAST_EVENT, at, change.value)
