from __future__ import annotations

import pytest

from exporter.platform.yunxiao.simulator.faults import Fault, FaultKind, Faults, Quirks


def test_faults_are_read_from_text() -> None:
    assert Fault.parse("500") == Fault(FaultKind.STATUS, "500")
    assert Fault.parse("status:404") == Fault(FaultKind.STATUS, "404")
    assert Fault.parse("redirect:http://x/") == Fault(FaultKind.REDIRECT, "http://x/")
    with pytest.raises(ValueError, match="unknown fault 'burn'"):
        Fault.parse("burn")


def test_quirks_are_added_one_by_one() -> None:
    quirks = Quirks().with_one("ignored_page").with_one("empty_page=2")
    assert quirks == Quirks(ignored_page=True, empty_page=2)
    for text in ("strange", "empty_page", "ignored_page=2"):
        with pytest.raises(ValueError, match="unknown quirk"):
            quirks.with_one(text)


def test_the_fault_of_a_user_wins_and_can_be_ended() -> None:
    faults = Faults()
    fault, other = Fault(FaultKind.HANG), Fault(FaultKind.RESET)
    faults.at_rate(1.0, other)
    faults.for_user("u1", fault)
    assert (faults.pick("u1"), faults.pick("u2")) == (fault, other)
    faults.for_user("u1", None)
    assert faults.pick("u1") == other
    faults.heal()
    assert faults.pick("u1") is None
