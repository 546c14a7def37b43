"""Page and API are rendered once a second, without the users that cannot be rendered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.builders import NOW, ManualClock, a_failure, a_token
from support.web import CountedRefusals

from exporter.model.token import Token
from exporter.model.user import User
from exporter.state.ledger import Ledger
from exporter.state.store import Store
from exporter.web.api import TokenList
from exporter.web.page import landing_page
from exporter.web.views import CachedView

if TYPE_CHECKING:
    from exporter.model.snapshot import View

USERS = [User(str(number), f"user{number}") for number in range(100)]
BAD = Token("pt-bad", "\ud83d", ("base_user_read",), 1.0, NOW + 1)
BAD_FOR_THE_PAGE = Token("pt-bad", "ci", (None,), 1.0, NOW + 1)  # type: ignore[arg-type] # a defect


class Scene:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.refusals = CountedRefusals(self.clock)
        self.store = Store()
        self.ledger = Ledger("acme", USERS)
        self.store.replace([self.ledger, Ledger("globex", [])])
        for user in USERS:
            self.ledger.succeeded(user.user_id, (a_token(f"pt-{user.user_id}"),), NOW)
        self.renderings = 0
        self.page = CachedView(self.store, self.clock, self.refusals, self.render)
        self.tokens = TokenList(self.store, self.clock, self.refusals)

    def render(self, view: View, now: float) -> bytes:
        self.renderings += 1
        return landing_page(view, now, 3600.0)

    def listed(self) -> set[str]:
        return {one["token_id"] for one in json.loads(self.tokens.body())}


def test_the_page_is_rendered_once_a_second_unless_the_state_changes() -> None:
    scene = Scene()
    first = scene.page.body()
    assert all(scene.page.body() is first for _ in range(100))
    assert scene.renderings == 1
    scene.ledger.failed("1", a_failure(), NOW)
    assert b"HTTP 500" in scene.page.body()
    scene.clock.advance(1)
    scene.page.body()
    assert scene.renderings == 3


def test_a_user_that_cannot_be_rendered_is_left_out_of_the_page_and_counted_once() -> None:
    scene = Scene()
    scene.ledger.succeeded("50", (BAD_FOR_THE_PAGE,), NOW)
    page = scene.page.body().decode()
    assert "pt-bad" not in page
    assert page.count("<code>pt-") == 10
    assert scene.refusals.internal_errors == {"render": 1}
    # Bisection: the first attempt, two for each of the seven halvings of 100, the other organization, the page itself.
    assert scene.renderings <= 1 + 2 * 7 + 2 + 1
    scene.clock.advance(1)
    before = scene.renderings
    scene.page.body()
    assert scene.renderings == before + 1
    assert scene.refusals.internal_errors == {"render": 1}
    scene.ledger.succeeded("50", (a_token("pt-good", expires_in=100),), NOW + 1)
    assert "pt-good" in scene.page.body().decode()


def test_users_that_cannot_be_rendered_are_left_out_of_the_list_of_tokens() -> None:
    scene = Scene()
    every_token = {f"pt-{user.user_id}" for user in USERS}
    assert scene.listed() == every_token
    for user_id in ("3", "97"):
        scene.ledger.succeeded(user_id, (BAD,), NOW)
    assert scene.listed() == every_token - {"pt-3", "pt-97"}
    assert scene.refusals.internal_errors == {"render": 2}
    scene.ledger.succeeded("4", (BAD,), NOW)
    assert scene.listed() == every_token - {"pt-3", "pt-4", "pt-97"}
    assert scene.refusals.internal_errors == {"render": 3}


def test_an_exception_without_a_failing_user_is_raised() -> None:
    scene = Scene()

    def broken(_: View, __: float) -> bytes:
        raise RuntimeError("template")

    scene.store.replace([])
    with pytest.raises(RuntimeError, match="template"):
        CachedView(scene.store, scene.clock, scene.refusals, broken).body()
