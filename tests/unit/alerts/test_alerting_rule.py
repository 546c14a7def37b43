"""Labels and duration of a rule."""

from __future__ import annotations

from exporter.alerts.alerting_rule import alerting_rule
from exporter.alerts.definitions import EXPORTER_DOWN, USER_POLICY_VIOLATION
from exporter.config.alerting import Alerting


def test_a_rule_has_the_severity_and_the_configured_labels() -> None:
    alerting = Alerting(labels={"team": "ops", "site": "{{x", "empty": ""})
    rule = alerting_rule(EXPORTER_DOWN, alerting, "up == 0", ["team"], lasting=300.0)
    assert (rule["alert"], rule["expr"], rule["for"]) == ("YunxiaoExporterDown", "up == 0", "5m")
    assert rule["labels"] == {
        "severity": "critical",
        "site": '{{ "{{x" }}',
        "team": "{{ if $labels.team }}{{ $labels.team }}{{ else }}ops{{ end }}",
    }


def test_a_policy_alert_has_the_severity_of_its_series() -> None:
    assert "labels" not in alerting_rule(USER_POLICY_VIOLATION, Alerting(), "x")


def test_a_duration_stays_within_what_prometheus_accepts() -> None:
    assert alerting_rule(EXPORTER_DOWN, Alerting(), "x", lasting=1e12)["for"] == "36500d"
