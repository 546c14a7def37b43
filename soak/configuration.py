"""Writes the daemons' configuration files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from soak.bounds import Scale
    from soak.plan import Plan
    from soak.platform import Platform

BROKEN = "poll: {interval: 5s\norganizations: [{name: soak, endpoint: nowhere}]\nunknown_key: 1\n"
_USERNAME = "soak"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses of the servers that the daemons use; `redis` is None without Redis."""

    alertmanager: str
    redis: int | None


def write_secrets(folder: Path, token: str, alertmanager: str, redis: str) -> None:
    """The files that the configurations refer to."""
    for name, secret in (("token", token), ("alertmanager-password", alertmanager), ("redis-password", redis)):
        new = folder / f"{name}.new"
        new.touch(mode=0o600)
        new.write_text(secret + "\n", encoding="ascii")
        new.replace(folder / name)


def configuration(
    plan: Plan, platform: Platform, scale: Scale, addresses: Addresses, state: Path, *, replica: bool
) -> str:
    """The configuration of one daemon: JSON, which is YAML."""
    organizations = [
        {
            "name": one.name,
            "endpoint": platform.url,
            "token_file": "token",
            "limits": {"requests_per_second": scale.rate, "concurrency": scale.concurrency, "max_retry_after": "5s"},
            "users": {"static": [{"id": user, "name": f"user {user[:8]}"} for user in platform.ids(one.users)]},
        }
        for one in plan.organizations
    ]
    # Two variants with nearly the same meaning that need different HTTP clients.
    timeout = scale.timeout + (0.1 if plan.variant % 2 else 0)
    section: dict[str, Any] = {
        "poll": {"interval": f"{scale.interval:g}s", "timeout": f"{round(timeout * 1000)}ms", "stale_after": "1m"},
        "organizations": organizations,
        "storage": {"path": str(state)},
        "alerting": {
            "resend_interval": "10s",
            "alertmanagers": [
                {
                    "url": addresses.alertmanager,
                    "basic_auth": {"username": _USERNAME, "password_file": "alertmanager-password"},
                    "timeout": "3s",
                }
            ],
        },
    }
    if replica:
        section["redis"] = {
            "url": f"redis://127.0.0.1:{addresses.redis}/0",
            "password_file": "redis-password",
            "lease": f"{scale.lease:g}s",
            "replicas": 2,
        }
    return json.dumps(section, indent=1)


def replace_text(file: Path, text: str) -> None:
    """Write a file atomically: a reader sees the old or the new text."""
    new = file.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)


def authorization(password: str) -> str:
    """The credentials for the Alertmanager, as basic auth encodes them."""
    return f"{_USERNAME}:{password}"
