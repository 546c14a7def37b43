from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.builders import NOW, ManualClock, a_token

from exporter.config.schema import Config
from exporter.metrics import rendering
from exporter.metrics.exposition import Exposition
from exporter.metrics.telemetry import Telemetry
from exporter.model.user import User
from exporter.state.ledger import Ledger
from exporter.state.store import Store

if TYPE_CHECKING:
    import pytest

CONFIG = Config.model_validate(
    {"organizations": ({"name": "acme", "endpoint": "http://x", "token_env": "T", "users": {"files": ("x",)}},)}
)


def test_text_that_a_change_makes_during_a_scrape_is_neither_used_nor_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, store, telemetry = ManualClock(), Store(), Telemetry()
    ledger = Ledger("acme", [User("1", "a"), User("2", "b")])
    store.replace([ledger])
    for user_id in ("1", "2"):
        ledger.succeeded(user_id, (a_token(f"pt-old-{user_id}"),), NOW)
    exposition = Exposition(
        telemetry.registry,
        store,
        lambda: CONFIG,
        clock,
        telemetry.families_left_out,
        lambda: telemetry.reloads,
        telemetry.internal_error,
    )
    exposition.open()
    exposition.scrape("", "")
    users: list[str] = []
    real = rendering.render_user

    def prepare(organization: str, state: Any, plan: Any, now: float) -> Any:
        users.append(state.user.user_id)
        if users == ["1"]:
            # While the scrape renders the first user, a poll of the second one ends.
            ledger.succeeded("2", (a_token("pt-new-2"),), NOW)
            exposition.prepare("acme", ledger.view().users[1])
        return real(organization, state, plan, now)

    monkeypatch.setattr(rendering, "render_user", prepare)
    ledger.succeeded("1", (a_token("pt-new-1"),), NOW)
    during = exposition.scrape("", "").content
    assert b"pt-new-1" in during
    assert b"pt-old-2" in during
    assert b"pt-new-2" not in during
    assert users == ["1", "2"]
    after = exposition.scrape("", "").content
    assert b"pt-new-2" in after
    assert users == ["1", "2"]
