"""The landing page."""

from __future__ import annotations

from dataclasses import replace

from support.builders import DAY, HOUR, NOW, a_failure, a_key, a_token

from exporter.model.snapshot import View
from exporter.model.token import NEVER
from exporter.model.user import User
from exporter.state.ledger import Ledger
from exporter.web.page import landing_page


def a_page(ledger: Ledger, now: float = NOW) -> str:
    return landing_page(View((ledger.view(),)), now, HOUR).decode()


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
