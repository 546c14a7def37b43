from __future__ import annotations

import pytest

from exporter.platform.yunxiao.simulator.faults import Fault, FaultKind, Faults


def test_faults_are_read_from_text() -> None:
    assert Fault.parse("500") == Fault(FaultKind.STATUS, "500")
    assert Fault.parse("status:404") == Fault(FaultKind.STATUS, "404")
    assert Fault.parse("redirect:http://x/") == Fault(FaultKind.REDIRECT, "http://x/")
    assert Fault.parse("403:Forbidden.InvalidUser") == Fault(FaultKind.STATUS, "403:Forbidden.InvalidUser")
    assert Fault.parse("envelope:spring:401") == Fault(FaultKind.ENVELOPE, "spring:401")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("burn", "unknown fault 'burn'"),
        ("status:ok", "'ok' is not an HTTP status"),
        ("status", "'' is not an HTTP status"),
        ("envelope:paper", "unknown envelope 'paper'; use one of documented, "),
        ("envelope:spring:x", "'x' is not an HTTP status"),
    ],
)
def test_faults_that_cannot_be_read_are_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Fault.parse(text)


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
