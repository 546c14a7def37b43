"""The demo: a simulated enterprise on loopback and the settings to watch it. Nothing is written to disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from exporter.common.durations import format_duration
from exporter.config.document import Document
from exporter.config.load import load_document
from exporter.platform.yunxiao.simulator.enterprise import Enterprise
from exporter.platform.yunxiao.simulator.lively import Lively
from exporter.platform.yunxiao.simulator.server import Simulator

if TYPE_CHECKING:
    from exporter.common.clock import Clock
    from exporter.common.redaction import Redactor
    from exporter.config.settings import Settings

ORGANIZATION = "demo"
_SHORTEST_INTERVAL = 15.0
_USERS_PER_SECOND = 100
"""Users that the demo polls in a second, even on a slow machine: both sides of each request run in one process."""
_TOKEN_VARIABLE = "YUNXIAO_DEMO_TOKEN"  # noqa: S105 - the name of a variable


def demo_simulator(users: int, seed: int, clock: Clock, *, lively: bool) -> Simulator:
    """A simulated enterprise with that number of users. Each answer takes 20 ms.

    Args:
        users: how many.
        seed: the same seed makes the same users and the same history.
        clock: the time.
        lively: whether tokens and users change as time passes.
    """
    start = clock.now()
    enterprise = Enterprise(users, seed, base=start)
    simulator = Simulator(enterprise, lively=Lively(enterprise, seed, start=start, now=clock.now) if lively else None)
    simulator.faults.latency = 0.02
    return simulator


def demo_interval(users: int) -> float:
    """Seconds between two sweeps of a demo: as short as possible, but long enough for a sweep of that many users."""
    return max(_SHORTEST_INTERVAL, float(-(-users // _USERS_PER_SECOND)))


def demo_settings(simulator: Simulator, redactor: Redactor) -> Settings:
    """Settings that watch all users of a simulator, at much shorter intervals than usual."""
    interval = demo_interval(len(simulator.enterprise.users()))
    data: dict[str, Any] = {
        "poll": {
            "interval": format_duration(interval),
            "timeout": "5s",
            "stale_after": format_duration(4 * interval),
            "spread": False,
        },
        "organizations": [
            {
                "name": ORGANIZATION,
                "endpoint": simulator.url,
                "token_env": _TOKEN_VARIABLE,
                "limits": {"requests_per_second": None},
                "users": {"discover": {"source": "users", "interval": format_duration(max(20.0, interval))}},
            }
        ],
        "metrics": {"permission_lost": True},
        "policies": {
            "max_lifetime": {"limit": "300d"},
            "never_expires": "forbid",
            "forbidden_permissions": {"permissions": ["base_user_read_write"]},
            "max_tokens_per_user": {"limit": 4},
            "expired_not_removed": {"after": "30d"},
        },
    }
    return load_document(Document("demo", data), Path(), {_TOKEN_VARIABLE: simulator.token}, redactor)
