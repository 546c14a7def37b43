"""The evaluation of the stored state, and users that cannot be evaluated."""

from __future__ import annotations

import json

import pytest
from support.builders import DAY, NOW, a_token

from exporter.alerts import conditions
from exporter.alerts.evaluator import Evaluator
from exporter.config.schema import Config
from exporter.model.user import User
from exporter.state.ledger import Ledger
from exporter.state.store import Store

ORGANIZATION = {
    "name": "acme",
    "endpoint": "http://127.0.0.1:9",
    "token_file": "token",
    "users": {"static": [{"id": "3001", "name": "li.wei"}]},
}
CONFIG = Config.model_validate_json(json.dumps({"organizations": [ORGANIZATION]}))


def a_store(*users: str) -> Store:
    store, ledger = Store(), Ledger("acme", [User(user, user) for user in users], since=NOW)
    for user in users:
        ledger.succeeded(user, (a_token(expires_in=-DAY, age=9 * DAY),), NOW)
    store.replace([ledger])
    return store


def test_finds_the_alerts_of_the_stored_state_and_of_a_refused_reload() -> None:
    evaluator = Evaluator(a_store("3001"), lambda: NOW - 60, dict, pytest.fail)
    found = evaluator.evaluate(CONFIG, NOW)
    assert [(dict(one.labels)["alertname"], one.since) for one in found.alerts] == [
        ("YunxiaoTokenExpired", NOW - DAY),
        ("YunxiaoConfigReloadFailed", NOW - 60),
    ]


def test_users_that_cannot_be_evaluated_are_counted_each_and_logged_with_one_traceback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(conditions, "_about_token", broken)
    counted: list[str] = []
    found = Evaluator(a_store("1", "2", "3"), lambda: None, dict, counted.append).evaluate(CONFIG, NOW)
    assert found.unknown == {("acme", "1"), ("acme", "2"), ("acme", "3")}
    assert counted == ["alerts"] * 3
    assert len(caplog.records) == 2
