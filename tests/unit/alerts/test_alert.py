"""What alerts share, so that many of them need little memory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from support.builders import DAY, NOW, a_token, a_user

from exporter.alerts.alert import AlertMaker
from exporter.alerts.definitions import (
    CONFIG_RELOAD_FAILED,
    ORGANIZATION_UNREADABLE,
    POLICY_VIOLATION,
    TOKEN_EXPIRED,
    USER_POLL_FAILING,
)
from exporter.config.schema import Config
from exporter.model.state import Reason

if TYPE_CHECKING:
    from exporter.alerts.alert import Labels


def test_labels_and_texts_that_alerts_have_in_common_are_the_same_objects() -> None:
    maker = AlertMaker.of(a_config(labels={"team": "security"}))
    labels = {"organization": "acme", "user_id": "1", "user": "li.wei"}
    token = labels | {"token": "ci", "token_id": "pt-1"}
    maker.begin(NOW)
    reason = Reason.TIMEOUT
    failing = maker.make(USER_POLL_FAILING, dict(labels), NOW, a_user(), reason=reason)
    expired = maker.make(TOKEN_EXPIRED, dict(token), NOW, a_user(), a_token(expires_in=-DAY))
    maker.begin(NOW)
    other = maker.make(TOKEN_EXPIRED, dict(token), NOW, a_user(), a_token(expires_in=-2 * DAY))
    own, common = dict.fromkeys(map(id, expired.labels)), dict.fromkeys(map(id, other.labels))
    # of the same user all but name and severity, of another user those that have few values
    assert [pair[0] for pair in failing.labels if id(pair) in own] == ["organization", "team", "user", "user_id"]
    assert [pair[0] for pair in expired.labels if id(pair) in common] == [
        "alertname",
        "organization",
        "severity",
        "team",
    ]
    shared = [one for one, two in zip(expired.annotations, other.annotations, strict=True) if one is two]
    assert [name for name, _ in shared] == ["runbook_url"]


def test_an_alert_that_differs_in_the_time_that_is_left_only_is_told_from_other_changes() -> None:
    maker = AlertMaker.of(a_config())
    labels = {"organization": "acme", "user_id": "1", "user": "li.wei", "token": "ci", "token_id": "pt-1"}

    def annotations(now: float, permissions: str = "") -> Labels:
        maker.begin(now)
        token = a_token(expires_in=-DAY)
        return maker.make(TOKEN_EXPIRED, dict(labels), NOW, a_user(), token, permissions=permissions).annotations

    maker.begin(NOW)
    alert = maker.make(TOKEN_EXPIRED, dict(labels), NOW, a_user(), a_token(expires_in=-DAY), words_until=NOW + DAY)
    assert "Expired for: 1d." in dict(alert.annotations)["description"]
    assert "Expired for: 3d." in dict(annotations(NOW + 2 * DAY))["description"]
    assert alert.only_reworded(annotations(NOW + 2 * DAY))
    assert not alert.only_reworded(annotations(NOW + 2 * DAY, "read"))
    assert not alert.only_reworded(annotations(NOW)[:-1])
    assert not alert.only_reworded((("summary", "other"), *annotations(NOW)[1:]))
    without = maker.make(TOKEN_EXPIRED, dict(labels), NOW, a_user(), a_token(expires_in=-DAY))
    assert not without.only_reworded(annotations(NOW + 2 * DAY))


def a_config(external_url: str | None = None, **alerting: Any) -> Config:
    organization = {
        "name": "acme",
        "endpoint": "https://acme.example.com",
        "token_env": "T",
        "users": {"static": [{"id": "1"}]},
    }
    data = {"organizations": [organization], "alerting": alerting, "web": {"external_url": external_url}}
    return Config.model_validate_json(json.dumps(data))


def test_an_alert_links_to_the_page_about_its_token_or_its_user_if_there_is_an_external_url() -> None:
    maker = AlertMaker.of(a_config("https://x.example.com/yte/"))
    maker.begin(NOW)
    labels = {"organization": "a/b", "user_id": "1", "user": "li.wei"}
    token = labels | {"token": "ci", "token_id": "pt-1"}
    failing = dict(maker.make(USER_POLL_FAILING, dict(labels), NOW, a_user("1"), reason=Reason.TIMEOUT).annotations)
    expired = dict(maker.make(TOKEN_EXPIRED, token, NOW, a_user("1"), a_token("pt-1", expires_in=-DAY)).annotations)
    refused = dict(maker.make(CONFIG_RELOAD_FAILED, {}, NOW).annotations)
    policy = {"organization": "a/b", "policy": "max_age"}
    violated = dict(maker.make(POLICY_VIOLATION, policy, NOW, count=3, users=2).annotations)
    unreadable = maker.make(ORGANIZATION_UNREADABLE, {"organization": "a/b"}, NOW, began=NOW, reason=Reason.TIMEOUT)
    assert failing["page_url"] == "https://x.example.com/yte/users/a%2Fb/1"
    assert expired["page_url"] == "https://x.example.com/yte/tokens/a%2Fb/pt-1"
    assert refused["page_url"] == "https://x.example.com/yte/"
    violations = "https://x.example.com/yte/violations?organization=a%2Fb&policy=max_age"
    assert violated["page_url"] == violations
    assert violated["description"].endswith(f" Details: {violations}")
    failing_users = "https://x.example.com/yte/users?organization=a%2Fb&status=failing"
    assert dict(unreadable.annotations)["page_url"] == failing_users
    assert expired["description"].endswith(" Details: https://x.example.com/yte/tokens/a%2Fb/pt-1")
    assert expired["runbook_url"] == "https://x.example.com/yte/runbooks/YunxiaoTokenExpired"


def test_without_an_external_url_an_alert_links_to_the_published_runbook_in_its_language() -> None:
    maker = AlertMaker.of(a_config(language="zh"))
    maker.begin(NOW)
    annotations = dict(maker.make(CONFIG_RELOAD_FAILED, {}, NOW).annotations)
    assert annotations == {
        "summary": "exporter 的配置无法重新加载",
        "description": "exporter 拒绝了新的配置文件\uff0c仍使用之前的配置运行。",
        "runbook_url": "https://github.com/yunxiao-token-exporter/yunxiao-token-exporter/blob/main/docs/runbooks/zh/"
        "YunxiaoConfigReloadFailed.md",
    }
