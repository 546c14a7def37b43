from __future__ import annotations

import math
from dataclasses import replace

from support.builders import NOW

from exporter.model.snapshot import Discovery, Outage, Sweep, SweepResult
from exporter.model.state import Reason
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


def test_a_failed_sweep_knows_when_the_last_one_was_completed_and_is_sound_only_with_times() -> None:
    failed = Sweep(SweepResult.FAILED, 1.0, NOW, previous=NOW - 900)
    assert (failed.last_completed, replace(failed, previous=None).last_completed) == (NOW - 900, None)
    assert replace(failed, result=SweepResult.PARTIAL).last_completed == NOW
    assert [replace(failed, previous=at).sound for at in (None, NOW, math.nan, math.inf, -1.0)] == [
        *(True, True),
        *(False, False, False),
    ]


def test_an_organization_with_discovery_is_ready_once_there_is_a_list() -> None:
    ledger = Ledger("a", [])
    ledger.discovered(Discovery(up=False))
    ledger.swept(Sweep(SweepResult.SUCCESS, 1, NOW))
    assert not ledger.view().ready
    ledger.discovered(Discovery(up=True, last_success=NOW, users=0))
    assert ledger.view().ready


def test_an_outage_counts_after_a_while_but_a_confirmed_refusal_at_once_whatever_the_clock_says() -> None:
    soft = Outage(1000.0, Reason.TIMEOUT, "x", confirmed=False)
    assert [soft.counts(600.0, at) for at in (900.0, 1599.0, 1600.0)] == [False, False, True]
    assert replace(soft, confirmed=True).counts(600.0, 900.0)
