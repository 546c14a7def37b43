"""The expressions that the rules are made of."""

from __future__ import annotations

from typing import Any

import promql_parser
import pytest

from exporter.alerts.promql import entries, latest, seconds


@pytest.mark.parametrize(
    ("value", "text"), [(1209600.0, "1209600"), (1.5, "1.5"), (0.001, "0.001"), (1e21, "1000000000000000000000")]
)
def test_seconds_have_no_exponent_and_no_trailing_zeros(value: float, text: str) -> None:
    assert seconds(value) == text


def test_the_latest_series_look_back_ten_minutes() -> None:
    assert latest("organization", "up") == "max by (organization) (last_over_time(up[10m]))"


def test_entries_are_those_of_one_process_without_the_ended_ones_and_one_for_each_subject() -> None:
    assert entries("x", "user_id", ["user_id", "team"], [("user_id, alert_source", "y > 0")], since=True) == (
        "time() - topk by (user_id) (1,\n"
        "  max by (user_id, team) (\n"
        "  x != 0\n"
        "  unless on (user_id, alert_source)\n"
        "  (y > 0)\n"
        "  and on (organization, alert_source)\n"
        "  topk by (organization, shard) (1,\n"
        "    max by (organization, shard, alert_source) (last_over_time(yunxiao_alert_source_rank[10m]))\n"
        "  )\n"
        "  )\n"
        ")"
    )


def test_a_comparison_of_entries_is_made_before_they_are_suppressed() -> None:
    # Set operators bind less than comparisons, and from left to right.
    parsed: Any = promql_parser.parse(entries("x", "a", ["a"], [("b", "y")]))
    inner = parsed.expr.expr
    assert (str(inner.op), str(inner.lhs.op), str(inner.lhs.lhs.op)) == ("and", "unless", "!=")
