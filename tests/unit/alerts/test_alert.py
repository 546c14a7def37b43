"""What alerts share, so that many of them need little memory."""

from __future__ import annotations

from support.builders import NOW, a_token, a_user

from exporter.alerts.alert import AlertMaker
from exporter.alerts.definitions import TOKEN_EXPIRED, USER_POLL_FAILING
from exporter.config.alerting import Alerting


def test_labels_and_texts_that_alerts_have_in_common_are_the_same_objects() -> None:
    maker = AlertMaker(Alerting(labels={"team": "security"}))
    labels = {"organization": "acme", "user_id": "1", "user": "li.wei"}
    token = labels | {"token": "ci", "token_id": "pt-1"}
    maker.begin()
    failing = maker.make(USER_POLL_FAILING, dict(labels), NOW, a_user())
    expired = maker.make(TOKEN_EXPIRED, dict(token), NOW, a_user(), a_token(), detail="expired 1d ago")
    maker.begin()
    other = maker.make(TOKEN_EXPIRED, dict(token), NOW, a_user(), a_token(), detail="expired 2d ago")
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
    assert [name for name, _ in shared] == ["summary", "runbook_url"]
