"""Sends notifications to Alertmanager's API v2, one request for each batch."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from exporter.alerts.notification import Moment
from exporter.alerts.receivers.http import HttpTarget, JsonPoster

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exporter.alerts.notification import Notification
    from exporter.common.clock import Clock
    from exporter.common.redaction import Redactor
    from exporter.config.settings import AlertmanagerSettings
    from exporter.http.session import Watchdog

_PATH = "/api/v2/alerts"
_CLOCK_LIMIT = 86400.0
"""Seconds by which Alertmanager's clock may differ from this machine's; beyond, its `Date` is ignored."""


class AlertmanagerReceiver:
    """Sends batches to one Alertmanager. One thread at a time.

    Args:
        target: its address, without `/api/v2/alerts`.
        watchdog: limits the total time of requests.
        clock: the current time.
        redactor: removes the credentials from what Alertmanager, or a proxy in front of it, answers.
    """

    def __init__(self, target: HttpTarget, watchdog: Watchdog, clock: Clock, redactor: Redactor) -> None:
        self.name = target.url
        self.timeout = target.timeout
        self._clock = clock
        self._poster = JsonPoster(target, watchdog, redactor)
        # Alertmanager's clock minus monotonic time, from its last answer; None without a valid `Date`.
        # Never ahead: `Date` has whole seconds, and the answer took its time.
        self._server_clock: float | None = None

    def close(self) -> None:
        """Abort the request in progress and close the connection; nothing is sent afterwards."""
        self._poster.close()

    def send(self, notifications: Sequence[Notification]) -> None:
        """Send one batch.

        Raises:
            DeliveryError: Alertmanager did not accept it.
        """

        def body() -> bytes:
            at = Moment.of(self._clock)
            ahead = self._ahead(at)
            return b"[" + b",".join([one.as_json(at, ahead) for one in notifications]) + b"]"

        self._poster.post(_PATH, body, self._read_clock)

    def _read_clock(self, headers: Mapping[str, str]) -> None:
        self._server_clock = _since_epoch(headers.get("Date"), self._clock.monotonic())

    def _ahead(self, at: Moment) -> float:
        """Seconds by which Alertmanager's clock is ahead of this machine's, 0 if unknown."""
        if self._server_clock is None:
            return 0.0
        ahead = self._server_clock + at.monotonic - at.wall
        return ahead if abs(ahead) <= _CLOCK_LIMIT else 0.0


def receiver(
    settings: AlertmanagerSettings, watchdog: Watchdog, clock: Clock, redactor: Redactor
) -> AlertmanagerReceiver:
    """The receiver for an entry of `alerting.alertmanagers`."""
    return AlertmanagerReceiver(HttpTarget.of(settings), watchdog, clock, redactor)


def _since_epoch(date: str | None, monotonic: float) -> float | None:
    try:
        return parsedate_to_datetime(date or "").timestamp() - monotonic
    except (ValueError, OverflowError):
        return None
