"""What takes notifications. A section of `alerting` names its kind; the module of that name here makes the receiver."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.alerts.receivers.base import Receiver, ReceiverFactory
    from exporter.common.clock import Clock
    from exporter.common.redaction import Redactor
    from exporter.config.settings import AlertmanagerSettings
    from exporter.http.session import Watchdog


def make_receiver(settings: AlertmanagerSettings, watchdog: Watchdog, clock: Clock, redactor: Redactor) -> Receiver:
    """The receiver for a section of the configuration; see `ReceiverFactory` for the arguments."""
    module = importlib.import_module(f"{__name__}.{settings.config.kind}")
    factory: ReceiverFactory = module.receiver
    return factory(settings, watchdog, clock, redactor)
