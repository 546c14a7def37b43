"""What the exporter counts about its HTTP server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.metrics.families.http import HTTP_REFUSED, LOG_SUPPRESSED, Refusal
from exporter.metrics.own import counter

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class HttpTelemetry:
    """Counters about clients, every known series at 0 from the start."""

    def __init__(self, registry: CollectorRegistry) -> None:
        refused = counter(HTTP_REFUSED, registry)
        self._refused = {reason: refused.labels(reason.value) for reason in Refusal}
        self._log_suppressed = counter(LOG_SUPPRESSED, registry)

    def refused(self, reason: Refusal) -> None:
        """A client was refused or cut off."""
        self._refused[reason].inc()

    def log_suppressed(self) -> None:
        """A log line was not written."""
        self._log_suppressed.inc()
