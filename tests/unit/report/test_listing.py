from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from support.builders import DAY, HOUR, NOW, a_key, a_token
from support.report import listed_text

from exporter.model.snapshot import View
from exporter.model.token import NEVER
from exporter.model.user import User
from exporter.policies.builtin import NeverExpires
from exporter.policies.schema import Policies
from exporter.report.filters import TokenFilter
from exporter.report.formats import Output
from exporter.report.listing import Row, list_columns, rows, violating_rows
from exporter.report.writing import ListOptions
from exporter.state.ledger import Ledger

if TYPE_CHECKING:
    from exporter.policies.base import Policy


TEXTS = (Output.TABLE, Output.JSON, Output.CSV)


def a_view() -> View:
    ledger = Ledger("acme", [User("1", "li.wei"), User("2", "张三")])
    ledger.succeeded("1", (a_token("never", expires_in=NEVER), a_token("soon", expires_in=2 * HOUR)), NOW)
    ledger.succeeded(
        "2",
        (
            a_token("old", expires_in=-DAY, name="\x1b[31mred"),
            a_token("odd", expires_in=None, age=None),
            a_token("late", expires_in=30 * DAY),
        ),
        NOW,
    )
    return View((ledger.view(),))


def listed(*, within: float | None, expired: bool = True) -> list[str]:
    return [row.token.token_id for row in rows(a_view(), NOW, TokenFilter(within=within, expired=expired))]


def test_sorted_by_expiry_with_unknown_and_never_expiring_last() -> None:
    assert listed(within=None) == ["old", "soon", "late", "odd", "never"]


def test_the_window_includes_expired_and_unknown_expiry() -> None:
    assert listed(within=DAY) == ["old", "soon", "odd"]
    assert listed(within=DAY, expired=False) == ["soon", "odd"]
    assert listed(within=0) == ["old", "odd"]


def breaking(*names: type[Policy], **sections: object) -> list[Row]:
    view, policies = a_view(), Policies.model_validate(sections)
    return violating_rows(rows(view, NOW), view, policies, names, NOW)


def test_an_audit_lists_tokens_with_the_policies_they_violate() -> None:
    listed = breaking(never_expires="forbid", expired_not_removed={"after": "1d"}, max_tokens_per_user={"limit": 1})
    found = {row.token.token_id: [policy.name for policy in row.policies or ()] for row in listed}
    # both users have two tokens that have not expired
    assert found == {
        "old": ["expired_not_removed"],
        "soon": ["max_tokens_per_user"],
        "late": ["max_tokens_per_user"],
        "odd": ["max_tokens_per_user"],
        "never": ["never_expires", "max_tokens_per_user"],
    }


def test_an_audit_can_be_limited_to_some_policies() -> None:
    sections = {"never_expires": "forbid", "max_age": {"limit": "1h"}}
    assert [row.token.token_id for row in breaking(**sections)] == ["soon", "late", "never"]
    (row,) = breaking(NeverExpires, **sections)
    assert (row.token.token_id, row.policies) == ("never", (NeverExpires,))


def test_an_audit_has_a_column_for_policies_in_every_form() -> None:
    listed = breaking(never_expires="forbid", max_age={"limit": "1h"})
    texts = {form: listed_text(listed, form, ListOptions(audit=True, wide=True)) for form in TEXTS}
    assert json.loads(texts[Output.JSON])[2]["policies"] == ["never_expires", "max_age"]
    assert list(csv.DictReader(io.StringIO(texts[Output.CSV])))[2]["policies"] == "never_expires max_age"
    assert texts[Output.TABLE].splitlines()[0].split()[-2:] == ["POLICIES", "DESCRIPTION"]
    assert texts[Output.TABLE].splitlines()[3].split()[-2:] == ["never_expires", "max_age"]


def written(form: Output) -> str:
    return listed_text(rows(a_view(), NOW), form)


def test_json() -> None:
    soon = json.loads(written(Output.JSON))[1]
    assert soon == {
        "organization": "acme",
        "user_id": "1",
        "user": "li.wei",
        "token_id": "soon",
        "token": "ci",
        "state": "active",
        "expires_at": "2026-06-01T02:00:00Z",
        "expires_in_seconds": 7200,
        "created_at": "2026-05-31T00:00:00Z",
        "permissions": ["base_user_read"],
        "description": "",
        "kind": "token",
        "last_used_at": None,
        "listed_expires_at": None,
        "owner_email": None,
        "owner_username": None,
        "owner_department": None,
    }


def described(form: Output, description: str, *, wide: bool = False) -> str:
    ledger = Ledger("acme", [User("u", "li.wei")])
    ledger.succeeded("u", (replace(a_token("pt-1"), description=description),), NOW)
    return listed_text(rows(View((ledger.view(),)), NOW), form, ListOptions(wide=wide))


def test_descriptions_are_in_json_and_csv_and_in_the_wide_table() -> None:
    text = "nightly builds of \u652f\u4ed8"
    assert json.loads(described(Output.JSON, text))[0]["description"] == text
    assert next(csv.DictReader(io.StringIO(described(Output.CSV, text))))["description"] == text
    assert text not in described(Output.TABLE, text)
    heading, line = described(Output.TABLE, text, wide=True).splitlines()
    assert heading.split()[-1] == "DESCRIPTION"
    assert line.rstrip().endswith(text)


def test_new_columns_come_last_so_that_the_others_keep_their_places() -> None:
    columns = listed_text([], Output.CSV, ListOptions(audit=True)).strip().split(",")
    assert columns == list(list_columns(audit=True))
    assert columns[9:] == [
        "permissions",
        "policies",
        "description",
        "kind",
        "last_used_at",
        "listed_expires_at",
        "owner_email",
        "owner_username",
        "owner_department",
    ]


def test_a_description_is_neither_a_formula_nor_a_command_of_a_terminal() -> None:
    text = "=1+1\x1b]0;x\x07\u202eevil\nsecond line"
    (record,) = csv.DictReader(io.StringIO(described(Output.CSV, text)))
    assert record["description"] == "'=1+1\ufffd]0;x\ufffd\ufffdevil\nsecond line"
    table = described(Output.TABLE, text, wide=True)
    assert table.splitlines()[1].rstrip().endswith("=1+1\ufffd]0;x\ufffd\ufffdevil\ufffdsecond line")


def test_a_date_that_counts_as_never_is_shown_as_the_platform_lists_it() -> None:
    ledger = Ledger("acme", [User("1", "li.wei")])
    ledger.succeeded("1", (a_token(expires_in=36_500 * DAY).within(3650 * DAY, NOW),), NOW)
    listed = rows(View((ledger.view(),)), NOW)
    texts = {form: listed_text(listed, form, ListOptions(wide=True)) for form in TEXTS}
    # 36,500 days are 100 years without the 24 leap days from 2028 to 2124 but 2100.
    far = "2126-05-08T00:00:00Z"
    (record,) = json.loads(texts[Output.JSON])
    assert (record["state"], record["expires_at"], record["expires_in_seconds"]) == ("never_expires", None, None)
    assert record["listed_expires_at"] == far
    (row,) = csv.DictReader(io.StringIO(texts[Output.CSV]))
    assert (row["expires_at"], row["listed_expires_at"]) == ("", far)
    assert f"never expires  {far}" in texts[Output.TABLE]


def test_csv_has_the_same_columns_and_leaves_unknown_values_empty() -> None:
    records = list(csv.DictReader(io.StringIO(written(Output.CSV))))
    assert records[0]["expires_in_seconds"] == "-86400"
    assert (records[3]["state"], records[3]["expires_at"], records[3]["created_at"]) == ("unknown", "", "")


def test_control_characters_in_names_are_replaced_in_the_table() -> None:
    table = written(Output.TABLE)
    assert "\x1b" not in table
    assert "expired 1d ago" in table
    assert "expires in 2h" in table
    assert "never expires" in table
    assert "expiry unknown" in table


def test_csv_has_no_formula_in_any_text() -> None:
    ledger = Ledger("=acme", [User("+u", "-name")])
    ledger.succeeded("+u", (a_token("@id", name="=1+1", permissions=("\uff1dread", "x")),), NOW)
    text = listed_text(rows(View((ledger.view(),)), NOW), Output.CSV)
    (record,) = csv.DictReader(io.StringIO(text))
    texts = ("organization", "user_id", "user", "token_id", "token", "permissions")
    assert [record[column] for column in texts] == ["'=acme", "'+u", "'-name", "'@id", "'=1+1", "'\uff1dread x"]


def test_the_table_shows_no_control_character_of_any_name() -> None:
    ledger = Ledger("ac\x1bme", [User("u", "li\x1bwei")])
    ledger.succeeded("u", (a_token("pt\x1b1", permissions=("re\x1bad",)),), NOW)
    text = listed_text(rows(View((ledger.view(),)), NOW), Output.TABLE, ListOptions(wide=True))
    assert "\x1b" not in text
    assert text.splitlines()[1].split()[1:5] == ["ac\ufffdme", "li\ufffdwei", "ci", "pt\ufffd1"]


def test_the_window_ends_with_a_token_that_expires_at_its_last_moment() -> None:
    assert listed(within=2 * HOUR) == ["old", "soon", "odd"]
    assert listed(within=2 * HOUR - 1) == ["old", "odd"]


def test_json_shows_names_as_they_are_and_ends_with_a_line_feed() -> None:
    text = written(Output.JSON)
    assert "\u5f20\u4e09" in text
    assert text.endswith("]\n")


def test_the_names_of_the_forms() -> None:
    assert [form.value for form in Output] == ["table", "json", "csv", "xlsx", "ics", "prometheus"]


def with_a_key() -> View:
    ledger = Ledger("acme", [User("1", "li.wei")])
    ledger.succeeded("1", (a_token("pt-1"),), NOW, (a_key("501", expires_in=HOUR),))
    return View((ledger.view(),))


def test_ssh_keys_are_listed_with_their_kind() -> None:
    listed = rows(with_a_key(), NOW)
    texts = {form: listed_text(listed, form, ListOptions(wide=True)) for form in TEXTS}
    key, token = json.loads(texts[Output.JSON])
    assert (key["kind"], token["kind"]) == ("ssh_key", "token")
    assert key == {
        "organization": "acme",
        "user_id": "1",
        "user": "li.wei",
        "token_id": "501",
        "token": "laptop",
        "state": "active",
        "expires_at": "2026-06-01T01:00:00Z",
        "expires_in_seconds": 3600,
        "created_at": "2026-05-31T00:00:00Z",
        "permissions": ["ALL"],
        "description": "SHA256:0f1e2d",
        "kind": "ssh_key",
        "last_used_at": "2026-05-31T23:00:00Z",
        "listed_expires_at": None,
        "owner_email": None,
        "owner_username": None,
        "owner_department": None,
    }
    assert [one["kind"] for one in csv.DictReader(io.StringIO(texts[Output.CSV]))] == ["ssh_key", "token"]
    assert [line.split()[0] for line in texts[Output.TABLE].splitlines()] == ["KIND", "ssh_key", "token"]


def test_a_key_within_the_window_is_found() -> None:
    assert [row.token.token_id for row in rows(with_a_key(), NOW, TokenFilter(within=HOUR))] == ["501"]


def test_an_audit_lists_no_keys_since_policies_are_about_tokens() -> None:
    policies = Policies.model_validate({"max_tokens_per_user": {"limit": 0}})
    listed = rows(with_a_key(), NOW)
    found = violating_rows(listed, with_a_key(), policies, (), NOW)
    assert [row.token.token_id for row in found] == ["pt-1"]
