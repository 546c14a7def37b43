"""Rows of pages. What pages show is tested in test_pages.py."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from support.builders import DAY, NOW, a_failure, a_key, a_token

from exporter.config.alerting import Alerting
from exporter.model.event import Change, Event
from exporter.model.state import UserState
from exporter.model.token import NEVER
from exporter.model.user import Owner, User
from exporter.policies.builtin import NeverExpires
from exporter.state.contents import Match
from exporter.texts.catalogue import Language
from exporter.web.reader import Reader
from exporter.web.urls import Urls
from exporter.web.views import Badge, Views

READER = Reader(Language.EN, {"acme": ZoneInfo("Asia/Shanghai")}, NOW)
VIEWS = Views(READER, Urls("/tokens"), Alerting())
LI = UserState(User("1", "li", (), None, Owner("li@x.com", "Ops", "liwei")))


def test_a_row_of_a_token_has_words_for_its_urgency() -> None:
    token = a_token(expires_in=2 * DAY, age=100 * DAY, permissions=("a", "b", "c", "d", "e"))
    row = VIEWS.token(Match((), "acme", LI.succeeded((token,), NOW), token, (NeverExpires(),)))
    assert (row.urgency, row.expiry, row.expires.relative) == (Badge("critical", "critical"), "expires in 2d", "in 2d")
    assert (row.permissions, row.more_permissions) == (("a", "b", "c"), 2)
    assert row.policies == (Badge("warning", "never_expires", "it never expires"),)
    assert (row.href, row.user.href, row.user.email) == ("./tokens/acme/pt-aaaa", "./users/acme/1", "li@x.com")


def test_a_row_of_an_ssh_key_says_so() -> None:
    key = a_key()
    assert VIEWS.token(Match((), "acme", LI, key)).kind == "SSH key"
    assert VIEWS.token(Match((), "acme", LI, a_token(expires_in=NEVER))).expiry == ""


def test_a_row_about_a_user_is_no_row_of_a_token() -> None:
    with pytest.raises(TypeError):
        VIEWS.token(Match((), "acme", LI, None))


def test_a_row_of_a_user() -> None:
    state = LI.succeeded((a_token(expires_in=DAY, age=100 * DAY), a_token("pt-b", expires_in=-DAY)), NOW)
    row = VIEWS.user(Match((), "acme", state.failed(a_failure(), NOW), None))
    assert (row.status.kind, row.status.word, row.detail) == ("critical", "server_error", "HTTP 500")
    assert (row.tokens, row.states, row.next_expiry.relative) == (2, (("active", 1), ("expired", 1)), "in 1d")
    assert row.urgency.kind == "expired"
    pending = VIEWS.user(Match((), "acme", LI, None))
    assert (pending.status.word, pending.last_success.local, pending.next_expiry.local) == (
        "not polled yet",
        "never",
        "",
    )


def test_a_row_of_a_change_says_what_has_changed() -> None:
    event = Event(NOW, "acme", "1", "li", Change.RENEWED, "pt-1", "ci", "old", ("a",), ("b",), NOW, NEVER)
    row = VIEWS.event(event)
    assert row.change == Badge("ok", "renewed")
    assert row.details == (
        "before: old", "gained a", "lost b", "expiry before: 2026-06-01 08:00 +08:00", "expires never",
    )  # fmt: skip


def test_permissions_of_a_user() -> None:
    tokens = (
        a_token(expires_in=DAY),
        a_token("pt-b", expires_in=3 * DAY),
        a_token("pt-c", permissions=("z",), expires_in=None),
    )
    read, z = VIEWS.permissions("acme", LI.succeeded(tokens, NOW))
    assert (read.name, read.tokens, read.soonest.relative, read.lost.relative) == (
        "base_user_read",
        2,
        "in 1d",
        "in 3d",
    )
    assert (z.name, z.tokens, z.soonest.local) == ("z", 1, "unknown")
