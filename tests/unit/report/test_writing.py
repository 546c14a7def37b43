from __future__ import annotations

import io
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import openpyxl
import pytest
from support.builders import DAY, NOW, a_key, a_token
from support.report import listed_text, write_list

from exporter.model.snapshot import View
from exporter.model.user import User
from exporter.report.formats import Output
from exporter.report.listing import rows
from exporter.report.writing import ListOptions
from exporter.state.ledger import Ledger

if TYPE_CHECKING:
    from exporter.report.listing import Row

NAMES = ("<img src=x onerror=alert(1)>", "=cmd|' /C calc'!A0", "a;=1+1")


def a_list(*names: str, organizations: tuple[str, ...] = ("acme",), keys: bool = False) -> list[Row]:
    views = []
    for organization in organizations:
        ledger = Ledger(organization, [User("u-1", "a user with a rather long name 支付")])
        tokens = (replace(a_token(f"pt-{number:012}", expires_in=DAY), name=name) for number, name in enumerate(names))
        ledger.succeeded("u-1", tuple(tokens), NOW, (a_key("501"),) if keys else None)
        views.append(ledger.view())
    return rows(View(tuple(views)), NOW)


@pytest.fixture(autouse=True)
def _no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


def test_the_table_fits_80_columns_and_says_who_what_and_when_first() -> None:
    lines = listed_text(a_list("a token with a name that is much too long for a line"), Output.TABLE).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["USER", "TOKEN", "TOKEN", "ID", "EXPIRES", "PERMISSIONS"]
    assert "expires in 1d" in lines[1]


def test_several_organizations_are_named() -> None:
    lines = listed_text(a_list("ci", organizations=("acme", "globex")), Output.TABLE).splitlines()
    assert [line.split()[0] for line in lines] == ["ORGANIZATION", "acme", "globex"]


def test_the_width_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert max(map(len, listed_text(a_list("ci"), Output.TABLE).splitlines())) <= 40


def test_a_wide_table_cuts_nothing() -> None:
    heading, line = listed_text(a_list("n" * 100), Output.TABLE, ListOptions(wide=True)).splitlines()
    assert heading.split()[:4] == ["KIND", "ORGANIZATION", "USER", "TOKEN"]
    assert "n" * 100 in line
    assert "a user with a rather long name 支付" in line


def test_columns_can_be_chosen_in_every_format() -> None:
    options = ListOptions(columns=("token", "expires", "expires_in_seconds"))
    listed = a_list("ci")
    assert listed_text(listed, Output.TABLE, options) == "TOKEN  EXPIRES        SECONDS\nci     expires in 1d  86400\n"
    assert listed_text(listed, Output.CSV, options) == "token,expires,expires_in_seconds\r\nci,expires in 1d,86400\r\n"
    (record,) = json.loads(listed_text(listed, Output.JSON, options))
    assert record == {"token": "ci", "expires": "expires in 1d", "expires_in_seconds": 86400}


def test_ten_thousand_rows_are_drawn_in_less_than_two_seconds() -> None:
    listed = a_list(*(f"构建-{number}" for number in range(1000))) * 10
    started = time.process_time()
    assert listed_text(listed, Output.TABLE).count("\n") == 10_001
    # Rich took 31 s.
    assert time.process_time() - started < 2


def test_an_empty_list_says_so() -> None:
    assert listed_text([], Output.TABLE) == "No tokens to list.\n"
    assert json.loads(listed_text([], Output.JSON)) == []


@pytest.mark.parametrize("form", [Output.CSV, Output.JSON, Output.TABLE, Output.ICS, Output.PROMETHEUS])
def test_hostile_names_stay_text_in_every_format(form: Output) -> None:
    text = listed_text(a_list(*NAMES), form, ListOptions(wide=True))
    assert "calc" in text
    if form is Output.CSV:
        assert [line.split(",")[4] for line in text.splitlines()[1:]] == [NAMES[0], f"'{NAMES[1]}", "a;'=1+1"]


def test_the_workbook_has_the_columns_of_the_csv() -> None:
    stream = io.BytesIO()
    write_list(a_list(*NAMES), Output.XLSX, stream)
    sheet = openpyxl.load_workbook(stream).worksheets[0]
    assert [cell.value for cell in sheet[1]] == listed_text([], Output.CSV).strip().split(",")
    assert [sheet.cell(row, 5).value for row in (2, 3, 4)] == list(NAMES)
