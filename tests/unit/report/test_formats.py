from __future__ import annotations

from pathlib import Path

import pytest

from exporter.report.formats import LIST_SUFFIXES, REPORT_SUFFIXES, Form, Output, format_of


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.csv", Output.CSV),
        ("a.XLSX", Output.XLSX),
        ("a.b.json", Output.JSON),
        ("team.ics", Output.ICS),
        ("yunxiao.prom", Output.PROMETHEUS),
        ("a.txt", Output.TABLE),
        ("tokens", Output.TABLE),
        ("/dev/stdout", Output.TABLE),
    ],
)
def test_the_suffix_of_a_list_chooses_its_format(name: str, form: Output) -> None:
    assert format_of(Path(name), LIST_SUFFIXES, Output.TABLE) is form


@pytest.mark.parametrize(("name", "form"), [("a.md", Form.MARKDOWN), ("a.htm", Form.HTML), ("a.json", Form.JSON)])
def test_the_suffix_of_a_report_chooses_its_format(name: str, form: Form) -> None:
    assert format_of(Path(name), REPORT_SUFFIXES, Form.HTML) is form


def test_stdout_has_the_default_format_and_an_unknown_suffix_is_refused() -> None:
    assert format_of(None, REPORT_SUFFIXES, Form.HTML) is Form.HTML
    with pytest.raises(ValueError, match=r"the suffix \.pdf belongs to no format; .* \.html"):
        format_of(Path("a.pdf"), REPORT_SUFFIXES, Form.HTML)
