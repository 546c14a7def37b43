"""The demo: a simulated enterprise on loopback and the settings to watch it. Nothing is written to disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from exporter.config.document import Document
from exporter.config.load import load_document
from exporter.platform.yunxiao.simulator.enterprise import Enterprise
from exporter.platform.yunxiao.simulator.server import Simulator

if TYPE_CHECKING:
    from exporter.common.clock import Clock
    from exporter.common.redaction import Redactor
    from exporter.config.settings import Settings

ORGANIZATION = "demo"
_TOKEN_VARIABLE = "YUNXIAO_DEMO_TOKEN"  # noqa: S105 - the name of a variable


def demo_simulator(users: int, seed: int, clock: Clock) -> Simulator:
    """A simulated enterprise with that number of users. Each answer takes 20 ms."""
    simulator = Simulator(Enterprise(users, seed, base=clock.now()))
    simulator.faults.latency = 0.02
    return simulator


def demo_settings(simulator: Simulator, redactor: Redactor) -> Settings:
    """Settings that watch all users of a simulator, at much shorter intervals than usual."""
    data: dict[str, Any] = {
        "poll": {"interval": "15s", "timeout": "5s", "stale_after": "1m", "spread": False},
        "organizations": [
            {
                "name": ORGANIZATION,
                "endpoint": simulator.url,
                "token_env": _TOKEN_VARIABLE,
                "limits": {"requests_per_second": None},
                "users": {"discover": {"source": "users", "interval": "1m"}},
            }
        ],
        "policies": {
            "max_lifetime": {"limit": "300d"},
            "never_expires": "forbid",
            "forbidden_permissions": {"permissions": ["base_user_read_write"]},
            "max_tokens_per_user": {"limit": 4},
            "expired_not_removed": {"after": "30d"},
        },
    }
    return load_document(Document("demo", data), Path(), {_TOKEN_VARIABLE: simulator.token}, redactor)
