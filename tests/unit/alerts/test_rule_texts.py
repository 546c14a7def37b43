"""Annotations of rules as Go templates. tests/integration has promtool and vmalert render them."""

from __future__ import annotations

import re

import pytest

from exporter.alerts.definitions import (
    ALL_TEXTS,
    CONFIG_RELOAD_FAILED,
    EXPORTER_TOKEN_EXPIRING,
    ORGANIZATION_UNREADABLE,
    POLICY_VIOLATION,
    TOKEN_EXPIRED,
    TOKEN_NEVER_EXPIRES,
    USER_POLL_FAILING,
    Definition,
)
from exporter.alerts.rule_texts import RuleTexts
from exporter.config.alerting import Alerting
from exporter.policies.schema import Policies
from exporter.texts.catalogue import Language


def description(definition: Definition, language: str = "en", url: str | None = None) -> str:
    return RuleTexts.of(Alerting.model_validate({"language": language}), url).annotations(definition)["description"]


def test_sentences_with_a_label_that_may_be_missing_are_conditional() -> None:
    text = description(USER_POLL_FAILING)
    assert text.endswith(
        "{{ if $labels.owner }} Owner: {{ $labels.owner }}{{ with $labels.owner_email }}, {{ . }}{{ end }}"
        "{{ with $labels.owner_department }}, {{ . }}{{ end }}.{{ end }}"
    )


def test_texts_about_tokens_are_labels_but_for_what_changes_with_time() -> None:
    annotations = RuleTexts.of(Alerting()).annotations(TOKEN_EXPIRED)
    assert annotations["summary"] == "{{ $labels.alert_summary }}"
    assert annotations["description"].startswith("{{ $labels.alert_description }} Expired for: {{ $value | ")
    assert "if" not in annotations["description"]
    never = RuleTexts.of(Alerting()).annotations(TOKEN_NEVER_EXPIRES)
    assert never["description"] == "{{ $labels.alert_description }}"


def test_links_are_there_only_with_an_external_url() -> None:
    assert "Details" not in description(TOKEN_EXPIRED)
    texts = RuleTexts.of(Alerting(), "https://x")
    quoted = "{{ $labels.%s | urlquery | reReplaceAll `[+]` `%%20` }}"
    token = f"https://x/tokens/{quoted % 'organization'}/{quoted % 'token_id'}"
    assert texts.annotations(TOKEN_EXPIRED)["page_url"] == token
    assert texts.annotations(TOKEN_EXPIRED)["description"].endswith(f" Details: {token}")
    assert texts.annotations(USER_POLL_FAILING)["page_url"] == (
        f"https://x/users/{quoted % 'organization'}/{quoted % 'user_id'}"
    )
    organization, policy = quoted % "organization", quoted % "policy"
    violations = f"https://x/violations?organization={organization}&policy={policy}"
    assert texts.annotations(POLICY_VIOLATION)["page_url"] == violations
    assert texts.annotations(POLICY_VIOLATION)["description"].endswith(f" Details: {violations}")
    failing = f"https://x/users?organization={organization}&status=failing"
    assert texts.annotations(ORGANIZATION_UNREADABLE)["page_url"] == failing
    assert texts.annotations(CONFIG_RELOAD_FAILED)["page_url"] == "https://x/"
    assert texts.annotations(TOKEN_EXPIRED)["runbook_url"] == "https://x/runbooks/YunxiaoTokenExpired"


def test_a_brace_in_an_address_begins_no_action() -> None:
    annotations = RuleTexts.of(Alerting(), "https://x/{{y").annotations(CONFIG_RELOAD_FAILED)
    assert annotations["page_url"] == '{{ "https://x/{{y" }}/'


def test_durations_have_the_units_of_the_language() -> None:
    assert 'reReplaceAll "d$" " \u5929"' in description(TOKEN_EXPIRED, "zh")
    assert 'reReplaceAll "d$"' not in description(TOKEN_EXPIRED)


def test_the_tense_follows_the_value() -> None:
    summary = RuleTexts.of(Alerting()).annotations(EXPORTER_TOKEN_EXPIRING)["summary"]
    assert re.search(r"\{\{ if gt \$value 0\.0 \}\}expires in .*\{\{ else \}\}expired .* ago\{\{ end \}\}$", summary)


def test_the_limits_of_configured_policies_are_in_the_text() -> None:
    policies = Policies.model_validate({"max_lifetime": {"limit": "300d"}, "name_pattern": {"pattern": "[a-z]{2}"}})
    text = RuleTexts.of(Alerting(), None, policies).annotations(POLICY_VIOLATION)["description"]
    assert 'if eq $labels.policy "max_lifetime" }}it lives longer than is allowed (limit 300d){{ else' in text
    # A brace of the pattern must not begin an action.
    assert '(pattern {{ "[a-z]{2}" }})' in text
    assert '"max_age" }}it is older than is allowed{{ else' in text


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("definition", ALL_TEXTS, ids=lambda one: one.text_name)
def test_actions_of_templates_are_balanced(definition: Definition, language: Language) -> None:
    texts = RuleTexts.of(Alerting(language=language), "https://x").annotations(definition)
    for text in texts.values():
        actions = re.findall(r"\{\{ (\w+)?", text)
        assert text.count("{{") == text.count("}}")
        assert sum(word in {"if", "with"} for word in actions) == sum(word == "end" for word in actions)
        assert not re.search(r"(?<!\{)\{[a-z_]+\}(?!\})", text), text
