"""The pages about a user and about a token. NOW is 2026-06-01T00:00:00Z, 08:00 in Shanghai."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

from support.builders import DAY, NOW, a_state, a_token, a_user

from exporter.model.state import Failure, Reason, UserState
from exporter.model.token import NEVER
from exporter.model.user import Owner
from exporter.texts.catalogue import Language
from exporter.web.subjects import SubjectPages


def pages(*states: UserState) -> SubjectPages:
    view = SimpleNamespace(organizations=(SimpleNamespace(name="acme", users=states),))
    store = cast("Any", SimpleNamespace(view=lambda: view))
    clock = cast("Any", SimpleNamespace(now=lambda: NOW))
    return SubjectPages(store, clock, lambda: {"acme": ZoneInfo("Asia/Shanghai")})


def text_of(page: bytes | None) -> str:
    assert page is not None
    body = page.decode().partition("<body>")[2]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def a_user_with(*tokens: Any, name: str = "li.wei") -> UserState:
    user = replace(a_user("3001", name), owner=Owner("li@example.com", "R&D", None))
    return replace(a_state(*tokens), user=user)


def test_the_page_about_a_user_has_owner_tokens_expiries_and_permissions() -> None:
    tokens = (
        replace(a_token("pt-1", expires_in=DAY, name="ci", permissions=("code_read",)), description="nightly"),
        a_token("pt-2", expires_in=NEVER, name="old", permissions=("org_read",)),
        a_token("pt-3", expires_in=None, name="odd", permissions=()),
    )
    text = text_of(pages(a_user_with(*tokens)).user("acme", "3001", Language.EN))
    assert text == (
        "Overview Runbooks li.wei User li.wei Organization acme User id 3001 Owner li.wei, li@example.com, R&amp;D "
        "Token Token id Expires Permissions "
        "ci nightly pt-1 2026-06-02 08:00 Asia/Shanghai (2026-06-02 00:00 UTC) expires in 1d "
        "code_read: lost at 2026-06-02 08:00 Asia/Shanghai "
        "old pt-2 never org_read odd pt-3 unknown"
    )


def test_the_page_about_a_token_has_only_that_token_and_links_to_its_user() -> None:
    page = pages(a_user_with(a_token("pt-1"), a_token("pt-2", name="other"))).token("acme", "pt-1", Language.EN)
    assert "other" not in text_of(page)
    assert page is not None
    assert b'href="../../users/acme/3001"' in page


def test_a_masked_id_shows_all_tokens_that_have_it() -> None:
    other = replace(a_state(a_token("pt-**", name="second")), user=a_user("3002", "wang"))
    text = text_of(pages(a_user_with(a_token("pt-**", name="first")), other).token("acme", "pt-**", Language.EN))
    assert ("first" in text, "second" in text, "wang" in text) == (True, True, True)


def test_a_failing_poll_is_shown_with_its_reason() -> None:
    state = replace(a_user_with(a_token()), failure=Failure(Reason.TIMEOUT, "GET /x took 10s"), failing_since=NOW - 60)
    text = text_of(pages(state).user("acme", "3001", Language.EN))
    assert "Polls are failing the platform does not answer in time: GET /x took 10s" in text


def test_the_page_is_in_the_language_of_the_reader() -> None:
    page = pages(a_user_with(a_token(expires_in=DAY))).user("acme", "3001", Language.ZH)
    assert page is not None
    assert '<html lang="zh">' in page.decode()
    assert "\u8fc7\u671f\u65f6\u95f4" in page.decode()


def test_there_is_no_page_about_what_is_not_watched() -> None:
    found = pages(a_user_with(a_token("pt-1")))
    assert found.user("acme", "1", Language.EN) is None
    assert found.user("other", "3001", Language.EN) is None
    assert found.token("acme", "pt-2", Language.EN) is None


def test_names_are_text_and_never_html() -> None:
    page = pages(a_user_with(a_token("pt-1", name="<script>x</script>"), name="<b>li</b>")).user(
        "acme", "3001", Language.EN
    )
    assert page is not None
    assert b"<script>" not in page
    assert b"<b>" not in page
    assert b"&lt;script&gt;" in page
