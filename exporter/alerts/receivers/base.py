"""The seam to whatever takes notifications: senders and the pipeline know this and nothing of a particular receiver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.alerts.notification import Notification
    from exporter.common.clock import Clock
    from exporter.common.redaction import Redactor
    from exporter.config.settings import AlertmanagerSettings
    from exporter.http.session import Watchdog


class DeliveryError(Exception):
    """A batch was not delivered.

    Attributes:
        refused: the receiver understood the request and rejected a notification in it; sending the same batch again
            cannot succeed.
        answered: the receiver answered.
    """

    def __init__(self, detail: str, *, refused: bool, answered: bool = False) -> None:
        super().__init__(detail)
        self.refused = refused
        self.answered = answered


class Receiver(Protocol):
    """Takes batches of notifications. One thread at a time sends; any thread may close."""

    @property
    def name(self) -> str:
        """Identifies the receiver in logs and in the label `alertmanager` of metrics: its URL."""
        ...

    @property
    def timeout(self) -> float:
        """Seconds that one `send` may take."""
        ...

    def send(self, notifications: Sequence[Notification]) -> None:
        """Deliver one batch.

        Raises:
            DeliveryError: it was not delivered. The message contains no secret.
        """
        ...

    def close(self) -> None:
        """Abort the request in progress and send nothing afterwards."""
        ...


class ReceiverFactory(Protocol):
    """Makes a receiver from its settings: the function `receiver` of each module in this package."""

    def __call__(
        self, settings: AlertmanagerSettings, watchdog: Watchdog, clock: Clock, redactor: Redactor
    ) -> Receiver:
        """A receiver.

        Args:
            settings: its address, TLS and credentials.
            watchdog: limits the total time of its requests.
            clock: the current time.
            redactor: removes secrets from texts.
        """
        ...
