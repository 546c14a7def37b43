"""What the exporter counts about itself."""

from __future__ import annotations

import itertools
import platform
import threading
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
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
    PARSE_ERRORS,
    REDIS_UP,
    RELOAD_SUCCESSFUL,
    RELOAD_TIME,
    SHORTEST_INTERVAL,
    STORAGE_ERRORS,
    SWEEPS,
    SWEEPS_SKIPPED,
    TOKEN_EVENTS,
    TOKEN_LAST_EVENT,
    TRUNCATED,
    OwnFamily,
)
from exporter.metrics.own import counter, gauge, histogram

if TYPE_CHECKING:
    from exporter.events import Change, Event
    from exporter.model import Reason
    from exporter.store import SweepResult


class Telemetry:
    """The exporter's own counters in a registry of their own, with the usual process and Python families."""

    def __init__(self) -> None:
        # Prometheus would store a `_created` series beside each counter and nobody asks for it.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._sweeps = counter(SWEEPS, self.registry)
        self._sweeps_skipped = counter(SWEEPS_SKIPPED, self.registry)
        self._shortest_interval = gauge(SHORTEST_INTERVAL, self.registry)
        self._requests = counter(API_REQUESTS, self.registry)
        self._durations = histogram(API_DURATION, self.registry)
        self._retries = counter(API_RETRIES, self.registry)
        self._errors = counter(API_ERRORS, self.registry)
        self._parse_errors = counter(PARSE_ERRORS, self.registry)
        self._truncated = counter(TRUNCATED, self.registry)
        self._token_events = counter(TOKEN_EVENTS, self.registry)
        self._last_events = gauge(TOKEN_LAST_EVENT, self.registry)
        self._file_errors = counter(FILE_ERRORS, self.registry)
        self._internal_errors = counter(INTERNAL_ERRORS, self.registry)
        for (where,) in itertools.product(*INTERNAL_ERRORS.known):
            self._internal_errors.labels(where)
        self._left_out = gauge(LEFT_OUT, self.registry)
        self._storage_errors = counter(STORAGE_ERRORS, self.registry)
        gauge(BUILD_INFO, self.registry).labels(__version__, platform.python_version()).set(1)
        self._reload_successful = gauge(RELOAD_SUCCESSFUL, self.registry)
        self._reload_time = gauge(RELOAD_TIME, self.registry)
        self._reloads = 0
        self._leader = gauge(LEADER, self.registry)
        self._leader.set(1)
        self._redis_up: Gauge | None = None
        self._exchange_errors = counter(EXCHANGE_ERRORS, self.registry)

    def organization(self, name: str) -> OrganizationTelemetry:
        """The counters of one organization, every known series at 0 if they are new."""
        return OrganizationTelemetry(name, self)

    def forget(self, organization: str) -> None:
        """Drop the series of an organization that is no longer configured."""
        by_organization = (
            self._sweeps,
            self._sweeps_skipped,
            self._shortest_interval,
            self._requests,
            self._durations,
            self._retries,
            self._errors,
            self._parse_errors,
            self._truncated,
            self._token_events,
            self._last_events,
            self._file_errors,
        )
        for metric in by_organization:
            metric.remove_by_labels({"organization": organization})

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
        self._token_events.labels(event.organization, event.change.value).inc()
        self.last_event(event.organization, event.change, event.time)

    def last_event(self, organization: str, change: Change, at: float) -> None:
        """Such a change was last found then, in epoch seconds."""
        self._last_events.labels(organization, change.value).set(at)

    def storage_error(self) -> None:
        """The storage file could not be read or written."""
        self._storage_errors.inc()

    def family_left_out(self, family: str, left_out: bool) -> None:  # noqa: FBT001 - a pair of values
        """Whether a family is left out of scrapes."""
        self._left_out.labels(family).set(left_out)

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
    """The counters of one organization, for its client, its sweeper and its files."""

    def __init__(self, name: str, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._sweeps = _children(telemetry._sweeps, SWEEPS, name)  # noqa: SLF001 - two halves of one thing
        self._shortest_interval = telemetry._shortest_interval.labels(name)  # noqa: SLF001
        self._skipped = telemetry._sweeps_skipped.labels(name)  # noqa: SLF001
        self._retries = telemetry._retries.labels(name)  # noqa: SLF001
        self._errors = _children(telemetry._errors, API_ERRORS, name)  # noqa: SLF001
        self._parse_errors = _children(telemetry._parse_errors, PARSE_ERRORS, name)  # noqa: SLF001
        self._truncated = _children(telemetry._truncated, TRUNCATED, name)  # noqa: SLF001
        _children(telemetry._token_events, TOKEN_EVENTS, name)  # noqa: SLF001
        self._file_errors = _children(telemetry._file_errors, FILE_ERRORS, name)  # noqa: SLF001
        self._requests = _children(telemetry._requests, API_REQUESTS, name)  # noqa: SLF001
        self._durations = {
            values: telemetry._durations.labels(name, *values)  # noqa: SLF001
            for values in itertools.product(*API_DURATION.known)
        }
        self._request_family = telemetry._requests  # noqa: SLF001
        self._name = name
        # Guards _requests, which grows with each new HTTP status, and _retired.
        self._lock = threading.Lock()
        self._retired = False

    def retire(self) -> None:
        """Make no new series from now on: a request that ends after its organization was dropped must not revive it."""
        with self._lock:
            self._retired = True

    def request(self, operation: str, code: str, seconds: float) -> None:
        """A request ended with an HTTP status, or with ``error`` where none came."""
        with self._lock:
            if (child := self._requests.get((operation, code))) is None:
                if self._retired:
                    return
                child = self._requests[operation, code] = self._request_family.labels(self._name, operation, code)
        child.inc()
        self._durations[(operation,)].observe(seconds)

    def retry(self) -> None:
        """A request is about to be made again."""
        self._retries.inc()

    def error(self, reason: Reason) -> None:
        """A request failed."""
        self._errors[(reason.value,)].inc()

    def parse_errors(self, field: str, count: int) -> None:
        """Fields of an answer could not be read."""
        self._parse_errors[(field,)].inc(count)

    def truncated(self, field: str, count: int) -> None:
        """Fields of an answer were too long and have been cut."""
        self._truncated[(field,)].inc(count)

    def internal_error(self, where: str) -> None:
        """A defect was caught and survived."""
        self._telemetry.internal_error(where)

    def swept(self, result: SweepResult) -> None:
        """A sweep ended."""
        self._sweeps[(result.value,)].inc()

    def skipped(self) -> None:
        """A sweep was left out since the one before was still going."""
        self._skipped.inc()

    def shortest_interval(self, seconds: float) -> None:
        """So many seconds does a sweep take at the allowed rate."""
        self._shortest_interval.set(seconds)

    def file_error(self, kind: str) -> None:
        """A token file or user file went bad."""
        self._file_errors[(kind,)].inc()


def _children(metric: Counter, family: OwnFamily, organization: str) -> dict[tuple[str, ...], Counter]:
    return {values: metric.labels(organization, *values) for values in itertools.product(*family.known)}
