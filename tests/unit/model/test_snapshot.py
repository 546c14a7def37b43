from __future__ import annotations

from support.builders import NOW

from exporter.model.snapshot import Discovery, Sweep, SweepResult
from exporter.state.ledger import Ledger
from exporter.state.store import Store


def test_ready_once_each_organization_has_completed_a_sweep() -> None:
    store = Store()
    first, second = Ledger("a", []), Ledger("b", [])
    store.replace([first, second])
    first.swept(Sweep(SweepResult.FAILED, 1, NOW))
    assert not store.view().ready
    second.swept(Sweep(SweepResult.SUCCESS, 1, NOW))
    assert store.view().ready


def test_an_organization_with_discovery_is_ready_once_there_is_a_list() -> None:
    ledger = Ledger("a", [])
    ledger.discovered(Discovery(up=False))
    ledger.swept(Sweep(SweepResult.SUCCESS, 1, NOW))
    assert not ledger.view().ready
    ledger.discovered(Discovery(up=True, last_success=NOW, users=0))
    assert ledger.view().ready
