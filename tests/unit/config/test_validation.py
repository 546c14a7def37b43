from __future__ import annotations

import pytest
from support.configuration import faults, settled, with_organization

from exporter.model.user import User


def test_all_faults_are_reported_at_once_with_file_line_path_and_hint() -> None:
    text = """poll: {interval: 90, sperad: true}
metrics: 5
organizations:
  - name: acme
    endpoint: ftp://x
    token_env: NOT_SET
    limits:
      concurrency: 0
    users:
      static:
        - {id: 0123456, name: on}
"""
    assert faults(text) == [
        "c.yaml:1: poll.interval: must be a duration with its unit, such as 90s, 1h30m or 14d; "
        'write "90s" if seconds are meant',
        "c.yaml:1: poll.sperad: unknown key; did you mean spread?",
        "c.yaml:2: metrics: must be a section with keys, not the number 5",
        "c.yaml:5: organizations[0].endpoint: is not a valid HTTP URL; "
        "write http:// or https://, a host and optionally a port",
        "c.yaml:6: organizations[0].token_env: the environment variable NOT_SET is not set; set it to the token",
        "c.yaml:8: organizations[0].limits.concurrency: must be greater than or equal to 1",
        "c.yaml:11: organizations[0].users.static[0].id: id 0123456 is not quoted, YAML reads it as 42798; "
        'write "0123456"',
        'c.yaml:11: organizations[0].users.static[0].name: name on is not quoted, YAML reads it as true; write "on"',
    ]


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("0123456", "42798"),
        ("1_000", "1000"),
        ("12:30:45", "45045"),
        ("on", "true"),
        ("no", "false"),
        ("2026-12-31", "a date (2026-12-31)"),
        ("1.5", "1.5"),
    ],
)
@pytest.mark.parametrize("key", ["id", "name"])
def test_unquoted_ids_and_names_that_yaml_reads_as_another_type_are_refused(
    key: str, written: str, read_as: str
) -> None:
    text = with_organization("").replace('id: "3001", name: li.wei', f'id: "1", name: "x", {key}: {written}')
    text = text.replace(f'{key}: "1", ', "").replace(f'{key}: "x", ', "")
    expected = f'{key} {written} is not quoted, YAML reads it as {read_as}; write "{written}"'
    assert faults(text) == [f"c.yaml:6: organizations[0].users.static[0].{key}: {expected}"]


@pytest.mark.parametrize("written", ['"0123456"', "'on'", "089", "3f2a-11", "张三"])
def test_ids_that_are_strings_are_kept_as_written(written: str) -> None:
    text = with_organization("").replace('"3001"', written)
    assert settled(text).organizations[0].users == (User(written.strip("\"'"), "li.wei"),)


def test_faults_of_yaml_and_of_the_schema_are_reported_together() -> None:
    text = "metrics: {per_token: 3, per_token: 4}\n" + with_organization("timezone: Mars")
    assert [fault.split(": ")[1] for fault in faults(text)] == ["metrics.per_token", "organizations[0].timezone"]
