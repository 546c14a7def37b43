"""The landing page."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.builders import DAY, HOUR, NOW, ManualClock, a_failure, a_key, a_token
from support.web import CountedRefusals

from exporter.model.snapshot import View
from exporter.model.token import NEVER, Token
from exporter.model.user import User
from exporter.state.ledger import Ledger
from exporter.state.store import Store
from exporter.state.token_index import TokenIndex
from exporter.web import page
from exporter.web.page import LandingPage, landing_page

if TYPE_CHECKING:
    from exporter.state.token_index import Overview


def a_page(ledger: Ledger, now: float = NOW) -> str:
    index = TokenIndex(lambda: View((ledger.view(),)))
    return landing_page(index.overview(now, HOUR, soonest=10, failing=20), now).decode()


def test_only_the_next_ten_tokens_to_expire_are_listed() -> None:
    ledger = Ledger("acme", [User("1", "li.wei")])
    tokens = [a_token(f"pt-{day:02}", expires_in=day * DAY) for day in range(1, 13)]
    tokens += [a_token("pt-expired", expires_in=-1), a_token("pt-never", expires_in=NEVER)]
    ledger.succeeded("1", tuple(tokens), NOW)
    page = a_page(ledger)
    assert [f"pt-{day:02}" in page for day in range(1, 13)] == [True] * 10 + [False] * 2
    assert "pt-expired" not in page
    assert "pt-never" not in page
    assert "expires in 1d" in page


def test_each_of_these_tokens_shows_which_permissions_are_lost_with_it() -> None:
    ledger = Ledger("acme", [User("1", "li.wei")])
    soon = a_token("pt-soon", expires_in=2 * DAY, permissions=("base_user_read",))
    late = a_token("pt-late", expires_in=300 * DAY, permissions=("base_user_read_write",))
    ledger.succeeded("1", (soon, late), NOW)
    # NOW is 2026-06-01, and 300 days later it is 2027-03-28.
    stays = "base_user_read: stays until 2027-03-28T00:00:00Z through other tokens"
    lost = "base_user_read, base_user_read_write: lost at 2027-03-28T00:00:00Z"
    assert [f"{words}</td></tr>" in a_page(ledger) for words in (stays, lost)] == [True, True]


def test_failing_users_are_listed_with_their_reason_and_names_are_escaped() -> None:
    ledger = Ledger("acme", [User("1", "<b>li</b>")])
    ledger.failed("1", a_failure(), NOW - 2 * HOUR)
    page = a_page(ledger)
    assert "Users with failing polls" in page
    assert "&lt;b&gt;li&lt;/b&gt;" in page
    assert "HTTP 500" in page
    assert "<td>2h</td><td>never</td>" in page


def test_a_page_before_the_first_sweep_says_so() -> None:
    page = a_page(Ledger("acme", [User("1", "li.wei")]))
    assert "The first sweep is still running" in page
    assert "No token expires in the future." in page


def test_descriptions_are_shown_and_escaped() -> None:
    ledger = Ledger("acme", [User("1", "li.wei")])
    ledger.succeeded("1", (replace(a_token("pt-1", expires_in=DAY), description="<b>builds</b>"), a_token("pt-2")), NOW)
    page = a_page(ledger)
    assert '<td>ci<br><span class="soft">&lt;b&gt;builds&lt;/b&gt;</span></td>' in page
    assert "<td>ci</td>" in page


def test_ssh_keys_are_among_the_next_to_expire_but_in_no_count_of_tokens() -> None:
    ledger = Ledger("acme", [User("1", "li.wei")])
    ledger.succeeded("1", (), NOW, (a_key("501"),))
    page = a_page(ledger)
    assert 'laptop <span class="soft">(SSH key)</span>' in page
    assert "<code>501</code>" in page
    assert '<td class="number">1</td>' in page  # the user
    assert page.count('<td class="number">1</td>') == 1


def test_control_characters_and_characters_that_turn_text_around_are_not_shown() -> None:
    ledger = Ledger("acme", [User("1", "li\u202ewei"), User("2\x07", "wang\x1b")])
    token = replace(a_token("pt-\x001", expires_in=DAY), name="ci\u2028", description="a\u2066b\u3000c")
    ledger.succeeded("1", (token,), NOW)
    ledger.failed("2\x07", a_failure(), NOW)
    page = a_page(ledger)
    shown = ("li\ufffdwei", "2\ufffd", "wang\ufffd", "pt-\ufffd1", "ci\ufffd", "a\ufffdb\u3000c")
    assert [text in page for text in shown] == [True] * 6
    assert not [char for char in page if not char.isprintable() and char not in "\n\u3000"]


USERS = [User(str(number), f"user{number}") for number in range(100)]
BAD = Token("pt-bad", "ci", (None,), 1.0, NOW + 1)  # type: ignore[arg-type] # a defect


class Scene:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = ManualClock()
        self.refusals = CountedRefusals(self.clock)
        store = Store()
        self.ledger = Ledger("acme", USERS)
        store.replace([self.ledger, Ledger("globex", [])])
        for number, user in enumerate(USERS):
            tokens = (a_token(f"pt-{user.user_id}", expires_in=DAY + number),)
            self.ledger.succeeded(user.user_id, tokens, NOW)
        self.renderings = 0
        self.page = LandingPage(TokenIndex(store.view), self.clock, self.refusals, lambda: HOUR)
        monkeypatch.setattr(page, "landing_page", self.render)

    def render(self, overview: Overview, now: float, *_: object) -> bytes:
        self.renderings += 1
        return landing_page(overview, now)

    def text(self) -> str:
        return self.page.body().decode()


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


def test_the_page_is_rendered_once_a_second_unless_the_state_changes(scene: Scene) -> None:
    first = scene.page.body()
    assert all(scene.page.body() is first for _ in range(100))
    assert scene.renderings == 1
    scene.ledger.failed("1", a_failure(), NOW)
    assert "HTTP 500" in scene.text()
    scene.clock.advance(1)
    scene.page.body()
    assert scene.renderings == 3


def test_a_user_that_cannot_be_rendered_is_left_out_and_counted_once(scene: Scene) -> None:
    scene.ledger.succeeded("50", (BAD,), NOW)
    shown = scene.text()
    assert "pt-bad" not in shown
    assert re.findall(r"<code>pt-(\d+)</code>", shown) == [str(number) for number in range(10)]
    assert scene.refusals.internal_errors == {"render": 1}
    # The whole page, each of its ten rows, and the page without the one that fails.
    assert scene.renderings == 1 + 10 + 1
    scene.clock.advance(0.5)
    scene.ledger.failed("60", a_failure(), NOW)
    assert "pt-bad" not in scene.text()
    assert scene.renderings == 13
    assert scene.refusals.internal_errors == {"render": 1}
    scene.ledger.succeeded("50", (a_token("pt-good", expires_in=100),), NOW + 1)
    assert "pt-good" in scene.text()


def test_others_take_the_places_of_any_number_of_users_that_cannot_be_rendered(scene: Scene) -> None:
    for number in range(25):
        scene.ledger.succeeded(str(number), (BAD,), NOW)
    assert re.findall(r"<code>pt-(\d+)</code>", scene.text()) == [str(number) for number in range(25, 35)]
    assert scene.refusals.internal_errors == {"render": 25}


def test_an_exception_without_a_failing_user_is_raised(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(overview: Overview, *_: object) -> bytes:
        if overview.soonest[1:]:
            raise RuntimeError("template")
        return b""

    monkeypatch.setattr(page, "landing_page", broken)
    with pytest.raises(RuntimeError, match="template"):
        scene.page.body()
