"""The entries for alert rules about tokens and users."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import DAY, HOUR, NOW, a_failure, a_key, a_state, a_token, a_user

from exporter.config.alerting import Alerting, PolicyAlerts, Silence
from exporter.config.schema import Poll
from exporter.metrics.families.alerts import ALERT_FAMILIES, counted_not_removed, next_alert_change, next_poll_change
from exporter.metrics.families.base import AlertScope, Scope
from exporter.model.not_removed import NotRemoved
from exporter.model.stages import stage_at, stages
from exporter.model.token import NEVER
from exporter.model.token_texts import TOKEN_ALERTS
from exporter.model.user import Owner, OwnThresholds
from exporter.policies.schema import Policies
from exporter.texts.catalogue import Language, catalogue

if TYPE_CHECKING:
    from exporter.model.state import UserState

EXPIRY, DUE, SINCE, VIOLATIONS = ALERT_FAMILIES


def a_scope(now: float = NOW, policies: dict[str, Any] | None = None, **alerting: Any) -> Scope:
    every = {"policy_violations": "per_token"} | alerting
    alerts = AlertScope("s", Alerting.model_validate(every), Poll(), {"acme": ZoneInfo("Asia/Shanghai")})
    return Scope(now, None, None if policies is None else Policies.model_validate(policies), alerts)


def entries(family: Any, state: UserState, scope: Scope, *names: str) -> list[tuple[Any, ...]]:
    """Some labels of each entry, and its value."""
    return [
        (*[dict(zip(family.labels, labels, strict=True))[name] for name in names], value)
        for labels, value in family.samples("acme", state, scope)
    ]


# Created 100 days before it expires, so that thresholds are 14 days and 3 days.
@pytest.mark.parametrize(
    ("left", "stages"),
    [
        (14 * DAY + HOUR + 1, []),
        (14 * DAY + HOUR, ["warning"]),  # begins within an hour
        (14 * DAY, ["warning"]),
        (3 * DAY + 2 * HOUR, ["warning"]),
        (3 * DAY + HOUR, ["warning", "critical"]),
        (3 * DAY - 1, ["critical"]),
        (HOUR, ["critical", "expired"]),
        (0, ["expired"]),
        (-7 * DAY + HOUR, ["expired", "not_removed"]),
        (-7 * DAY, ["not_removed"]),
        (-900 * DAY, ["not_removed"]),
    ],
)
def test_a_token_has_an_entry_for_its_stage_and_for_the_next_one_if_that_begins_soon(
    left: float, stages: list[str]
) -> None:
    state = a_state(a_token(expires_in=left, age=100 * DAY - left))
    # A stage begins a millisecond after its threshold, as fewer seconds than these must remain.
    scope = a_scope(NOW + 0.001 if left > 0 else NOW)
    assert entries(EXPIRY, state, scope, "alert_stage") == [(stage, NOW + left) for stage in stages]


def test_the_begin_of_a_stage_is_there_for_an_hour_before_it() -> None:
    state = a_state(a_token(expires_in=3 * DAY + HOUR, age=97 * DAY))
    assert entries(DUE, state, a_scope(NOW + 1), "alert_stage") == [("critical", NOW + HOUR + 0.001)]
    assert entries(DUE, state, a_scope(NOW - 1), "alert_stage") == []
    assert entries(DUE, state, a_scope(NOW + HOUR + 1), "alert_stage") == []


def test_an_entry_has_the_texts_of_annotations_in_the_time_zone_of_the_organization() -> None:
    user = replace(a_user(), owner=Owner("li.wei@example.com", "R&D", "li.wei"))
    (entry,) = entries(
        EXPIRY, a_state(a_token(expires_in=DAY, age=99 * DAY), user=user), a_scope(),
        "alert_source", "kind", "alert_summary", "alert_description",
    )  # fmt: skip
    assert entry == (
        "s", "", "Token ci of li.wei in acme is about to expire, at 2026-06-02 08:00 Asia/Shanghai",
        "Token ci (pt-aaaa) of li.wei in acme expires at 2026-06-02 08:00 Asia/Shanghai (2026-06-02 00:00 UTC). "
        "Permissions: base_user_read: lost at 2026-06-02 08:00 Asia/Shanghai. "
        "Owner: li.wei, li.wei@example.com, R&D.", NOW + DAY,
    )  # fmt: skip


def test_permissions_are_left_out_only_where_no_text_names_them() -> None:
    for stage, alert in TOKEN_ALERTS.items():
        text = " ".join(catalogue(Language.EN).alerts[alert].description)
        expires_in = {"never_expires": NEVER, "not_removed": -30 * DAY, "expired": -DAY, "info": 20 * DAY}
        state = a_state(a_token(expires_in=expires_in.get(stage, DAY), age=300 * DAY))
        scope = a_scope(
            never_expires=True, thresholds={"info": "30d", "critical": "2h" if stage == "warning" else "3d"}
        )
        ((found, said, _),) = entries(EXPIRY, state, scope, "alert_stage", "alert_description")
        assert (found, "base_user_read" in said) == (stage, "{permissions}" in text)


def test_keys_have_entries_with_their_kind() -> None:
    state = a_state(keys=(a_key(expires_in=-DAY),))
    assert entries(EXPIRY, state, a_scope(), "kind", "token_id") == [("ssh_key", "501", NOW - DAY)]


def test_thresholds_of_a_user_and_the_third_threshold_count() -> None:
    state = a_state(a_token(expires_in=30 * DAY, age=300 * DAY))
    assert entries(EXPIRY, state, a_scope(), "alert_stage") == []
    assert entries(EXPIRY, state, a_scope(thresholds={"info": "60d"}), "alert_stage") == [("info", NOW + 30 * DAY)]
    own = replace(state, user=replace(a_user(), thresholds=OwnThresholds(warning=60 * DAY)))
    assert entries(EXPIRY, own, a_scope(), "alert_stage") == [("warning", NOW + 30 * DAY)]


def test_silenced_tokens_have_no_entries_until_the_day_is_over() -> None:
    state = a_state(a_token(expires_in=-HOUR))
    silenced = a_scope(ignore=(Silence(name="ci", reason="x", until=dt.date(2026, 6, 1)),))
    assert entries(EXPIRY, state, silenced) == entries(DUE, state, silenced) == []
    assert next_alert_change(state, silenced) == NOW + DAY
    assert entries(EXPIRY, state, replace(silenced, now=NOW + DAY), "alert_stage") == [("expired", NOW - HOUR)]


def test_what_a_policy_says_has_no_entry() -> None:
    state = a_state(a_token(expires_in=NEVER), a_token("pt-2", expires_in=-30 * DAY), keys=(a_key(expires_in=NEVER),))
    configured = a_scope(never_expires=True)
    assert entries(EXPIRY, state, configured, "token_id", "alert_stage") == [
        ("pt-aaaa", "never_expires", NEVER),
        ("pt-2", "not_removed", NOW - 30 * DAY),
        ("501", "never_expires", NEVER),
    ]
    policies = {"never_expires": "forbid", "expired_not_removed": {"after": "1d"}}
    assert entries(EXPIRY, state, a_scope(policies=policies, never_expires=True), "token_id") == [("501", NEVER)]
    assert entries(EXPIRY, state, a_scope(), "token_id") == [("pt-2", NOW - 30 * DAY)]


def test_no_policy_is_about_ssh_keys() -> None:
    keys = (a_key("501", expires_in=-30 * DAY, age=90 * DAY), a_key("502", expires_in=NEVER))
    policies = {"never_expires": "forbid", "expired_not_removed": {"after": "1d"}}
    found = entries(
        EXPIRY, a_state(keys=keys), a_scope(policies=policies, never_expires=True), "token_id", "alert_stage"
    )
    assert found == [("501", "not_removed", NOW - 30 * DAY), ("502", "never_expires", NEVER)]


def test_failing_polls_and_old_data_have_entries() -> None:
    state = a_state(a_token())
    assert entries(SINCE, state, a_scope(NOW + 2699), "alert") == []
    assert next_poll_change(state, a_scope()) == NOW + 2700
    assert entries(SINCE, state, a_scope(NOW + 2700), "alert") == [("data_stale", NOW)]
    failed = state.failed(a_failure(), NOW + 60)
    assert entries(SINCE, failed, a_scope(NOW + 60), "alert", "reason") == [("poll_failing", "server_error", NOW + 60)]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("per_policy", []),
        ("per_user", [("", "never_expires", 2), ("", "max_tokens_per_user", 1)]),
        ("per_token", [("pt-1", "never_expires", 1), ("pt-2", "never_expires", 1), ("", "max_tokens_per_user", 1)]),
    ],
)
def test_violations_have_entries_by_user_or_token_if_they_have_alerts_of_their_own(
    mode: str, expected: list[tuple[str, str, int]]
) -> None:
    state = a_state(*[a_token(f"pt-{number}", name=f"n{number}", expires_in=NEVER) for number in (1, 2, 3)])
    scope = a_scope(
        policies={"never_expires": "forbid", "max_tokens_per_user": {"limit": 1}},
        policy_violations=mode,
        ignore=(Silence(name="n3", reason="x", until=dt.date(2099, 1, 1)),),
    )
    assert entries(VIOLATIONS, state, scope, "token_id", "policy") == expected


OLD_TOKENS = a_state(
    a_token("pt-1", name="ci", expires_in=-30 * DAY),
    a_token("pt-2", name="cd", expires_in=-7 * DAY),
    a_token("pt-3", name="new", expires_in=1 - 7 * DAY),
    a_token("pt-4", name="old", expires_in=-90 * DAY),
    keys=(a_key("501", expires_in=-20 * DAY, age=90 * DAY),),
)
"""At the default of seven days, four of them should have been removed."""
SILENCED: dict[str, Any] = {"ignore": (Silence(name="old", reason="x", until=dt.date(2099, 1, 1)),)}


def test_tokens_not_removed_have_one_entry_a_user_if_they_have_one_alert_a_user() -> None:
    scope = a_scope(policy_violations="per_user", **SILENCED)
    assert entries(VIOLATIONS, OLD_TOKENS, scope, "token_id", "policy", "severity") == [("", "", "info", 3)]
    assert entries(EXPIRY, OLD_TOKENS, scope, "alert_stage") == [("expired", NOW + 1 - 7 * DAY)]
    # the next one is due in a second, which ends the stage before it
    assert entries(DUE, OLD_TOKENS, scope, "token_id", "alert_stage") == [("pt-3", "not_removed", NOW + 1)]
    by_policy = a_scope(policies={"expired_not_removed": {"after": "99d"}}, policy_violations="per_user")
    assert entries(VIOLATIONS, OLD_TOKENS, by_policy, "policy") == [("", 1)]
    for mode in ("per_policy", "per_token"):
        assert entries(VIOLATIONS, OLD_TOKENS, a_scope(policy_violations=mode)) == []


def test_tokens_not_removed_are_counted_for_one_alert_an_organization() -> None:
    for mode in PolicyAlerts:
        scope = a_scope(policy_violations=mode.value, **SILENCED)
        found = counted_not_removed(OLD_TOKENS, scope, PolicyAlerts.PER_POLICY)
        assert found == (NotRemoved(3, NOW - 30 * DAY, "ci") if mode is PolicyAlerts.PER_POLICY else None)


@given(
    st.floats(-20 * DAY, 20 * DAY),
    st.none() | st.floats(0, 90 * DAY),
    st.lists(st.floats(0, 10 * DAY), max_size=6),
)
def test_entries_stay_the_same_until_their_next_change_and_are_those_of_the_stage(
    expires_in: float, age: float | None, steps: list[float]
) -> None:
    token = a_token(expires_in=expires_in, age=age)
    state, scope = a_state(token), a_scope(thresholds={"info": "15d"})
    for step in steps:
        until = next_alert_change(state, scope)
        before = entries(EXPIRY, state, scope), entries(DUE, state, scope)
        later = replace(scope, now=scope.now + step)
        after = entries(EXPIRY, state, later), entries(DUE, state, later)
        assert before == after or until <= later.now
        scope = later
        begun = stages(token.created_at, token.expires_at, later.alerts.alerting.expiry_thresholds(None))  # type: ignore[union-attr]
        held = stage_at(begun, later.now - 0.002)
        if held is stage_at(begun, later.now + 0.002):
            upcoming = {stage for stage, _ in entries(DUE, state, later, "alert_stage")}
            shown = {stage for stage, _ in entries(EXPIRY, state, later, "alert_stage")}
            assert shown - upcoming == ({held.value} if held else set())
