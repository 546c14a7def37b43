"""The evaluation of the stored state: what it goes through again, and users that cannot be evaluated."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.builders import DAY, HOUR, NOW, a_failure, a_key, a_token

from exporter.alerts.conditions import Conditions
from exporter.alerts.evaluator import Evaluator
from exporter.alerts.instant import Instant
from exporter.config.schema import Config
from exporter.model.snapshot import Sweep, SweepResult
from exporter.model.user import User
from exporter.state.ledger import Ledger
from exporter.state.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.alerts.alert import Alert, Evaluation

ORGANIZATION = {
    "name": "acme",
    "endpoint": "http://127.0.0.1:9",
    "token_file": "token",
    "users": {"static": [{"id": "3001", "name": "li.wei"}]},
}
CONFIG = Config.model_validate_json(json.dumps({"organizations": [ORGANIZATION]}))
EXPIRED = a_token(expires_in=-HOUR, age=9 * DAY)


def a_ledger(*users: str, name: str = "acme") -> Ledger:
    """An organization whose users have a token each that expired an hour ago."""
    ledger = Ledger(name, [User(user, user) for user in users], since=NOW)
    for user in users:
        ledger.succeeded(user, (EXPIRED,), NOW)
    ledger.swept(Sweep(SweepResult.SUCCESS, 1, NOW))
    return ledger


def an_evaluator(*ledgers: Ledger, count: Callable[[str], None] = pytest.fail) -> Evaluator:
    store = Store()
    store.replace(ledgers)
    return Evaluator(store, lambda: None, dict, count)


def names(alerts: tuple[Alert, ...]) -> list[tuple[str, str]]:
    found = [dict(one.labels) for one in alerts]
    return sorted((labels["alertname"], labels.get("user_id", labels.get("organization", ""))) for labels in found)


def summary(found: Evaluation) -> tuple[bool, list[tuple[str, str]], list[str]]:
    return found.complete, names(found.alerts), [dict(labels)["user_id"] for labels in found.ended]


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the users whose tokens are evaluated, each time one is."""
    seen: list[str] = []
    original = Conditions.about_tokens

    def recorded(self: Conditions, organization: str, state: Any, at: Any) -> Iterator[Alert]:
        seen.append(state.user.user_id)
        return original(self, organization, state, at)

    monkeypatch.setattr(Conditions, "about_tokens", recorded)
    return seen


def test_finds_the_alerts_of_the_stored_state_and_of_a_refused_reload() -> None:
    store = Store()
    store.replace([a_ledger("3001")])
    found = Evaluator(store, lambda: NOW - 60, dict, pytest.fail).evaluate(CONFIG, NOW)
    assert [(dict(one.labels)["alertname"], one.since) for one in found.alerts] == [
        ("YunxiaoTokenExpired", NOW - HOUR),
        ("YunxiaoConfigReloadFailed", NOW - 60),
    ]


def test_only_the_changed_user_is_evaluated_again(evaluated: list[str]) -> None:
    ledger = a_ledger("1", "2", "3")
    evaluator = an_evaluator(ledger)
    first = evaluator.evaluate(CONFIG, NOW)
    assert summary(first) == (True, [("YunxiaoTokenExpired", user) for user in "123"], [])
    evaluated.clear()
    second = evaluator.evaluate(CONFIG, NOW + 15, first.number)
    assert (summary(second), evaluated) == ((False, [], []), [])
    ledger.succeeded("2", (), NOW + 20)
    third = evaluator.evaluate(CONFIG, NOW + 30, second.number)
    assert (summary(third), evaluated) == ((False, [], ["2"]), ["2"])


def test_a_poll_without_changes_does_not_evaluate_tokens_again_but_its_success_and_failure_count(
    evaluated: list[str],
) -> None:
    ledger = a_ledger("1", "2")
    evaluator = an_evaluator(ledger)
    first = evaluator.evaluate(CONFIG, NOW)
    evaluated.clear()
    ledger.succeeded("1", (EXPIRED,), NOW + 900)
    ledger.failed("2", a_failure(), NOW + 900)
    ledger.swept(Sweep(SweepResult.PARTIAL, 1, NOW + 3590))
    second = evaluator.evaluate(CONFIG, NOW + 930, first.number)
    # two sweeps of 900 s after the failure; an hour after the last success, when the expiry is two hours ago too
    third = evaluator.evaluate(CONFIG, NOW + 2700, second.number)
    assert evaluated == []
    fourth = evaluator.evaluate(CONFIG, NOW + 3600, third.number)
    assert [summary(one) for one in (second, third, fourth)] == [
        (False, [], []),
        (False, [("YunxiaoUserPollFailing", "2")], []),
        (False, [("YunxiaoTokenExpired", "1"), ("YunxiaoTokenExpired", "2"), ("YunxiaoUserDataStale", "2")], []),
    ]


def test_time_alone_evaluates_the_users_that_are_due(evaluated: list[str]) -> None:
    ledger = a_ledger("1", "2")
    ledger.succeeded("1", (a_token(expires_in=DAY / 2, age=9 * DAY),), NOW)
    evaluator = an_evaluator(ledger)
    found = evaluator.evaluate(CONFIG, NOW)
    assert names(found.alerts)[1] == ("YunxiaoTokenExpiringCritical", "1")
    evaluated.clear()
    # "expires in 12h" becomes "in 11h" just after the start; the other one has expired "1h ago" for another hour
    found = evaluator.evaluate(CONFIG, NOW + 1, found.number)
    assert summary(found) == (False, [("YunxiaoTokenExpiringCritical", "1")], [])
    assert dict(found.alerts[0].annotations)["description"].count(" Time left: 11h.") == 1
    # only these words
    assert evaluated == []
    found = evaluator.evaluate(CONFIG, NOW + DAY / 2, found.number)
    assert (("YunxiaoTokenExpired", "1") in names(found.alerts), evaluated) == (True, ["1"])


def test_a_result_that_was_not_used_is_followed_by_a_complete_one() -> None:
    evaluator = an_evaluator(a_ledger("1"))
    first = evaluator.evaluate(CONFIG, NOW)
    assert not evaluator.evaluate(CONFIG, NOW, first.number).complete
    # the second one was not used
    third = evaluator.evaluate(CONFIG, NOW, first.number)
    assert summary(third) == (True, [("YunxiaoTokenExpired", "1")], [])


def test_all_users_are_evaluated_after_a_reload_and_after_the_clock_was_set_back(evaluated: list[str]) -> None:
    evaluator = an_evaluator(a_ledger("1", "2"))
    first = evaluator.evaluate(CONFIG, NOW)
    evaluated.clear()
    second = evaluator.evaluate(CONFIG.model_copy(), NOW, first.number)
    assert (second.complete, evaluated) == (True, ["1", "2"])
    evaluated.clear()
    third = evaluator.evaluate(second_config := CONFIG.model_copy(), NOW + 60, second.number)
    evaluated.clear()
    fourth = evaluator.evaluate(second_config, NOW + 59, third.number)
    assert (fourth.complete, evaluated) == (True, ["1", "2"])
    evaluator.forget()
    assert evaluator.evaluate(second_config, NOW + 60, fourth.number).complete


def test_the_alerts_of_removed_users_and_organizations_end(evaluated: list[str]) -> None:
    acme, globex = a_ledger("1", "2"), a_ledger("3", name="globex")
    store = Store()
    store.replace([acme, globex])
    evaluator = Evaluator(store, lambda: None, dict, pytest.fail)
    first = evaluator.evaluate(CONFIG, NOW)
    evaluated.clear()
    # the same number of users, one of them another one
    acme.watch([User("2", "2"), User("4", "4")])
    second = evaluator.evaluate(CONFIG, NOW + 1, first.number)
    assert (summary(second), evaluated) == ((False, [], ["1"]), ["4"])
    store.replace([acme])
    assert summary(evaluator.evaluate(CONFIG, NOW + 2, second.number)) == (False, [], ["3"])


def test_a_user_that_cannot_be_evaluated_affects_no_other_and_is_evaluated_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(self: Conditions, organization: str, state: Any, at: Any) -> Iterator[Alert]:
        yield from original(self, organization, state, at)
        if state.user.user_id == "2":
            raise RuntimeError("a defect")

    counted: list[str] = []
    evaluator = an_evaluator(a_ledger("1", "2"), count=counted.append)
    first = evaluator.evaluate(CONFIG, NOW)
    original = Conditions.about_tokens
    config = CONFIG.model_copy()
    with monkeypatch.context() as patch:
        patch.setattr(Conditions, "about_tokens", broken)
        second = evaluator.evaluate(config, NOW + 1, first.number)
        third = evaluator.evaluate(config, NOW + 2, second.number)
    fourth = evaluator.evaluate(config, NOW + 3, third.number)
    fifth = evaluator.evaluate(config, NOW + 4, fourth.number)
    # alerts found before the exception count; the rest of the subject is unknown
    assert second.alerts == third.alerts == fourth.alerts == first.alerts
    # the second subject is the alerts that sum up all users
    assert second.unknown == third.unknown == {("acme", "2"), ("acme", "")}
    assert [one.complete for one in (second, third, fourth, fifth)] == [True, True, True, False]
    assert fourth.unknown == fifth.unknown == frozenset()
    assert counted == ["alerts"] * 2


def test_an_exception_at_one_organization_keeps_the_alerts_of_its_users(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        yield from ()
        raise RuntimeError("a defect")

    monkeypatch.setattr(Conditions, "about_organization", broken)
    found = an_evaluator(a_ledger("1"), count=lambda _: None).evaluate(CONFIG, NOW)
    assert names(found.alerts) == [("YunxiaoTokenExpired", "1")]
    assert found.unknown == {("acme", None)}


def test_users_that_cannot_be_evaluated_are_counted_each_and_logged_with_one_traceback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(Conditions, "about_tokens", broken)
    counted: list[str] = []
    found = an_evaluator(a_ledger("1", "2", "3"), count=counted.append).evaluate(CONFIG, NOW)
    assert found.unknown == {("acme", "1"), ("acme", "2"), ("acme", "3"), ("acme", "")}
    assert counted == ["alerts"] * 3
    assert len(caplog.records) == 2


def test_after_an_unexpected_exception_the_next_evaluation_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator = an_evaluator(a_ledger("1"))
    first = evaluator.evaluate(CONFIG, NOW)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "view", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            evaluator.evaluate(CONFIG, NOW, first.number)
    assert evaluator.evaluate(CONFIG, NOW, first.number).complete


def test_new_ssh_keys_are_evaluated(evaluated: list[str]) -> None:
    ledger = a_ledger("1")
    evaluator = an_evaluator(ledger)
    first = evaluator.evaluate(CONFIG, NOW)
    evaluated.clear()
    ledger.succeeded("1", (EXPIRED,), NOW, (a_key(expires_in=-DAY),))
    second = evaluator.evaluate(CONFIG, NOW, first.number)
    assert (names(second.alerts), evaluated) == ([("YunxiaoTokenExpired", "1")], ["1"])
    assert dict(second.alerts[0].labels)["kind"] == "ssh_key"


def test_what_alerts_of_one_user_share_is_not_kept_for_the_next() -> None:
    conditions, ledger = Conditions.of(CONFIG), a_ledger(*map(str, range(500)))
    for state in ledger.view().users:
        assert list(conditions.about_polls("acme", state, Instant(NOW))) == []
        assert len(list(conditions.about_tokens("acme", state, Instant(NOW)))) == 1
    # user, user_id, token and token_id of the last user
    assert len(conditions.maker._of_subject) == 4
