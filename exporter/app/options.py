"""What flags and the environment choose for the daemon, besides the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field

from exporter.app.service_manager import ServiceManager
from exporter.cluster.shard import WHOLE, Shard
from exporter.common.clock import SystemClock


def _no_service_manager() -> ServiceManager:
    return ServiceManager(SystemClock())


@dataclass(frozen=True, slots=True)
class Options:
    """What flags and the environment choose for the daemon.

    Attributes:
        lifecycle: whether a reload may be requested over HTTP.
        shard: which users this process watches.
        auto_reload: seconds between two checks whether the configuration has changed; None for no checks.
        manager: the service manager.
    """

    lifecycle: bool = False
    shard: Shard = WHOLE
    auto_reload: float | None = None
    manager: ServiceManager = field(default_factory=_no_service_manager)
