from __future__ import annotations

import pytest
from support.configuration import settled

from exporter.app.reload_summary import changes

ACME = """organizations:
  - name: acme
    endpoint: https://acme.example.com
    token_env: TOKEN
    users: {static: [{id: "1", name: li.wei}, {id: "2", name: bo}]}
"""
GLOBEX = """  - name: globex
    endpoint: https://globex.example.com
    token_env: TOKEN
    users: {static: [{id: "9", name: an}]}
"""


def test_nothing_for_the_same_configuration() -> None:
    assert changes(settled(ACME), settled(ACME)) == {}


def test_organizations_and_users_that_come_and_go() -> None:
    assert changes(settled(ACME), settled(ACME + GLOBEX)) == {
        "organizations_added": "globex",
        "users_added": 1,
        "added": "an (9)",
    }
    assert changes(settled(ACME + GLOBEX), settled(ACME)) == {
        "organizations_removed": "globex",
        "users_removed": 1,
        "removed": "an (9)",
    }


def test_a_user_whose_entry_changes_and_one_who_is_replaced() -> None:
    after = ACME.replace("name: li.wei", "name: li.wei, labels: {team: a}").replace('"2", name: bo', '"3", name: cy')
    assert changes(settled(ACME), settled(after)) == {
        "users_added": 1,
        "users_removed": 1,
        "users_changed": 1,
        "added": "cy (3)",
        "removed": "bo (2)",
    }


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("    limits: {concurrency: 2}\n", {"organizations_changed": "acme"}),
        ("poll: {interval: 5m}\nalerting: {labels: {team: a}}\n", {"sections_changed": "poll, alerting"}),
        ("policies: {never_expires: forbid}\n", {"sections_changed": "policies"}),
    ],
)
def test_settings_that_change(line: str, fields: dict[str, str]) -> None:
    assert changes(settled(ACME), settled(ACME + line)) == fields


def test_many_users_are_counted_and_the_first_are_named() -> None:
    users = ", ".join(f'{{id: "{number}", name: u{number}}}' for number in range(100, 115))
    found = changes(settled(ACME), settled(ACME.replace("]}", f", {users}]}}")))
    assert found["users_added"] == 15
    assert str(found["added"]).startswith("u100 (100), u101 (101), ")
    assert str(found["added"]).endswith("u109 (109), and 5 more")
