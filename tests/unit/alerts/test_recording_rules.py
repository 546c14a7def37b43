"""The recording rules that the alerts about tokens are based on."""

from __future__ import annotations

import promql_parser

from exporter.alerts.recording_rules import recording_rules
from exporter.config.alerting import Alerting

TOKEN_RULES = [
    "yunxiao:token_expiry_timestamp_seconds",
    "yunxiao:token_created_timestamp_seconds",
    "yunxiao:token_warning_configured_seconds",
    "yunxiao:token_warning_threshold_seconds",
    "yunxiao:token_critical_configured_seconds",
    "yunxiao:token_critical_threshold_seconds",
]


def test_user_labels_are_recorded_only_if_there_are_any() -> None:
    assert [rule["record"] for rule in recording_rules(Alerting(), [])] == TOKEN_RULES
    assert [rule["record"] for rule in recording_rules(Alerting(), ["team"])] == [*TOKEN_RULES, "yunxiao:user_labels"]


def test_thresholds_are_the_configured_seconds_and_shares_of_the_lifetime() -> None:
    found = {rule["record"]: rule["expr"] for rule in recording_rules(Alerting(), ["team"])}
    for expression in found.values():
        promql_parser.parse(expression)
    # 14 and 3 days
    assert found["yunxiao:token_warning_configured_seconds"].endswith("+ 1209600")
    assert found["yunxiao:token_critical_configured_seconds"].endswith("+ 259200")
    assert "/ 3 > 0" in found["yunxiao:token_warning_threshold_seconds"]
    assert "/ 10 > 0" in found["yunxiao:token_critical_threshold_seconds"]
