from __future__ import annotations

from pathlib import Path
from typing import Any

from support.builders import ManualClock

from exporter.app.daemon_parts import Options, Parts, build_parts
from exporter.cluster.shard import WHOLE, Shard
from exporter.config.document import Document
from exporter.config.load import load_document
from exporter.web.security import WebSecurity


def built(shard: Shard = WHOLE, **sections: Any) -> Parts:
    organization = {
        "name": "acme",
        "endpoint": "http://127.0.0.1:1",
        "token_env": "TOKEN",
        "users": {"static": [{"id": "a"}]},
    }
    settings = load_document(
        Document("test", {"organizations": [organization], **sections}), Path("/x"), {"TOKEN": "pt-a_1"}
    )
    security = WebSecurity.none()
    return build_parts(settings, lambda: settings, [], security, ManualClock(), Options(shard=shard))


def listeners(parts: Parts) -> list[str]:
    return [listener.name for listener in parts.changes._listeners]


def test_without_options_there_is_neither_state_file_nor_redis_and_it_polls() -> None:
    parts = built()
    assert (parts.storage, parts.member) == (None, None)
    assert listeners(parts) == ["exposition", "audit", "telemetry"]
    assert parts.organizations._polls


def test_with_state_file_and_redis_changes_reach_both_and_it_stands_by() -> None:
    parts = built(storage={"path": "/x/state.db"}, redis={"url": "redis://127.0.0.1:1"})
    assert listeners(parts) == ["exposition", "storage", "audit", "telemetry", "exchange"]
    assert not parts.organizations._polls


def test_each_shard_has_a_state_file_of_its_own() -> None:
    parts = built(Shard(1, 3), storage={"path": "/x/state.db"})
    assert parts.storage is not None
    assert parts.storage._file.path == Path("/x/state.db.1-of-3")


def test_building_puts_no_configuration_in_force() -> None:
    parts = built()
    assert parts.base.current.value.generation == 0
    assert parts.base.store.view().organizations == ()
    assert parts.base.current.organizations == frozenset({"acme"})
