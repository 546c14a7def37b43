"""What alerts say, in both languages. NOW is 2026-06-01T00:00:00Z, 08:00 in Shanghai."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Unpack
from zoneinfo import ZoneInfo

import pytest
from support.builders import DAY, NOW, a_state, a_token, a_user

from exporter.alerts.alert import AlertMaker
from exporter.alerts.definitions import (
    ALL_TEXTS,
    EXPORTER_DOWN,
    EXPORTER_TOKEN_EXPIRING_CRITICAL,
    ORGANIZATION_UNREADABLE,
    POLICY_VIOLATION,
    TOKEN_EXPIRED,
    TOKEN_EXPIRING_WARNING,
    Definition,
)
from exporter.alerts.wording import Facts, Wording
from exporter.config.schema import Config
from exporter.model.state import Reason
from exporter.model.token import NEVER
from exporter.model.user import Owner
from exporter.texts.catalogue import Language

LABELS = {"organization": "acme", "user_id": "3001", "user": "li.wei", "token": "ci", "token_id": "pt-1"}
ZONE = ZoneInfo("Asia/Shanghai")


def a_config(language: str = "en", policies: dict[str, Any] | None = None) -> Config:
    organization = {
        "name": "acme",
        "endpoint": "https://acme.example.com",
        "token_env": "T",
        "users": {"static": ({"id": "1"},)},
    }
    data = {
        "organizations": (organization,),
        "alerting": {"language": language},
        "policies": policies or {},
        "web": {"external_url": "https://x"},
    }
    return Config.model_validate(data)


def said(definition: Definition, language: str = "en", /, **facts: Unpack[Facts]) -> tuple[str, str]:
    labels = {"organization": "acme", "policy": "max_lifetime"}
    wording = Wording.of(a_config(language, {"max_lifetime": {"limit": "300d"}}))
    return wording.texts(definition, labels, NOW, None, None, facts, link="", permissions="")


def test_a_text_about_a_token_stands_alone() -> None:
    owner = Owner("li.wei@example.com", "\u7814\u53d1", "liwei")
    user = replace(a_user("3001", "li.wei"), owner=owner)
    token = replace(a_token("pt-1", expires_in=2 * DAY, permissions=("code_read",)), description="nightly build")
    other = a_token("pt-2", expires_in=9 * DAY, permissions=("code_read",))
    for language, summary, description in (
        (
            "en",
            "Token ci of li.wei in acme expires soon, at 2026-06-03 08:00 Asia/Shanghai",
            "Token ci (pt-1) of li.wei in acme expires at 2026-06-03 08:00 Asia/Shanghai (2026-06-03 00:00 UTC). "
            "Permissions: code_read: stays until 2026-06-10 08:00 Asia/Shanghai through other tokens. "
            "Purpose: nightly build. "
            "Owner: li.wei (liwei), li.wei@example.com, \u7814\u53d1. "
            "Time left: 2d. "
            "Details: https://x/tokens/acme/pt-1",
        ),
        (
            "zh",
            "\u7ec4\u7ec7 acme \u7528\u6237 li.wei \u7684\u4ee4\u724c ci \u4e34\u8fd1\u8fc7\u671f\uff0c"
            "\u8fc7\u671f\u65f6\u95f4 2026-06-03 08:00 Asia/Shanghai",
            "\u7ec4\u7ec7 acme \u7528\u6237 li.wei \u7684\u4ee4\u724c ci\uff08pt-1\uff09\u5c06\u4e8e 2026-06-03 08:00 "
            "Asia/Shanghai (2026-06-03 00:00 UTC) \u8fc7\u671f\u3002"
            "\u6d89\u53ca\u6743\u9650\uff1acode_read\uff1a\u901a\u8fc7\u5176\u4ed6\u4ee4\u724c\u4fdd\u7559\u81f3 "
            "2026-06-10 08:00 Asia/Shanghai\u3002"
            "\u7528\u9014\uff1anightly build\u3002"
            "\u8d1f\u8d23\u4eba\uff1ali.wei (liwei)\u3001li.wei@example.com\u3001\u7814\u53d1\u3002"
            "\u5269\u4f59\u65f6\u95f4\uff1a2 \u5929\u3002"
            "\u8be6\u60c5\uff1ahttps://x/tokens/acme/pt-1",
        ),
    ):
        maker = AlertMaker.of(a_config(language))
        maker.begin(NOW)
        permissions = maker.losses("acme", a_state(token, other)).words(token, NOW)
        alert = maker.make(TOKEN_EXPIRING_WARNING, dict(LABELS), NOW, user, token, permissions=permissions)
        assert dict(alert.annotations)["summary"] == summary
        assert dict(alert.annotations)["description"] == description


def test_what_is_not_known_is_left_out() -> None:
    wording = Wording.of(a_config())
    token = a_token(expires_in=-3 * DAY)
    _, description = wording.texts(TOKEN_EXPIRED, LABELS, NOW, a_user(), token, Facts(), link="", permissions="")
    assert description == (
        "Token ci (pt-1) of li.wei in acme expired at 2026-05-29 08:00 Asia/Shanghai (2026-05-29 00:00 UTC). "
        "Expired for: 3d."
    )


def test_the_exporters_own_token_in_both_tenses() -> None:
    soon, _ = said(EXPORTER_TOKEN_EXPIRING_CRITICAL, expires=NOW + 2 * DAY)
    gone, _ = said(EXPORTER_TOKEN_EXPIRING_CRITICAL, expires=NOW - 2 * DAY)
    own = "The exporter's own token for acme"
    assert soon == f"{own} expires at 2026-06-03 08:00 Asia/Shanghai (2026-06-03 00:00 UTC), in 2d"
    assert gone == f"{own} expired at 2026-05-30 08:00 Asia/Shanghai (2026-05-30 00:00 UTC), 2d ago"


def test_an_unreadable_organization_says_why_since_when_and_what_to_do() -> None:
    summary, description = said(
        ORGANIZATION_UNREADABLE, reason=Reason.UNAUTHORIZED, began=NOW - DAY, detail="HTTP 401 for li.wei"
    )
    assert summary == "No user of acme can be polled: the platform refuses the exporter's token"
    assert description.startswith(
        "No user of acme can be polled: the platform refuses the exporter's token (reason unauthorized). Tokens may "
        "change or expire unnoticed. Since: 2026-05-31 08:00 Asia/Shanghai (2026-05-31 00:00 UTC). Error: HTTP "
        "401 for li.wei. What to do: if all users have it, the exporter's own token is wrong"
    )


def test_violations_of_a_policy_name_limit_count_and_the_worst() -> None:
    assert said(POLICY_VIOLATION, count=12, worst="li.wei (7), wang (5)") == (
        "Violations of the policy max_lifetime in acme: 12",
        "Tokens or users in acme violate the policy max_lifetime: it lives longer than is allowed (limit 300d). "
        "Violations: 12. The worst: li.wei (7), wang (5).",
    )
    assert said(POLICY_VIOLATION, "zh", count=12)[1] == (
        "\u7ec4\u7ec7 acme \u8fdd\u53cd\u7b56\u7565 max_lifetime\uff1a\u6709\u6548\u671f\u8d85\u8fc7\u4e0a\u9650"
        "\uff08\u4e0a\u9650 300 \u5929\uff09\u3002\u5171 12 \u5904\u3002"
    )


@pytest.mark.parametrize(
    ("policy", "settings", "expected"),
    [
        ("max_lifetime", {"limit": "2d"}, "it lives longer than is allowed (lifetime 6d; limit 2d)"),
        (
            "max_age",
            {"limit": "12h"},
            "it is older than is allowed (created at 2026-05-31 08:00 Asia/Shanghai; limit 12h)",
        ),
        (
            "forbidden_permissions",
            {"permissions": ("base_.*",)},
            "it grants a forbidden permission (granted: base_user_read; forbidden: base_.*)",
        ),
        ("name_pattern", {"pattern": "[a-z]{9}"}, "it is not named as it must be (pattern [a-z]{9})"),
        (
            "expired_not_removed",
            {"after": "0s"},
            "it has expired and is still there (expired at 2026-06-06 08:00 Asia/Shanghai; limit 0s)",
        ),
        ("never_expires", {}, "it never expires (created at 2026-05-31 08:00 Asia/Shanghai)"),
    ],
)
def test_a_violation_names_the_limit_and_what_was_found(policy: str, settings: dict[str, Any], expected: str) -> None:
    # created a day before NOW, expires five days after it
    assert Wording.of(a_config(policies={policy: settings})).violation(policy, a_token(), None, ZONE) == expected


def test_a_policy_that_is_not_configured_any_more_has_its_words() -> None:
    wording = Wording.of(a_config())
    assert wording.violation("max_age", a_token(expires_in=NEVER), None, ZONE) == "it is older than is allowed"


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("definition", ALL_TEXTS, ids=lambda one: one.text_name)
def test_every_text_can_be_written_from_the_facts_of_its_alert(definition: Definition, language: Language) -> None:
    wording = Wording.of(a_config(language.value, {"max_lifetime": {"limit": "300d"}}))
    about_token = definition.name.startswith("YunxiaoToken") and "Widened" not in definition.name
    facts = (
        Facts(age=DAY, reason=Reason.TLS, count=3)
        if about_token
        else Facts(age=DAY, reason=Reason.TLS, count=3, expires=NOW + DAY)
    )
    labels = LABELS | {"policy": "max_lifetime"}
    token = a_token() if about_token else None
    summary, description = wording.texts(definition, labels, NOW, a_user(), token, facts, link="", permissions="")
    for text in (summary, description):
        assert text
        assert not {"{", "}", "\n"} & {*text}
    assert definition is EXPORTER_DOWN or "acme" in summary or "exporter" in summary
