"""The rules are current, complete and valid PromQL, and each alert has a runbook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from exporter.alerts.definitions import (
    ALL_DEFINITIONS,
    EXPORTER_DOWN,
    POLICY_VIOLATION,
    TOKEN_NEVER_EXPIRES,
    TOKEN_PERMISSIONS_WIDENED,
    TOKEN_POLICY_VIOLATION,
    USER_POLICY_VIOLATION,
)
from exporter.alerts.prometheus_rules import rules, rules_text
from exporter.config.alerting import RUNBOOKS, Alerting
from exporter.config.document import read_yaml
from exporter.config.load import load_document
from exporter.config.schema import Poll
from exporter.metrics.families import ALL_FAMILIES, Kind
from exporter.policies.schema import Policies

ROOT = Path(__file__).resolve().parents[2]


SEVERITY_FROM_SERIES = {POLICY_VIOLATION.name, TOKEN_POLICY_VIOLATION.name, USER_POLICY_VIOLATION.name}


def alerting_rules(alerting: Alerting) -> list[dict[str, Any]]:
    groups = rules(alerting, Poll(), ["team"])["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def test_the_shipped_rules_are_what_the_command_prints() -> None:
    assert (ROOT / "prometheus/rules.yaml").read_text() == rules_text(Alerting(), Poll())


def test_the_rules_of_the_promtool_tests_are_what_the_command_prints() -> None:
    file = ROOT / "prometheus/tests/custom.config.yaml"
    settings = load_document(read_yaml(file, "x"), file.parent, {"TOKEN": "pt-x_y"})
    config = settings.config
    text = rules_text(config.alerting, config.poll, settings.label_names, config.policies, config.discover_intervals)
    assert (file.parent / "custom.rules.yaml").read_text() == text


def test_every_alert_has_a_severity_texts_and_a_runbook() -> None:
    on = {"never_expires": True, "permissions_widened": True}
    every = [
        rule
        for mode in ("per_policy", "per_token")
        for rule in alerting_rules(Alerting.model_validate({**on, "policy_violations": mode}))
    ]
    assert {rule["alert"] for rule in every} == {definition.name for definition in ALL_DEFINITIONS}
    for rule in every:
        if rule["alert"] in SEVERITY_FROM_SERIES:
            assert "severity" not in rule.get("labels", {})
        else:
            assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
        assert rule["annotations"]["runbook_url"].removeprefix(RUNBOOKS + "/") == f"{rule['alert']}.md"


def test_every_runbook_belongs_to_an_alert_and_has_all_sections() -> None:
    pages = {file.stem: file.read_text() for file in (ROOT / "docs/runbooks").glob("Yunxiao*.md")}
    assert pages.keys() >= {definition.name for definition in ALL_DEFINITIONS}
    for name, text in pages.items():
        for heading in ("# " + name, "## Meaning", "## If ignored", "## Check", "## Fix"):
            assert f"{heading}\n" in text, (name, heading)
        assert "```promql" in text, name


def known_families() -> set[str]:
    histograms = {f"{family.name}_bucket" for family in ALL_FAMILIES if family.kind is Kind.HISTOGRAM}
    return {family.name for family in ALL_FAMILIES} | histograms | {"process_start_time_seconds"}


def test_every_query_in_the_documents_is_valid_promql_over_known_families() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    blocks = [
        (page.name, block)
        for page in pages
        for block in re.findall(r"^ *```promql\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL)
    ]
    assert len(blocks) > len(ALL_FAMILIES)
    known = known_families() | {"up", "scrape_duration_seconds"}
    for name, block in blocks:
        assert selected(promql_parser.parse(block)) <= known, (name, block)


def test_every_expression_is_valid_promql_over_known_families() -> None:
    known = known_families()
    for alerting in (Alerting(), Alerting(never_expires=True, permissions_widened=True, labels={"team": "x"})):
        for group in rules(alerting, Poll(), ["team", "email"])["groups"]:
            for rule in group["rules"]:
                used = selected(promql_parser.parse(rule["expr"]))
                assert used <= known, rule
                # An alert on a raw counter never resolves; one on its increase does.
                for before in re.findall(r"(\w+\()?\b\w+_total\b", rule["expr"]):
                    assert before == "increase("


def selected(node: Any) -> set[str]:
    """The names of the series that an expression selects."""
    names = set()
    if isinstance(node, promql_parser.VectorSelector):
        names.add(str(node.name))
    for part in ("lhs", "rhs", "expr", "arg", "vector_selector", "param"):
        if (below := getattr(node, part, None)) is not None:
            names |= selected(below)
    for argument in getattr(node, "args", None) or []:
        names |= selected(argument)
    return names


def test_seconds_are_written_whole() -> None:
    text = rules_text(Alerting.model_validate({"thresholds": {"warning": "1234567s", "critical": "1500ms"}}), Poll())
    assert "- time() < 1234567 >= 1.5\n" in text


def test_thresholds_and_silences_of_tokens_are_left_to_the_exporter() -> None:
    ignored = ({"name": "sandbox-.*", "reason": "x", "until": "2099-01-01"},)
    configured = Alerting.model_validate(
        {"thresholds": {"warning": "60d", "info": "90d"}, "expired_for": "1d", "ignore": ignored}
    )

    def about_tokens(alerting: Alerting) -> list[dict[str, Any]]:
        return [rule for rule in alerting_rules(alerting) if rule["alert"].startswith("YunxiaoToken")]

    assert about_tokens(configured) == about_tokens(Alerting())


def test_optional_alerts_are_off_by_default_and_the_exporter_is_monitored() -> None:
    names = {rule["alert"] for rule in alerting_rules(Alerting())}
    assert not {TOKEN_NEVER_EXPIRES.name, TOKEN_PERMISSIONS_WIDENED.name} & names
    assert EXPORTER_DOWN.name in names


def test_what_a_policy_says_about_tokens_leaves_the_rules_for_ssh_keys() -> None:
    policies = Policies.model_validate({"never_expires": "forbid", "expired_not_removed": {"after": "1d"}})
    printed = rules_text(Alerting.model_validate({"never_expires": True}), Poll(), policies=policies)
    assert {"YunxiaoTokenNeverExpires", "YunxiaoTokenNotRemoved"} <= set(re.findall(r"alert: (\w+)", printed))


def test_policy_rules_are_left_out_only_without_configured_policies() -> None:
    for policies, some in ((None, True), (Policies(), False), (Policies.model_validate({"never_expires": {}}), True)):
        assert ("YunxiaoPolicyViolation" in rules_text(Alerting(), Poll(), (), policies)) == some


@pytest.mark.parametrize(
    ("mode", "names"),
    [
        ("per_policy", {POLICY_VIOLATION.name}),
        ("per_user", {USER_POLICY_VIOLATION.name}),
        ("per_token", {TOKEN_POLICY_VIOLATION.name, USER_POLICY_VIOLATION.name}),
    ],
)
def test_violations_have_the_rules_of_the_configured_mode(mode: str, names: set[str]) -> None:
    every = alerting_rules(Alerting.model_validate({"policy_violations": mode}))
    assert {rule["alert"] for rule in every} & SEVERITY_FROM_SERIES == names


def test_label_values_that_look_like_templates_are_escaped() -> None:
    text = rules_text(Alerting(labels={"team": 'a{{b}}"'}), Poll())
    (rule,) = {rule["labels"]["team"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]
               if "alert" in rule}  # fmt: skip
    assert rule == r'{{ "a{{b}}\"" }}'


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cost-center", "cost_center"),
        ("a.b", "not a valid label name"),
        ("__x", "not a valid label name"),
        ("token", "set by"),
    ],
)
def test_label_names_are_checked_when_the_configuration_is_loaded(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Alerting.model_validate({"labels": {name: "x"}})


@pytest.mark.parametrize("value", [42, ["a"], None, True])
def test_label_values_must_be_text(value: object) -> None:
    with pytest.raises(ValueError, match="string"):
        Alerting.model_validate({"labels": {"team": value}})
