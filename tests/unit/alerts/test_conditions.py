"""When alerts fire, with which labels and texts."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.alert_oracle import alerts
from support.builders import DAY, HOUR, MINUTE, NOW, a_failure, a_key, a_state, a_token

from exporter.alerts.conditions import Conditions
from exporter.alerts.instant import Instant
from exporter.config.schema import Config, Poll
from exporter.config.web import Web
from exporter.model.event import Change
from exporter.model.snapshot import Discovery, Sweep, SweepResult, View
from exporter.model.state import Failure, Reason
from exporter.model.token import NEVER, Token
from exporter.model.user import Owner, OwnThresholds, User
from exporter.policies.schema import Policies
from exporter.state.ledger import Ledger
from exporter.texts.catalogue import Language

if TYPE_CHECKING:
    from exporter.alerts.alert import Alert
    from exporter.model.ssh_key import SshKey

OLD = 100 * DAY
LI = User("3001", "li.wei")


def a_config(**alerting: Any) -> Config:
    organization = {"name": "acme", "endpoint": "http://x", "token_env": "T", "users": {"files": ("x",)}}
    return Config.model_validate({"organizations": (organization,), "alerting": alerting})


def a_view(*tokens: Token, user: User = LI, now: float = NOW) -> View:
    ledger = Ledger("acme", [user], since=now)
    ledger.succeeded(user.user_id, tokens, now)
    ledger.swept(Sweep(SweepResult.SUCCESS, 1, now))
    return View((ledger.view(),))


def found(view: View, config: Config | None = None, now: float = NOW, refused: float | None = None) -> list[Alert]:
    return list(alerts(view, config or a_config(), refused, now))


def names(view: View, config: Config | None = None, now: float = NOW) -> list[str]:
    return [dict(alert.labels)["alertname"] for alert in found(view, config, now)]


@pytest.mark.parametrize(
    ("expires_in", "name", "words"),
    [
        (15 * DAY, None, ""),
        (14 * DAY, None, ""),
        (14 * DAY - 1, "YunxiaoTokenExpiringWarning", r"expires at .*Time left: 13d\."),
        (3 * DAY, "YunxiaoTokenExpiringWarning", r"expires at .*Time left: 3d\."),
        (3 * DAY - 1, "YunxiaoTokenExpiringCritical", r"expires at .*Time left: 2d\."),
        (55 * MINUTE, "YunxiaoTokenExpiringCritical", r"expires at .*Time left: 55m\."),
        (1, "YunxiaoTokenExpiringCritical", r"expires at .*Time left: 1s\."),
        (0, "YunxiaoTokenExpired", r"expired at .*Expired for: 0s\."),
        (-7 * DAY + 1, "YunxiaoTokenExpired", r"expired at .*Expired for: 6d\."),
        (-7 * DAY, "YunxiaoTokenNotRemoved", r"expired at .* and is still listed\. Delete it.*"),
        (-55 * DAY, "YunxiaoTokenNotRemoved", r"expired at .* and is still listed\. Delete it.*"),
        (NEVER, None, ""),
        (None, None, ""),
    ],
)
def test_at_most_one_expiry_alert_fires_for_a_token(expires_in: float | None, name: str | None, words: str) -> None:
    alerted = found(a_view(a_token(expires_in=expires_in, age=OLD)), a_config(policy_violations="per_token"))
    assert [dict(alert.labels)["alertname"] for alert in alerted] == ([name] if name else [])
    if name:
        description = dict(alerted[0].annotations)["description"]
        assert re.fullmatch(rf"Token ci \(pt-aaaa\) of li.wei in acme {words}", description)


def test_an_expiry_alert_begins_when_its_threshold_is_reached() -> None:
    expiry = NOW + 2 * DAY
    starts = {NOW - 8 * DAY: expiry - 14 * DAY, NOW: expiry - 3 * DAY, expiry: expiry}
    for now, start in starts.items():
        (alert,) = found(a_view(a_token(expires_in=2 * DAY, age=OLD), now=now), now=now)
        assert alert.since == start


def test_labels_and_annotations_of_an_alert() -> None:
    token = a_token("pt-1", expires_in=DAY, age=OLD, permissions=("base_user_read",))
    (alert,) = found(a_view(token), a_config(runbook_base_url="https://wiki/x/"))
    assert dict(alert.labels) == {
        "alertname": "YunxiaoTokenExpiringCritical",
        "severity": "critical",
        "organization": "acme",
        "user_id": "3001",
        "user": "li.wei",
        "token_id": "pt-1",
        "token": "ci",
    }
    assert dict(alert.annotations) == {
        "summary": "Token ci of li.wei in acme is about to expire, at 2026-06-02 08:00 Asia/Shanghai",
        "description": "Token ci (pt-1) of li.wei in acme expires at 2026-06-02 08:00 Asia/Shanghai (2026-06-02 00:00 "
        "UTC). Permissions: base_user_read: lost at 2026-06-02 08:00 Asia/Shanghai. Time left: 1d.",
        "runbook_url": "https://wiki/x/YunxiaoTokenExpiringCritical.md",
        "permissions": "base_user_read: lost at 2026-06-02 08:00 Asia/Shanghai",
    }
    assert alert.since == NOW - 2 * DAY  # three days before the expiry


def test_the_description_of_a_token_is_an_annotation_on_one_line_and_never_a_label() -> None:
    token = dataclasses.replace(a_token(expires_in=DAY, age=OLD), description="builds\n\u202eevil")
    config = with_policies(a_config(policy_violations="per_token"), max_age={"limit": "2d"})
    expiring, violating = found(a_view(token), config)
    for alert in (expiring, violating):
        assert dict(alert.annotations)["token_description"] == "builds\ufffd\ufffdevil"
        assert not any("builds" in value for _, value in alert.labels)
    assert "token_description" not in dict(found(a_view(a_token(expires_in=DAY, age=OLD)))[0].annotations)


def test_an_alert_says_which_permissions_are_lost_and_which_stay() -> None:
    soon = a_token("pt-1", expires_in=2 * DAY, age=OLD, permissions=("base_user_read_write", "base_license_read"))
    gone = a_token("pt-2", expires_in=-DAY, permissions=("base_user_read",))
    # 300 days after 2026-06-01 is 2027-03-28
    late = a_token("pt-3", expires_in=300 * DAY, permissions=("base_user_read",))
    alerted = {dict(alert.labels)["token_id"]: dict(alert.annotations) for alert in found(a_view(soon, gone, late))}
    assert {token_id: annotations["permissions"] for token_id, annotations in alerted.items()} == {
        "pt-1": "base_license_read, base_user_read_write: lost at 2026-06-03 08:00 Asia/Shanghai; "
        "base_user_read: stays until 2027-03-28 08:00 Asia/Shanghai through other tokens",
        "pt-2": "base_user_read: stays until 2027-03-28 08:00 Asia/Shanghai through other tokens",
    }


def test_alerts_about_tokens_that_never_expire_or_grant_nothing_name_no_permissions() -> None:
    for token in (a_token(expires_in=NEVER), a_token(expires_in=-DAY, permissions=())):
        (alert,) = found(a_view(token), a_config(never_expires=True))
        assert "permissions" not in dict(alert.annotations)


def test_a_short_lived_token_alerts_in_the_last_third_and_tenth_of_its_lifetime() -> None:
    def two_days_old(left: float) -> Token:
        return Token("pt-1", "ci", (), NOW + left - 2 * DAY, NOW + left)

    # of 48 hours a third is 16 and a tenth 4.8
    assert names(a_view(two_days_old(16 * HOUR))) == []
    assert names(a_view(two_days_old(16 * HOUR - 1))) == ["YunxiaoTokenExpiringWarning"]
    assert names(a_view(two_days_old(4.8 * HOUR))) == ["YunxiaoTokenExpiringWarning"]
    assert names(a_view(two_days_old(4.8 * HOUR - 1))) == ["YunxiaoTokenExpiringCritical"]


def test_thresholds_and_labels_of_a_user_take_precedence() -> None:
    user = User("3001", "li.wei", (("team", "platform"),), OwnThresholds(warning=60 * DAY))
    config = a_config(labels={"team": "security", "site": "eu-west-1", "empty": ""})
    (alert,) = found(a_view(a_token(expires_in=50 * DAY, age=9 * OLD), user=user), config)
    labels = dict(alert.labels)
    assert (labels["alertname"], labels["team"], labels["site"]) == (
        "YunxiaoTokenExpiringWarning",
        "platform",
        "eu-west-1",
    )
    assert "empty" not in labels


def test_never_expiring_tokens_alert_only_if_configured() -> None:
    view = a_view(a_token(expires_in=NEVER))
    assert names(view) == []
    assert names(view, a_config(never_expires=True)) == ["YunxiaoTokenNeverExpires"]


@pytest.mark.parametrize(
    ("entry", "silent"),
    [
        ({"user": "3001"}, True),
        ({"user": "li.wei"}, True),
        ({"user": "li"}, False),
        ({"token_id": "pt-aaaa"}, True),
        ({"token_id": "pt-aaa"}, False),
        ({"name": "c."}, True),
        ({"name": "c"}, False),
        ({"user": "3001", "name": "x"}, False),
    ],
)
def test_silenced_tokens_raise_no_alert_until_the_end_of_the_day(entry: dict[str, str], silent: bool) -> None:  # noqa: FBT001
    today = {"reason": "known", "until": dt.date(2026, 6, 1)}
    yesterday = {"reason": "known", "until": dt.date(2026, 5, 31)}
    muted, told = ([] if silent else ["YunxiaoTokenExpired"]), ["YunxiaoTokenExpired"]

    def expired(until: dict[str, Any], now: float) -> list[str]:
        view = a_view(a_token(expires_in=-DAY), now=now)
        return names(view, a_config(ignore=(entry | until,)), now)

    assert expired(today, NOW) == muted
    assert expired(today, NOW + DAY - 1) == muted
    assert expired(today, NOW + DAY) == told
    assert expired(yesterday, NOW) == told


def test_a_failing_poll_resolves_nothing_and_alerts_after_two_sweeps() -> None:
    ledger = Ledger("acme", [LI, User("3002", "zhang.san")], since=NOW)
    ledger.succeeded("3001", (a_token(expires_in=DAY, age=OLD),), NOW)
    ledger.succeeded("3002", (), NOW)
    ledger.failed("3001", a_failure(), NOW + 60)
    ledger.swept(Sweep(SweepResult.PARTIAL, 1, NOW + 1800))
    view = View((ledger.view(),))
    assert names(view, now=NOW + 60 + 1799) == ["YunxiaoTokenExpiringCritical"]
    later = found(view, now=NOW + 60 + 1800)
    assert {dict(alert.labels)["alertname"]: alert.since for alert in later} == {
        "YunxiaoUserPollFailing": NOW + 1860,
        "YunxiaoTokenExpiringCritical": NOW - 2 * DAY,
    }


def test_stale_data_alerts() -> None:
    view = a_view()
    assert "YunxiaoUserDataStale" not in names(view, now=NOW + 3599)
    (stale,) = [one for one in found(view, now=NOW + 2 * HOUR) if "Stale" in dict(one.labels)["alertname"]]
    assert dict(stale.annotations)["description"] == (
        "The last successful poll of li.wei (3001) in acme was 2h ago. "
        "It was at 2026-06-01 08:00 Asia/Shanghai (2026-06-01 00:00 UTC)."
    )
    assert stale.since == NOW + 3600


def test_data_is_not_stale_before_two_rare_polls_have_failed() -> None:
    # polled at any time during a sweep, so two failures can take three intervals of 12 hours and one request's 10 s
    config = a_config().model_copy(update={"poll": Poll.model_validate({"interval": "12h", "stale_after": "12h"})})
    last = 36 * HOUR + 10
    assert "YunxiaoUserDataStale" not in names(a_view(), config, now=NOW + last - 1)
    assert "YunxiaoUserDataStale" in names(a_view(), config, now=NOW + last)


def test_a_regex_that_is_slow_with_backtracking_is_fast() -> None:
    config = a_config(ignore=({"name": "(a+)+b", "reason": "x", "until": dt.date(2026, 6, 1)},))
    assert names(a_view(a_token(expires_in=-DAY, name="a" * 60)), config) == ["YunxiaoTokenExpired"]


def test_stalled_sweeps_alert_even_before_the_first_one_completed() -> None:
    never = View((Ledger("acme", [LI], since=NOW).view(),))
    for view in (never, a_view()):
        # three intervals of 900 s and one request's 10 s
        assert "YunxiaoSweepStalled" not in names(view, now=NOW + 2709)
        assert "YunxiaoSweepStalled" in names(view, now=NOW + 2710)


def test_failing_discovery_alerts_after_three_intervals() -> None:
    organization = {"name": "acme", "endpoint": "http://x", "token_env": "T"}
    users = {"discover": {"source": "users", "interval": "20m"}}
    config = Config.model_validate({"organizations": (organization | {"users": users},)})

    def told(discovery: Discovery, now: float) -> bool:
        ledger = Ledger("acme", [LI], since=NOW)
        ledger.discovered(discovery)
        return "YunxiaoDiscoveryFailing" in names(View((ledger.view(),)), config, now)

    never, once = Discovery(up=False), Discovery(up=False, last_success=NOW + HOUR, users=1)
    assert (told(never, NOW + HOUR - 1), told(never, NOW + HOUR)) == (False, True)
    assert (told(once, NOW + 2 * HOUR - 1), told(once, NOW + 2 * HOUR)) == (False, True)
    assert not told(Discovery(), NOW + DAY)
    assert not told(Discovery(up=True, last_success=NOW, users=1), NOW + DAY)


def test_a_refused_configuration_alerts() -> None:
    (alert,) = found(a_view(), refused=NOW - 5)
    assert (dict(alert.labels)["alertname"], alert.since) == ("YunxiaoConfigReloadFailed", NOW - 5)


def test_a_renewed_or_deleted_token_resolves_its_alerts() -> None:
    assert names(a_view(a_token(expires_in=100 * DAY))) == []
    assert names(a_view()) == []


def with_policies(config: Config | None = None, **sections: Any) -> Config:
    return (config or a_config()).model_copy(update={"policies": Policies.model_validate(sections)})


def test_policy_violations_alert_with_the_severity_of_the_policy() -> None:
    config = with_policies(
        a_config(policy_violations="per_token"),
        never_expires={"severity": "info"},
        max_tokens_per_user={"limit": 0, "severity": "critical"},
        max_age={"limit": "2d"},
    )
    of_token, of_user = found(a_view(a_token("pt-1", expires_in=NEVER)), config)
    assert dict(of_token.labels) == {
        "alertname": "YunxiaoTokenPolicyViolation",
        "severity": "info",
        "policy": "never_expires",
        "organization": "acme",
        "user_id": "3001",
        "user": "li.wei",
        "token_id": "pt-1",
        "token": "ci",
    }
    words = (
        "Token ci (pt-1) of li.wei in acme violates the policy never_expires: it never expires (created at 2026-05-31 "
        "08:00 Asia/Shanghai)."
    )
    assert dict(of_token.annotations)["description"] == words
    assert of_token.since == NOW - DAY  # its creation
    assert dict(of_user.labels) == {
        "alertname": "YunxiaoUserPolicyViolation",
        "severity": "critical",
        "policy": "max_tokens_per_user",
        "organization": "acme",
        "user_id": "3001",
        "user": "li.wei",
    }
    words = (
        "Tokens of li.wei (3001) in acme violate the policy max_tokens_per_user: there are more tokens than are "
        "allowed (found 1; limit 0)."
    )
    assert dict(of_user.annotations)["description"] == words
    # created a day ago, it turns two days old in another
    later = found(a_view(a_token(expires_in=NEVER), now=NOW + DAY), config, NOW + DAY)
    assert [dict(alert.labels)["policy"] for alert in later] == ["never_expires", "max_age", "max_tokens_per_user"]


def test_a_silenced_token_raises_no_policy_alert() -> None:
    ignore = ({"token_id": "pt-1", "reason": "known", "until": dt.date(2026, 6, 1)},)
    config = with_policies(a_config(ignore=ignore, policy_violations="per_token"), never_expires="forbid")
    assert names(a_view(a_token("pt-1", expires_in=NEVER), a_token("pt-2", expires_in=NEVER)), config) == [
        "YunxiaoTokenPolicyViolation"
    ]


def test_widened_permissions_alert_for_an_hour_if_configured() -> None:
    config = a_config(permissions_widened=True)
    view = a_view()
    seen = {("acme", Change.PERMISSIONS_CHANGED): NOW - 60, ("acme", Change.PERMISSIONS_WIDENED): NOW - 600}
    (alert,) = alerts(view, config, None, NOW, seen)
    assert (dict(alert.labels), alert.since) == (
        {"alertname": "YunxiaoTokenPermissionsWidened", "severity": "warning", "organization": "acme"},
        NOW - 600,
    )
    assert list(alerts(view, a_config(), None, NOW, seen)) == []
    for organization, change, ago in (
        ("acme", Change.PERMISSIONS_WIDENED, HOUR),
        ("acme", Change.PERMISSIONS_NARROWED, 1),
        ("acme", Change.CREATED, 1),
        ("globex", Change.PERMISSIONS_WIDENED, 1),
    ):
        assert list(alerts(view, config, None, NOW, {(organization, change): NOW - ago})) == []
    assert len(list(alerts(view, config, None, NOW, {("acme", Change.PERMISSIONS_WIDENED): NOW - HOUR + 1}))) == 1


@given(
    st.floats(min_value=-1e7, max_value=1e7),
    st.none() | st.floats(min_value=0, max_value=1e8),
    st.floats(min_value=1, max_value=1e6),
    st.floats(min_value=1e6 + 1, max_value=1e7),
    st.floats(min_value=0, max_value=1e6),
)
def test_alerts_only_get_more_severe_with_time_for_any_thresholds(
    left: float, age: float | None, critical: float, warning: float, later: float
) -> None:
    ordered = ("TokenExpiringWarning", "TokenExpiringCritical", "TokenExpired", "TokenNotRemoved")
    ranks = {f"Yunxiao{name}": rank for rank, name in enumerate(ordered, 1)}
    token = Token("t", "ci", (), None if age is None else NOW - age, NOW + left)
    user = User("3001", "li.wei", (), OwnThresholds(warning, critical))

    def state(now: float) -> tuple[int, float]:
        mine = found(a_view(token, user=user, now=now), now=now)
        assert len(mine) <= 1
        assert all(one.since <= now for one in mine)
        return (ranks[dict(mine[0].labels)["alertname"]], mine[0].since) if mine else (0, now)

    (first, since), (second, since_later) = state(NOW), state(NOW + later)
    assert second >= first
    if first == second > 0:
        assert since == since_later


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (14 * DAY, None),
        (14 * DAY - 1, r"expires at .*, in 13d"),
        (3 * DAY, r"expires at .*, in 3d"),
        (3 * DAY - 1, r"expires at .*, in 2d"),
        (55 * MINUTE, r"expires at .*, in 55m"),
        (0, r"expired at .*, 0s ago"),
        (-55 * DAY, r"expired at .*, 55d ago"),
        (NEVER, None),
    ],
)
def test_the_exporters_own_token_alerts_before_and_after_its_expiry(left: float, words: str | None) -> None:
    view = a_view()
    own = View((dataclasses.replace(view.organizations[0], own_expiry=NOW + left),))
    told = found(own)
    if words is None:
        assert told == []
        return
    (alert,) = told
    critical = left < 3 * DAY
    assert alert.labels == (
        ("alertname", "YunxiaoExporterTokenExpiringCritical" if critical else "YunxiaoExporterTokenExpiring"),
        ("organization", "acme"),
        ("severity", "critical" if critical else "warning"),
    )
    description = rf"The exporter's own token for acme {words}; without it no tokens can be polled\."
    assert re.fullmatch(description, dict(alert.annotations)["description"])
    assert alert.since == NOW + left - (3 if critical else 14) * DAY


OWNED = User("3001", "li.wei", (("team", "x"),), owner=Owner("li.wei@example.com", "平台组", "li"))


def test_owners_become_annotations_and_configured_labels() -> None:
    (plain,) = found(a_view(a_token(expires_in=DAY, age=OLD), user=OWNED))
    assert dict(plain.annotations) | {"owner_email": "li.wei@example.com", "owner_department": "平台组"} == dict(
        plain.annotations
    )
    assert not {"email", "department", "username"} & dict(plain.labels).keys()
    chosen = a_config(owner_labels=("email", "username"), labels={"email": "all@example.com"})
    (alert,) = found(a_view(a_token(expires_in=DAY, age=OLD), user=OWNED), chosen)
    labels = dict(alert.labels)
    assert (labels["email"], labels["username"], labels["team"]) == ("li.wei@example.com", "li", "x")
    assert "department" not in labels


def test_labels_of_an_entry_override_discovered_ones() -> None:
    user = User("3001", "li.wei", (("email", "boss@example.com"),), owner=Owner("li.wei@example.com"))
    (alert,) = found(
        a_view(a_token(expires_in=DAY, age=OLD), user=user), a_config(owner_labels=("email", "department"))
    )
    assert dict(alert.labels)["email"] == "boss@example.com"
    assert "department" not in dict(alert.labels)
    assert dict(alert.annotations)["owner_email"] == "li.wei@example.com"
    assert "owner_department" not in dict(alert.annotations)


def test_alerts_without_a_user_have_no_owner() -> None:
    stalled = [one for one in found(a_view(user=OWNED), now=NOW + DAY) if "user" not in dict(one.labels)]
    assert stalled
    assert not any("owner_email" in dict(one.annotations) for one in stalled)


def test_a_token_that_never_expires_is_reported_since_its_creation_or_from_now_on() -> None:
    config = a_config(never_expires=True)
    (alert,) = found(a_view(a_token(expires_in=NEVER, age=OLD)), config)
    assert (dict(alert.labels)["alertname"], alert.since) == ("YunxiaoTokenNeverExpires", NOW - OLD)
    (alert,) = found(a_view(a_token(expires_in=NEVER, age=None)), config)
    assert alert.since == NOW


def with_keys(*keys: SshKey, tokens: tuple[Token, ...] = ()) -> View:
    ledger = Ledger("acme", [LI], since=NOW)
    ledger.succeeded(LI.user_id, tokens, NOW, keys)
    ledger.swept(Sweep(SweepResult.SUCCESS, 1, NOW))
    return View((ledger.view(),))


def test_ssh_keys_raise_the_alerts_of_tokens_by_the_same_thresholds() -> None:
    (alert,) = found(with_keys(a_key("501", expires_in=DAY, age=OLD)))
    assert dict(alert.labels) == {
        "alertname": "YunxiaoTokenExpiringCritical",
        "severity": "critical",
        "organization": "acme",
        "user_id": "3001",
        "user": "li.wei",
        "token_id": "501",
        "token": "laptop",
        "kind": "ssh_key",
    }
    annotations = dict(alert.annotations)
    assert (
        annotations["summary"]
        == "SSH key laptop of li.wei in acme is about to expire, at 2026-06-02 08:00 Asia/Shanghai"
    )
    assert annotations["description"] == (
        "SSH key laptop (501) of li.wei in acme expires at 2026-06-02 08:00 Asia/Shanghai (2026-06-02 00:00 UTC). "
        "Purpose: SHA256:0f1e2d. Time left: 1d."
    )
    assert annotations["token_description"] == "SHA256:0f1e2d"
    # A key of nine days alerts in the last three, and critically in the last 0.9.
    short_lived = (with_keys(a_key(expires_in=days * DAY, age=(9 - days) * DAY)) for days in (3.5, 2.5, 0.5))
    assert [names(view) for view in short_lived] == [
        [],
        ["YunxiaoTokenExpiringWarning"],
        ["YunxiaoTokenExpiringCritical"],
    ]
    assert names(with_keys(a_key(expires_in=0))) == ["YunxiaoTokenExpired"]


def test_a_key_that_never_expires_alerts_only_if_configured() -> None:
    view = with_keys(a_key(expires_in=NEVER))
    assert names(view) == []
    assert names(view, a_config(never_expires=True)) == ["YunxiaoTokenNeverExpires"]


def test_silences_apply_to_keys_and_policies_do_not() -> None:
    ignore = ({"token_id": "501", "reason": "known", "until": dt.date(2026, 6, 1)},)
    assert names(with_keys(a_key("501", expires_in=DAY, age=OLD)), a_config(ignore=ignore)) == []
    config = with_policies(never_expires={}, max_tokens_per_user={"limit": 0}, max_age={"limit": "1h"})
    assert names(with_keys(a_key(expires_in=NEVER)), config) == []


def test_a_label_of_the_user_does_not_hide_the_kind_of_a_key() -> None:
    ledger = Ledger("acme", [dataclasses.replace(LI, labels=(("kind", "human"),))], since=NOW)
    ledger.succeeded(LI.user_id, (a_token(expires_in=DAY, age=OLD),), NOW, (a_key(expires_in=DAY, age=OLD),))
    of_token, of_key = found(View((ledger.view(),)))
    assert (dict(of_token.labels)["kind"], dict(of_key.labels)["kind"]) == ("human", "ssh_key")


def until(*tokens: Token, config: Config | None = None, **keys: Any) -> float:
    """Seconds until time alone may change the alerts about tokens."""
    at = Instant(NOW)
    conditions, state = Conditions.of(config or a_config()), a_state(*tokens, user=LI, **keys)
    words = [one.words.until for one in conditions.about_tokens("acme", state, at) if one.words is not None]
    conditions.offences("acme", state, at)
    return min(at.until, *words, NEVER) - NOW


def test_alerts_about_tokens_hold_until_the_next_threshold_word_or_expiry() -> None:
    assert until() == NEVER
    assert until(a_token(expires_in=NEVER), a_token("pt-2", expires_in=None)) == NEVER
    assert until(a_token(expires_in=20 * DAY, age=OLD)) == 6 * DAY
    # 5 days are left: "in 4d" just after this moment; another token's expiry changes which permissions stay
    assert until(a_token(expires_in=5 * DAY + HOUR, age=OLD)) == pytest.approx(HOUR)
    assert until(a_token(expires_in=-HOUR), a_token("pt-2", expires_in=1800, age=None)) == pytest.approx(0, abs=1e-5)
    late = a_token("pt-2", expires_in=HOUR / 2, age=None, name="deploy")
    silenced = a_config(ignore=({"name": "deploy", "reason": "x", "until": dt.date(2026, 6, 1)},))
    assert until(a_token(expires_in=-HOUR), late, config=silenced) == HOUR / 2


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("link", [None, "https://tokens.example.com"])
@pytest.mark.parametrize("expires_in", [2.5 * HOUR, -2.5 * HOUR])
def test_an_alert_with_other_words_is_the_same_as_a_new_one(
    language: Language, link: str | None, expires_in: float
) -> None:
    config = a_config(language=language).model_copy(update={"web": Web(external_url=link)})
    state = a_state(a_token(expires_in=expires_in, age=OLD), user=LI)

    def alert_at(now: float) -> Alert:
        conditions, at = Conditions.of(config), Instant(now)
        (alert,) = [*conditions.about_polls("acme", state, at, NEVER), *conditions.about_tokens("acme", state, at)]
        return alert

    before, later = alert_at(NOW), NOW + HOUR
    changed = Conditions.of(config).reworded(before, Instant(later))
    assert (changed, changed.words) == (alert_at(later), alert_at(later).words)
    assert changed.annotations != before.annotations
    assert Conditions.of(config).reworded(before, Instant(NOW + HOUR / 2 - 1)) is before


def test_only_a_silence_that_matches_ends() -> None:
    ignore = ({"token_id": "pt-1", "reason": "x", "until": dt.date(2026, 6, 1)},)
    config = a_config(ignore=ignore)
    assert until(a_token("pt-1", expires_in=NEVER), config=config) == DAY
    assert until(a_token("pt-2", expires_in=NEVER), config=config) == NEVER


def test_alerts_hold_until_a_policy_is_violated_or_its_exemption_ends() -> None:
    config = with_policies(max_age={"limit": "2d"})
    assert until(a_token(expires_in=NEVER), config=config) == DAY
    exempted = ({"token_id": "pt-1", "reason": "x", "until": dt.date(2026, 6, 3)},)
    config = with_policies(never_expires={"exceptions": exempted})
    assert until(a_token("pt-1", expires_in=NEVER), config=config) == 3 * DAY


def test_a_token_is_in_one_of_five_stages() -> None:
    config = a_config(thresholds={"info": "60d"}, expired_for="30d")
    stages = {60: None, 59: "Info", 14: "Info", 13: "Warning", 2: "Critical"}
    found_names = {days: names(a_view(a_token(expires_in=days * DAY, age=OLD)), config) for days in stages}
    assert found_names == {days: [f"YunxiaoTokenExpiring{name}"] if name else [] for days, name in stages.items()}
    assert names(a_view(a_token(expires_in=-29 * DAY)), config) == ["YunxiaoTokenExpired"]
    (alert,) = found(a_view(a_token(expires_in=-40 * DAY)), config)
    assert (dict(alert.labels)["alertname"], dict(alert.labels)["severity"], alert.since) == (
        "YunxiaoTokenNotRemoved",
        "info",
        NOW - 10 * DAY,
    )


def test_what_a_policy_says_about_a_token_is_not_said_again() -> None:
    old = a_view(a_token("pt-1", expires_in=-40 * DAY, age=OLD))
    never = a_view(a_token("pt-1", expires_in=NEVER))
    config = a_config(never_expires=True)
    both = with_policies(config, expired_not_removed={"after": "30d"}, never_expires={})
    assert (names(old, config), names(never, config)) == (["YunxiaoTokenNotRemoved"], ["YunxiaoTokenNeverExpires"])
    assert (names(old, both), names(never, both)) == (["YunxiaoPolicyViolation"], ["YunxiaoPolicyViolation"])
    # A policy that is off, or does not apply to the token, says nothing.
    off = with_policies(config, never_expires={"forbid": False})
    exempted = {"exceptions": ({"token_id": "pt-1", "reason": "x", "until": dt.date(2026, 6, 1)},)}
    assert (
        names(never, off) == names(never, with_policies(config, never_expires=exempted)) == ["YunxiaoTokenNeverExpires"]
    )
    # No policy is about SSH keys.
    keys = with_keys(a_key("1", expires_in=NEVER), a_key("2", expires_in=-40 * DAY))
    assert names(keys, both) == ["YunxiaoTokenNeverExpires", "YunxiaoTokenNotRemoved"]


def an_organization(*tokens: tuple[Token, ...]) -> Ledger:
    """Users with these tokens, polled now."""
    ledger = Ledger("acme", [User(f"300{place}", f"user {place}") for place in range(len(tokens))], since=NOW)
    for place, some in enumerate(tokens):
        ledger.succeeded(f"300{place}", some, NOW)
    ledger.swept(Sweep(SweepResult.SUCCESS, 1, NOW))
    return ledger


def test_a_policy_raises_one_alert_for_an_organization_with_the_count_and_the_worst_offenders() -> None:
    old = tuple(a_token(f"pt-{number}", name=f"ci-{number}", age=9 * DAY) for number in range(3))
    ledger = an_organization(old[:1], old, (), old[:2])
    config = with_policies(
        a_config(labels={"team": "security"}, ignore=({"name": "ci-2", "reason": "x", "until": dt.date(2026, 6, 1)},)),
        max_age={"limit": "2d", "severity": "critical"},
        max_tokens_per_user={"limit": 1},
    )
    tokens, age = found(View((ledger.view(),)), config)
    assert dict(age.labels) == {
        "alertname": "YunxiaoPolicyViolation",
        "organization": "acme",
        "policy": "max_age",
        "severity": "critical",
        "team": "security",
    }
    assert age.since == NOW - 7 * DAY
    assert dict(age.annotations)["description"] == (
        "Tokens or users in acme violate the policy max_age: it is older than is allowed (limit 2d). "
        "Violations: 5. Users concerned: 3. The worst: user 1 (2), user 3 (2), user 0 (1)."
    )
    # Silences are about tokens, so they change nothing about the number of tokens that count.
    assert dict(tokens.annotations)["description"] == (
        "Tokens or users in acme violate the policy max_tokens_per_user: there are more tokens than are allowed "
        "(limit 1). Violations: 2. Users concerned: 2. The worst: user 1 (3), user 3 (2)."
    )


def test_policy_violations_can_be_one_alert_a_user() -> None:
    old = (a_token("pt-1", age=9 * DAY), a_token("pt-2", name="x", age=5 * DAY))
    config = with_policies(
        a_config(policy_violations="per_user"), max_age={"limit": "2d"}, max_tokens_per_user={"limit": 1}
    )
    age, tokens = found(a_view(*old), config)
    assert [dict(one.labels)["policy"] for one in (age, tokens)] == ["max_age", "max_tokens_per_user"]
    assert {dict(one.labels)["alertname"] for one in (age, tokens)} == {"YunxiaoUserPolicyViolation"}
    assert (age.since, tokens.since) == (NOW - 7 * DAY, NOW)
    assert dict(age.annotations)["description"] == (
        "Tokens of li.wei (3001) in acme violate the policy max_age: it is older than is allowed (limit 2d). "
        "Tokens concerned: ci, x."
    )
    assert "(found 2; limit 1)" in dict(tokens.annotations)["description"]


def not_removed(config: Config) -> list[tuple[dict[str, str], str, str, float]]:
    """Other labels, summary, description and begin of the alerts about these users' tokens that are not removed."""
    old = [a_token(f"pt-{number}", name=f"ci-{number}", expires_in=-number * 10 * DAY) for number in range(1, 5)]
    ledger = an_organization((old[0], old[2]), (old[1],), (a_token(expires_in=DAY - 7 * DAY),), (old[3],), ())
    ledger.succeeded("3004", (), NOW, ssh_keys=(a_key("501", expires_in=-15 * DAY, age=90 * DAY),))
    return [
        (
            {name: value for name, value in one.labels if name not in {"alertname", "severity", "organization"}},
            dict(one.annotations)["summary"],
            dict(one.annotations)["description"],
            one.since,
        )
        for one in found(View((ledger.view(),)), config)
        if {("alertname", "YunxiaoTokenNotRemoved"), ("severity", "info"), ("organization", "acme")} <= {*one.labels}
    ]


def test_tokens_not_removed_are_one_alert_an_organization_with_the_users_whose_tokens_expired_first() -> None:
    silence = {"name": "ci-4", "reason": "x", "until": dt.date(2026, 6, 1)}
    ((labels, summary, text, since),) = not_removed(a_config(ignore=(silence,)))
    # pt-3 expired 30 days before 2026-06-01 08:00 in Shanghai, the key 15 days
    assert (labels, summary) == ({}, "Expired tokens in acme that are not removed: 4")
    assert text == (
        "Users in acme have tokens or SSH keys that expired long ago and are still listed. Number: 4. Users concerned: "
        "3. Expired the longest ago: user 0 (ci-3, 2026-05-02), user 1 (ci-2, 2026-05-12), user 4 (laptop, 2026-05-17)."
        " Delete them, or replace those that are needed."
    )
    assert since == NOW - 23 * DAY
    # A policy reports tokens, but not keys.
    ((_, summary, _, _),) = not_removed(with_policies(a_config(), expired_not_removed={"after": "99d"}))
    assert summary == "Expired tokens in acme that are not removed: 1"


def test_tokens_not_removed_can_be_one_alert_a_user() -> None:
    alerted = not_removed(a_config(policy_violations="per_user"))
    assert [(labels["user"], since) for labels, _, _, since in alerted] == [
        ("user 0", NOW - 23 * DAY),
        ("user 1", NOW - 13 * DAY),
        ("user 3", NOW - 33 * DAY),
        ("user 4", NOW - 8 * DAY),
    ]
    assert alerted[0][:3] == (
        {"user": "user 0", "user_id": "3000"},
        "user 0 in acme has not removed expired tokens: 2",
        "user 0 (3000) in acme has tokens or SSH keys that expired long ago and are still listed. Number: 2. Delete "
        "them, or replace those that are needed.",
    )


def test_tokens_not_removed_can_be_one_alert_a_token() -> None:
    assert [labels["token_id"] for labels, _, _, _ in not_removed(a_config(policy_violations="per_token"))] == [
        *("pt-1", "pt-3", "pt-2", "pt-4", "501"),
    ]


def test_a_token_begins_to_count_as_not_removed_in_the_second_in_which_it_should_have_been_removed() -> None:
    view = a_view(a_token("pt-1", expires_in=-7 * DAY))
    assert names(view, now=NOW - 1) == ["YunxiaoTokenExpired"]
    assert names(view, now=NOW) == ["YunxiaoTokenNotRemoved"]


def test_a_refused_token_is_one_critical_alert_and_none_about_users() -> None:
    ledger = an_organization((), (a_token(expires_in=DAY, age=OLD),))
    ledger.all_failed(Failure(Reason.UNAUTHORIZED, "HTTP 401"), NOW + 60)
    at_once = found(View((ledger.view(),)), now=NOW + 60)
    (alert,) = [one for one in at_once if dict(one.labels)["severity"] == "critical" and "user" not in dict(one.labels)]
    assert dict(alert.labels) == {
        "alertname": "YunxiaoOrganizationUnreadable",
        "organization": "acme",
        "severity": "critical",
    }
    assert alert.since == NOW + 60
    description = dict(alert.annotations)["description"]
    assert description.startswith(
        "No user of acme can be polled: the platform refuses the exporter's token (reason unauthorized). Tokens may "
        "change or expire unnoticed. Since: 2026-06-01 08:01 Asia/Shanghai (2026-06-01 00:01 UTC). Error: "
        "HTTP 401."
    )
    assert "put it into the token file" in description
    # The alerts about tokens stay, and a sweep that polls no user is none.
    ledger.swept(Sweep(SweepResult.FAILED, 1, NOW + DAY))
    assert sorted(names(View((ledger.view(),)), now=NOW + DAY - 1)) == [
        "YunxiaoOrganizationUnreadable",
        "YunxiaoSweepStalled",
        "YunxiaoTokenExpiringCritical",
    ]


def test_a_refused_token_is_one_alert_even_if_the_clock_is_set_back_before_it() -> None:
    ledger = an_organization((), ())
    ledger.all_failed(Failure(Reason.UNAUTHORIZED, "HTTP 401"), NOW + 3 * DAY)
    view = View((ledger.view(),))
    (alert,) = [one for one in found(view, now=NOW + DAY) if "Unreadable" in dict(one.labels)["alertname"]]
    assert alert.since == NOW + DAY
    assert "YunxiaoUserDataStale" not in names(view, now=NOW + DAY)


def test_other_failures_of_all_users_alert_after_two_sweeps() -> None:
    ledger = an_organization((), ())
    for place in range(2):
        ledger.failed(f"300{place}", a_failure(), NOW + 60 + place)
    view = View((ledger.view(),))
    assert names(view, now=NOW + 60 + 1799) == []
    assert names(view, now=NOW + 60 + 1800) == ["YunxiaoOrganizationUnreadable"]
    assert found(view, now=NOW + 60 + 1801)[0].since == NOW + 60 + 1800


def test_after_an_outage_each_user_is_polled_again_before_its_failures_count() -> None:
    ledger = an_organization((), (), ())
    for place in range(3):
        ledger.failed(f"300{place}", a_failure(), NOW + 60)
    ledger.succeeded("3000", (), NOW + 3 * HOUR)
    ledger.swept(Sweep(SweepResult.PARTIAL, 1, NOW + 3 * HOUR))
    view = View((ledger.view(),))
    # for as long as failing polls take to cause an alert
    assert names(view, now=NOW + 3 * HOUR + 1799) == []
    assert (
        sorted(names(view, now=NOW + 3 * HOUR + 1800)) == ["YunxiaoUserDataStale"] * 2 + ["YunxiaoUserPollFailing"] * 2
    )


def test_a_short_outage_changes_nothing_about_single_users() -> None:
    ledger = an_organization((), ())
    ledger.failed("3000", a_failure(), NOW + 60)
    ledger.failed("3001", a_failure(), NOW + 61)
    ledger.succeeded("3001", (), NOW + 900)
    assert names(View((ledger.view(),)), now=NOW + 60 + 1800) == ["YunxiaoUserPollFailing"]


def test_the_alert_about_an_organization_names_the_shard() -> None:
    ledger = Ledger("acme", [LI], since=NOW, shard="1/2")
    ledger.all_failed(Failure(Reason.UNAUTHORIZED, "HTTP 401"), NOW)
    (alert,) = found(View((ledger.view(),)))
    assert dict(alert.labels)["shard"] == "1/2"
