"""Texts that alerts take from labels. NOW is 2026-06-01T00:00:00Z, 08:00 in Shanghai."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

from support.builders import DAY, NOW, a_state, a_token, a_user

from exporter.model.loss import Losses
from exporter.model.token import NEVER
from exporter.model.token_texts import owner_texts, token_texts
from exporter.model.user import Owner
from exporter.texts.catalogue import Language

ZONE = ZoneInfo("Asia/Shanghai")


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


def test_the_texts_about_a_token_are_in_the_language_and_the_time_zone() -> None:
    token = a_token(expires_in=DAY, permissions=("code_read",))
    losses = Losses(a_state(token), Language.ZH, ZONE)
    found = token_texts(a_user(), token, losses, ZONE, NOW)
    assert found["expires"] == "2026-06-02 08:00 Asia/Shanghai (2026-06-02 00:00 UTC)"
    assert found["permissions"] == "code_read\uff1a\u5c06\u4e8e 2026-06-02 08:00 Asia/Shanghai \u5931\u53bb"


def test_a_token_without_an_expiry_has_no_time() -> None:
    for expires_in in (NEVER, None):
        token = a_token(expires_in=expires_in)
        assert token_texts(a_user(), token, Losses(a_state(token)), ZONE, NOW)["expires"] == ""
