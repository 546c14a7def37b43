from __future__ import annotations

from pathlib import Path

from exporter.metrics.families.http import Refusal
from exporter.web import basic_auth, connections, deliveries, protocol, streams

TEXT = (Path(__file__).parents[3] / "docs" / "web.md").read_text()


def test_docs_name_every_reason() -> None:
    assert [reason for reason in Refusal if f"| `{reason.value}` |" not in TEXT] == []


def test_docs_have_the_limits_of_the_code() -> None:
    lines = (
        f"{connections.MAX_CONNECTIONS} at most | the longest idle",
        f"first byte to last | {connections.REQUEST_TIMEOUT:.0f} s,",
        f"headers of a request | {protocol.MAX_HEADER_BYTES >> 10} KiB |",
        f"between two requests | {connections.IDLE_TIMEOUT:.0f} s |",
        f"reading an answer | {connections.RESPONSE_TIMEOUT:.0f} s |",
        f"answers under way | {deliveries.MAX_BYTES >> 20} MiB of",
        f"under way | {streams.MAX_STREAMS}; each",
        f"and for {streams.GRACE:.0f} s at least",
        f"checked at the same time | {basic_auth.CHECKS_AT_ONCE} |",
        f"that wait | {basic_auth.MAX_WAITING}, and {basic_auth.MAX_WAITING_PER_ADDRESS} for an address |",
        f"of an address | {basic_auth.FAILURES_PER_ADDRESS} at once",
    )
    assert [line for line in lines if line not in TEXT] == []
