from __future__ import annotations

import yaml

from exporter.alerts.prometheus_rules import rules
from exporter.alerts.rule_formats import RuleFormat, rules_as_text
from exporter.config.alerting import Alerting
from exporter.config.schema import Poll

CONTENT = rules(Alerting(never_expires=True), Poll(), ["team"])


def read(form: RuleFormat) -> dict[str, object]:
    document: dict[str, object] = yaml.safe_load(rules_as_text(CONTENT, form, "uid-1"))
    return document


def test_a_rule_file_and_a_prometheus_rule_have_the_same_groups() -> None:
    assert read(RuleFormat.PROMETHEUS) == CONTENT
    rule = read(RuleFormat.PROMETHEUS_RULE)
    assert (rule["apiVersion"], rule["kind"], rule["spec"]) == ("monitoring.coreos.com/v1", "PrometheusRule", CONTENT)


def test_no_rule_needs_another() -> None:
    every = [rule for group in CONTENT["groups"] for rule in group["rules"]]
    assert all("alert" in rule and "yunxiao:" not in rule["expr"] for rule in every)
    assert len({rule["alert"] for rule in every}) == len(every)


def test_grafana_has_an_alert_for_each_series_and_texts_that_it_can_fill_in() -> None:
    groups = yaml.safe_load(rules_as_text(CONTENT, RuleFormat.GRAFANA, "uid-1"))["groups"]
    rules = {rule["title"]: rule for group in groups for rule in group["rules"]}
    assert rules.keys() == {rule["alert"] for group in CONTENT["groups"] for rule in group["rules"]}
    assert len({rule["uid"] for rule in rules.values()}) == len(rules)
    expired = rules["YunxiaoTokenExpired"]
    query, condition = expired["data"]
    assert (query["datasourceUid"], query["model"]["instant"], query["model"]["expr"]) == (
        "uid-1", True, CONTENT["groups"][0]["rules"][0]["expr"],
    )  # fmt: skip
    # Negative values, 0 and +Inf are alerts as well.
    assert (expired["condition"], condition["refId"], condition["model"]["expression"]) == ("B", "B", "is_nan($A) == 0")
    assert "$values.A.Value" in expired["annotations"]["description"]
    assert "$value " not in "".join(expired["annotations"].values())
    assert all(len(rule["uid"]) <= 40 for rule in rules.values())
    assert rules["YunxiaoUserPollFailing"]["for"] == "30m"
