"""Pages and API over a state in memory, without a server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

from exporter.config.schema import Config
from exporter.model.snapshot import Sweep, SweepResult
from exporter.state.ledger import Ledger
from exporter.state.store import Store
from exporter.state.token_index import TokenIndex
from exporter.web.app import create_app
from exporter.web.served import Served
from support.builders import NOW, ManualClock
from support.web import CountedRefusals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exporter.metrics.exposition import Exposition
    from exporter.model.event import Event
    from exporter.model.user import User

POLICIES = {
    "never_expires": "forbid",
    "forbidden_permissions": {"permissions": ("base_user_read_write",)},
    "max_tokens_per_user": {"limit": 3},
}


def a_config(*organizations: str, **sections: Any) -> Config:
    """A configuration with these organizations."""
    listed = [
        {"name": name, "endpoint": "http://x", "token_env": "T", "users": {"files": ("x",)}} for name in organizations
    ]
    return Config.model_validate({"organizations": tuple(listed), "policies": POLICIES, **sections})


@dataclass
class Reply:
    """A response."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode()


class AppWorld:
    """The application over organizations whose users a test sets."""

    def __init__(self, *organizations: str, **sections: Any) -> None:
        self.clock = ManualClock()
        self.refusals = CountedRefusals(self.clock)
        self.config = a_config(*(organizations or ("acme",)), **sections)
        self.ledgers = {one.name: Ledger(one.name, []) for one in self.config.organizations}
        self.store = Store()
        self.store.replace(self.ledgers.values())
        self.events: list[Event] = []
        self.index = TokenIndex(
            self.store.view, lambda: self.config.policies, lambda: self.refusals.internal_error("index")
        )
        self.served = Served(
            cast("Exposition", SimpleNamespace(body=dict)),
            self.store,
            self.index,
            lambda: self.config,
            lambda: tuple(self.events),
            None,
            self.clock,
            zones=lambda: {name: ZoneInfo("Asia/Shanghai") for name in self.ledgers},
        )

    def watch(self, organization: str, *users: User) -> Ledger:
        """Watch these users from now on, after a sweep."""
        ledger = self.ledgers[organization]
        ledger.watch(users)
        ledger.swept(Sweep(SweepResult.SUCCESS, 1, NOW))
        return ledger

    def get(self, path: str, query: str = "", headers: Mapping[str, str] | None = None) -> Reply:
        """The response to a request."""
        return self.get_all([path], query, headers)[0]

    def get_all(self, paths: Sequence[str], query: str = "", headers: Mapping[str, str] | None = None) -> list[Reply]:
        """The responses to requests, one after the other."""

        async def run() -> list[Reply]:
            app = create_app(self.served, self.refusals)
            return [await _ask(app, path, query, headers or {}) for path in paths]

        return asyncio.run(run())


async def _ask(app: Any, path: str, query: str, headers: Mapping[str, str]) -> Reply:
    reply = Reply()

    async def send(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.headers = {key.decode(): value.decode() for key, value in message["headers"]}
        else:
            reply.body += message.get("body", b"")

    async def receive() -> Mapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(key.lower().encode(), value.encode()) for key, value in headers.items()],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("test", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    await app(scope, receive, send)
    return reply
