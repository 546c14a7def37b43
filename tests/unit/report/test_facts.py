from __future__ import annotations

from support.report import a_summary

from exporter.report.comparison import Comparison, Finding
from exporter.report.facts import facts


def test_a_fact_is_a_line_and_a_comparison_has_its_own() -> None:
    fixed = Finding("acme", "1", "li.wei", "pt-1", "ci", "max_age")
    sheet = facts(a_summary(), Comparison("2026-05-01T00:00:00Z", (fixed,), (), 4, 1))
    lines = [tuple(row) for row in sheet.rows]
    assert {len(line) for line in lines} == {len(sheet.columns)}
    assert ("comparison", "acme", "1", "li.wei", "pt-1", "ci", "fixed", "max_age", "") in lines
    assert ("comparison", "", "", "", "", "", "since", "2026-05-01T00:00:00Z", "") in lines
    assert [line[4] for line in lines if line[0] == "next_to_expire"] == ["pt-a", "pt-b", "pt-c", "pt-d"]
