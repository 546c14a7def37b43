"""Texts that alerts take from labels. NOW is 2026-06-01T00:00:00Z, 08:00 in Shanghai."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

from support.builders import DAY, NOW, a_key, a_state, a_token, a_user

from exporter.model.loss import Losses
from exporter.model.stages import Stage
from exporter.model.token import NEVER, Token
from exporter.model.token_texts import (
    NEVER_EXPIRES,
    TOKEN_ALERTS,
    contact,
    expiry_facts,
    owner_texts,
    token_facts,
    token_texts,
)
from exporter.model.user import Owner, User
from exporter.texts.catalogue import Language, catalogue

ZONE = ZoneInfo("Asia/Shanghai")
OWNED = User("1", "li", owner=Owner("li@example.com"))


def test_the_owner_has_name_address_and_department() -> None:
    user = replace(a_user("1", "Li Wei"), owner=Owner("li@example.com", "R&D\n", "liwei"))
    assert owner_texts(user) == {
        "owner": "Li Wei (liwei)",
        "owner_email": "li@example.com",
        "owner_department": "R&D\ufffd",
    }
    assert owner_texts(replace(user, owner=Owner(username="Li Wei")))["owner"] == "Li Wei"


def test_a_user_of_whom_only_the_name_is_known_has_no_owner() -> None:
    nothing = {"owner": "", "owner_email": "", "owner_department": ""}
    assert owner_texts(a_user()) == owner_texts(replace(a_user(), owner=Owner())) == nothing
    assert contact(a_user(), catalogue(Language.EN)) == ""


def said(alert: str, token: Token, user: User, language: Language = Language.EN) -> tuple[str, str]:
    words = catalogue(language)
    permissions = Losses(a_state(token), language, ZONE).words(token, NOW)
    return token_texts(alert, "acme", user, token, permissions, words, ZONE)


def test_the_texts_about_a_token_are_in_the_language_and_the_time_zone() -> None:
    token = replace(a_token(expires_in=DAY, permissions=("code_read",)), description="nightly\nbuild")
    summary, description = said("YunxiaoTokenExpiringWarning", token, OWNED)
    assert summary == "Token ci of li in acme expires soon, at 2026-06-02 08:00 Asia/Shanghai"
    assert description == (
        "Token ci (pt-aaaa) of li in acme expires at 2026-06-02 08:00 Asia/Shanghai (2026-06-02 00:00 UTC). "
        "Permissions: code_read: lost at 2026-06-02 08:00 Asia/Shanghai. "
        "Owner: li, li@example.com."
    )
    summary, description = said("YunxiaoTokenExpired", a_token(expires_in=0.0, permissions=()), OWNED, Language.ZH)
    assert summary == (
        "\u7ec4\u7ec7 acme \u7528\u6237 li \u7684\u4ee4\u724c ci \u5df2\u4e8e 2026-06-01 08:00 "
        "Asia/Shanghai \u8fc7\u671f"
    )
    assert description.endswith("\u8d1f\u8d23\u4eba\uff1ali\u3001li@example.com\u3002")


def test_a_token_that_never_expires_says_when_it_was_created() -> None:
    # created a day before NOW
    assert said("YunxiaoTokenNeverExpires", a_token(expires_in=NEVER), a_user())[1] == (
        "Token ci (pt-aaaa) of li.wei in acme never expires, so it stays valid if it leaks. It was created at "
        "2026-05-31 08:00 Asia/Shanghai (2026-05-31 00:00 UTC)."
    )


def test_texts_about_a_key_and_its_expiry() -> None:
    assert said("YunxiaoTokenExpiringInfo", a_key(expires_in=DAY), a_user())[0].startswith("SSH key ")
    assert expiry_facts(NOW, ZoneInfo("UTC")) == {"expires": "2026-06-01 00:00 UTC", "local": "2026-06-01 00:00 UTC"}
    assert "expires" not in token_facts(a_token(expires_in=None), catalogue(Language.EN), ZONE)


def test_texts_have_at_most_1000_characters() -> None:
    long = "\u957f" * 900
    texts = said("YunxiaoTokenExpired", replace(a_token(name=long), description=long), replace(a_user(), name=long))
    assert [len(text) for text in texts] == [1000, 1000]
    assert all(text.endswith("\u2026") for text in texts)


def test_every_stage_has_an_alert() -> None:
    assert TOKEN_ALERTS.keys() == {*Stage, NEVER_EXPIRES}
    assert {*TOKEN_ALERTS.values()} <= catalogue(Language.EN).alerts.keys()
