from __future__ import annotations

import io
from typing import TYPE_CHECKING

import openpyxl
from support.report import a_summary, render

from exporter.report.comparison import compare, parse_report
from exporter.report.data import as_json_text
from exporter.report.formats import Form, Language

if TYPE_CHECKING:
    from exporter.report.summary import Summary


def book(summary: Summary, language: Language = Language.EN) -> openpyxl.Workbook:
    comparison = compare(parse_report(as_json_text(summary).encode()), summary)
    content = render(summary, Form.XLSX, language, comparison)
    assert isinstance(content, bytes)
    return openpyxl.load_workbook(io.BytesIO(content))


def test_each_list_is_a_sheet() -> None:
    found = book(a_summary(failures=("acme: gone",)))
    assert found.sheetnames == [
        "Totals",
        "Changes",
        "Policy violations",
        "Next to expire",
        "Expired tokens",
        "Tokens that never expire",
        "Oldest tokens",
        "Tokens with most permissions",
        "Users with most permissions",
        "Failing",
    ]
    violations = [[cell.value for cell in row] for row in found["Policy violations"].iter_rows(min_row=2)]
    assert [(row[1], row[3]) for row in violations] == [
        ("forbidden_permissions", "Replace it with one that does not."),
        ("max_tokens_per_user", "Delete those that are not used."),
        ("never_expires", "Replace it with one that expires."),
    ]
    assert [cell.value for cell in found["Expired tokens"]["F"]] == ["Token id", "pt-e"]
    assert {cell.data_type for sheet in found for row in sheet.iter_rows() for cell in row} <= {"s", "n", "d"}


def test_sheets_and_headings_are_in_the_language() -> None:
    found = book(a_summary(), Language.ZH)
    assert found.sheetnames[:3] == ["总计", "变化", "违反策略的令牌"]
    assert [cell.value for cell in found["已过期的令牌"][1]][:3] == ["组织", "用户", "用户 ID"]
