from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.builders import NOW, ManualClock, a_token

from exporter.app.changes import Changes, ExpositionListener
from exporter.config.schema import Config
from exporter.metrics import exposition as module
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
    rendered: list[str] = []
    real = module._prepare

    def prepare(organization: str, state: Any, plan: Any, now: float) -> Any:
        rendered.append(state.user.user_id)
        if rendered == ["1"]:
            # While the scrape renders the first user, a poll of the second one ends.
            ledger.succeeded("2", (a_token("pt-new-2"),), NOW)
            exposition.prepare("acme", ledger.view().users[1])
        return real(organization, state, plan, now)

    monkeypatch.setattr(module, "_prepare", prepare)
    ledger.succeeded("1", (a_token("pt-new-1"),), NOW)
    during = exposition.scrape("", "").content
    assert b"pt-new-1" in during
    assert b"pt-old-2" in during
    assert b"pt-new-2" not in during
    assert rendered == ["1", "2"]
    after = exposition.scrape("", "").content
    assert b"pt-new-2" in after
    assert rendered == ["1", "2"]


def test_without_any_scrape_no_text_of_users_who_left_piles_up() -> None:
    clock, store, telemetry = ManualClock(), Store(), Telemetry()
    exposition = Exposition(
        telemetry.registry,
        store,
        lambda: CONFIG,
        clock,
        telemetry.families_left_out,
        lambda: telemetry.reloads,
        telemetry.internal_error,
    )
    exposition.prepare_all()
    changes = Changes([ExpositionListener(exposition)], lambda: telemetry.internal_error("changes"), clock)
    ledger = Ledger("acme", [], publish=changes.publish)
    store.replace([ledger])
    for number in range(100):
        # As a discovery does whose users are others each time.
        ledger.watch([User(str(number), "x")])
        ledger.succeeded(str(number), (a_token(),), NOW)
    assert list(exposition._prepared) == [("acme", "99")]
    ledger.remove()
    assert exposition._prepared == {}
