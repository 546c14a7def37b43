"""The pages, over a state in memory."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from support.builders import DAY, HOUR, NOW, ManualClock, a_failure, a_key, a_token
from support.pages import AppWorld

from exporter.model.event import Change, Event
from exporter.model.state import Failure, Reason
from exporter.model.token import NEVER
from exporter.model.user import Owner, User

if TYPE_CHECKING:
    from exporter.model.token import Token

LI = User("1", "li.wei", (("team", "a"),), None, Owner("li@x.com", "Ops", "liwei"))
LISTS = ("/tokens", "/violations", "/users", "/changes")


def a_world(*tokens: Token, user: User = LI) -> AppWorld:
    world = AppWorld()
    world.watch("acme", user).succeeded(user.user_id, tokens, NOW)
    world.index.prepare(NOW)
    return world


def text_of(page: str) -> str:
    """What a reader sees, without addresses and tooltips."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page.replace("<wbr>", ""))))


class Attributes(HTMLParser):
    """The names of all attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.feed(page)

    def handle_starttag(self, _: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {name for name, _ in attrs}


@pytest.fixture
def world() -> AppWorld:
    return a_world(
        a_token("pt-soon", expires_in=2 * DAY, age=30 * DAY, name="deploy", permissions=("base_user_read_write",)),
        a_token("pt-never", expires_in=NEVER, name="ci"),
        a_token("pt-old", expires_in=-DAY, name="old"),
    )


def test_the_first_page_shows_the_state_at_a_glance(world: AppWorld) -> None:
    shown = text_of(world.get("/").text)
    for part in ("1 Expire within 7 days", "1 active", "1 expired", "1 never expires", "2 Violations", "0 Users with"):
        assert part in shown
    # 2026-06-03T00:00:00Z is 08:00 in Shanghai.
    assert "deploy pt-soon li.wei li.wei li@x.com base_user_read_write critical in 2d" in shown
    assert "2026-06-03 08:00 +08:00 2026-06-03 00:00 UTC" in shown


def test_the_histogram_counts_each_day_in_the_time_zone(world: AppWorld) -> None:
    page = world.get("/").text
    bars = re.findall(r'<a href="\./tokens\?expires_from=(\S+?)&amp;expires_to=(\S+?)" aria-label="([^"]*)"', page)
    assert bars == [
        ("2026-06-03", "2026-06-03", "2026-06-03: 1"),
        ("2026-06-01", "2026-06-30", "2026-06-01 to 2026-06-30: 1"),
    ]
    linked = world.get("/tokens", "expires_from=2026-06-03&expires_to=2026-06-03").text
    assert "Found: 1" in linked


def test_tokens_with_filters_and_sorts(world: AppWorld) -> None:
    def shown(query: str) -> list[str]:
        return re.findall(r'<code class="soft">(pt-\w+)</code>', world.get("/tokens", query).text)

    assert shown("") == ["pt-old", "pt-soon", "pt-never"]
    assert shown("sort=-expires") == ["pt-never", "pt-soon", "pt-old"]
    assert shown("state=expired") == ["pt-old"]
    assert shown("q=DEP&state=&policy=") == ["pt-soon"]
    assert shown("q=nothing") == []


def test_filters_stay_in_the_form_and_in_links(world: AppWorld) -> None:
    page = world.get("/tokens", "q=d&state=active&limit=20").text
    assert '<input type="search" name="q" value="d"' in page
    assert '<option value="active" selected>' in page
    assert 'href="?q=d&amp;state=active&amp;limit=20&amp;sort=-expires"' in page
    assert 'href="./api/v1/tokens?format=csv&amp;q=d&amp;state=active"' in page
    assert 'href="./api/v1/calendar.ics?q=d"' in page


def test_the_order_is_said_to_screen_readers(world: AppWorld) -> None:
    page = world.get("/tokens", "sort=-created").text
    assert re.findall(r'aria-sort="(\w+)"><a href="([^"]*)">(\w+)', page) == [
        ("descending", "?sort=created", "Created")
    ]


def test_long_lists_have_pages() -> None:
    world = a_world(*(a_token(f"pt-{number:03}", expires_in=DAY + number) for number in range(120)))
    query, seen = "limit=50", list[str]()
    for _ in range(3):
        page = world.get("/tokens", query).text
        seen += re.findall(r'<code class="soft">(pt-\w+)</code>', page)
        found = re.search(r'<a href="\?([^"]*)" rel="next">', page)
        query = "" if found is None else html.unescape(found[1])
    assert seen == [f"pt-{number:03}" for number in range(120)]
    assert not query


@pytest.mark.parametrize("path", LISTS)
def test_a_query_that_cannot_be_answered_is_explained(world: AppWorld, path: str) -> None:
    reply = world.get(path, "foo=%3Cb%3E")
    assert reply.status == 400
    assert "unknown parameter &#39;foo&#39;; known are q," in reply.text


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("value", ["csv", "json"])
def test_pages_have_no_other_format_but_link_to_the_api(world: AppWorld, path: str, value: str) -> None:
    reply = world.get(path, f"format={value}&limit=20")
    assert reply.status == 400
    assert "unknown parameter &#39;format&#39;; known are q," in reply.text
    assert re.search(r'href="\./api/v1/\w+\?format=csv[^"]*">', reply.text)


def test_violations_say_what_is_wrong_and_since_when(world: AppWorld) -> None:
    shown = text_of(world.get("/violations").text)
    assert "forbidden_permissions it grants a forbidden permission 30d ago" in shown
    assert "1 forbidden_permissions critical 0 max_tokens_per_user warning" in shown


def test_without_policies_the_page_of_violations_says_so() -> None:
    world = AppWorld(policies={})
    assert "No policies are configured." in world.get("/violations").text


def test_failing_users_come_first_with_their_reason(world: AppWorld) -> None:
    world.watch("acme", User("0", "aaa"), User("1", "li.wei"), User("2", "zhao"))
    world.ledgers["acme"].failed("2", a_failure(), NOW - 2 * HOUR)
    page = world.get("/users").text
    assert re.findall(r'<td class="c-user">\s*<a href="[^"]*">(\S+)</a>', page) == ["zhao", "aaa", "li.wei"]
    assert "server_error HTTP 500 2h ago" in text_of(page)


def test_an_organization_of_which_no_user_can_be_polled_is_named_on_every_page() -> None:
    world = a_world()
    world.ledgers["acme"].all_failed(Failure(Reason.UNAUTHORIZED, "HTTP 401 <script>"), NOW)
    for path in ("/", *LISTS, "/users/acme/1"):
        page = world.get(path).text
        assert '<p class="banner critical" role="alert"><strong>No user of acme can be polled since' in page
        assert "since 2026-06-01 08:00 +08:00: the platform refuses the exporter&#39;s token." in page
        assert "HTTP 401 &lt;script&gt;. What to do: if all users have it" in page


def test_failures_that_may_be_short_make_no_banner_before_the_alert() -> None:
    world = a_world()
    world.ledgers["acme"].failed("1", a_failure(), NOW)
    # Two sweeps of 15 minutes.
    for later, expected in ((1799, False), (1800, True)):
        world.clock = ManualClock()
        world.clock.advance(later)
        world.served = replace(world.served, clock=world.clock)
        assert ("No user of acme can be polled" in world.get("/users").text) is expected


@pytest.mark.parametrize(
    ("expires_in", "kind"), [(20 * DAY, None), (10 * DAY, "warning"), (2 * DAY, "critical"), (-DAY, "critical")]
)
def test_the_exporters_own_token_is_named_on_every_page_before_it_expires(expires_in: float, kind: str | None) -> None:
    world = a_world()
    world.ledgers["acme"].own_token(NOW + expires_in)
    found = re.findall(r'<p class="banner (\w+)" role="alert"><strong>The exporter', world.get("/users").text)
    assert found == ([] if kind is None else [kind])


def test_changes(world: AppWorld) -> None:
    world.events = [
        Event(NOW - HOUR, "acme", "1", "li.wei", Change.PERMISSIONS_WIDENED, "pt-a", "ci", added=("x_read",))
    ]
    assert "1h ago" in (shown := text_of(world.get("/changes").text))
    assert "permissions widened ci li.wei ci pt-a li.wei gained x_read" in shown
    for path in ("/users/acme/1", "/tokens/acme/pt-soon"):
        expected = path.startswith("/users")
        assert ("gained x_read" in world.get(path).text) is expected


def test_the_page_of_a_user(world: AppWorld) -> None:
    shown = text_of(world.get("/users/acme/1").text)
    for part in ("li@x.com", "liwei", "Ops", "team=a", "fine", "deploy pt-soon", "it grants a forbidden permission",
                 "base_user_read_write: lost at 2026-06-03 08:00 Asia/Shanghai", "Permissions of li.wei"):  # fmt: skip
        assert part in shown


def test_the_page_of_a_token(world: AppWorld) -> None:
    shown = text_of(world.get("/tokens/acme/pt-never").text)
    assert ("ci pt-never" in shown, "it never expires" in shown, "pt-soon" in shown) == (True, True, False)


def test_ids_with_any_characters_have_pages() -> None:
    odd = "a/b ?#%李"
    world = a_world(a_token(odd), user=User(odd, "li"))
    for kind in ("users", "tokens"):
        assert world.get(f"/{kind}/acme/{quote(odd, '')}").status == 200
    assert f'href="../../tokens/acme/{quote(odd, "")}"' in world.get(f"/users/acme/{quote(odd, '')}").text


@pytest.mark.parametrize("path", ["/users/acme/x", "/users/x/1", "/tokens/acme/x", "/tokens/acme", "/tokens/acme/a/b"])
def test_unknown_users_and_tokens(world: AppWorld, path: str) -> None:
    assert world.get(path).status == 404


def test_the_language_is_that_of_the_reader(world: AppWorld) -> None:
    assert '<html lang="en"' in world.get("/").text
    chinese = world.get("/", headers={"Accept-Language": "zh-CN,en;q=0.5"})
    assert '<html lang="zh-Hans"' in chinese.text
    assert ("概览" in chinese.text, chinese.headers["content-language"]) == (True, "zh")
    chosen = world.get("/users", "lang=zh")
    assert chosen.headers["set-cookie"].startswith("yunxiao_lang=zh; HttpOnly; Max-Age=31536000; Path=/; SameSite=lax")
    assert "概览" in world.get("/", headers={"Cookie": "yunxiao_lang=zh", "Accept-Language": "en"}).text
    assert "概览" not in world.get("/", headers={"Cookie": "yunxiao_lang=xx"}).text


def test_the_theme_is_chosen_and_remembered(world: AppWorld) -> None:
    assert 'data-theme="auto"' in world.get("/").text
    chosen = world.get("/tokens", "theme=dark&state=active")
    assert 'data-theme="dark"' in chosen.text
    assert chosen.headers["set-cookie"].startswith("yunxiao_theme=dark;")
    assert 'data-theme="dark"' in world.get("/", headers={"Cookie": "yunxiao_theme=dark"}).text
    assert "set-cookie" not in world.get("/", "theme=%0d%0aX").headers


def test_links_to_grafana_if_it_is_configured() -> None:
    world = AppWorld(web={"grafana_url": "https://g.example.com/grafana/"})
    world.watch("acme", LI).succeeded("1", (), NOW)
    linked = "https://g.example.com/grafana/d/yunxiao-tokens"
    assert f'href="{linked}?var-organization=acme&amp;var-user=li.wei"' in world.get("/users/acme/1").text
    assert f'href="{linked}"' in world.get("/").text
    assert "Grafana" not in a_world().get("/users/acme/1").text


def test_pages_need_nothing_from_elsewhere_and_no_inline_code(world: AppWorld) -> None:
    for path in ("/", *LISTS, "/users/acme/1", "/tokens/acme/pt-soon"):
        reply = world.get(path)
        assert not re.findall(r"<style|<script>|\sstyle=|\son\w+=|javascript:", reply.text)
        assert not [one for one in re.findall(r'(?:src|href)="([^"]*)"', reply.text) if re.match(r"\w+:|//|/", one)]
        policy = reply.headers["content-security-policy"]
        assert ("unsafe-inline" in policy, "default-src 'none'" in policy) == (False, True)


def test_style_sheet_and_script_are_kept_by_browsers(world: AppWorld) -> None:
    page = world.get("/users/acme/1").text
    for kind, name in (("text/css", r"page\.\w{12}\.css"), ("text/javascript", r"page\.\w{12}\.js")):
        found = re.search(rf"\.\./\.\./static/({name})", page)
        assert found is not None
        reply = world.get(f"/static/{found[1]}")
        assert (reply.status, reply.headers["content-type"]) == (200, f"{kind}; charset=utf-8")
        assert "immutable" in reply.headers["cache-control"]
    assert world.get("/static/page.css").status == 404


HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "=cmd|' /C calc'!A0",
    '" onmouseover="alert(1)',
    "{{7*7}}",
    "li\u202e\x07\u2028",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_becomes_markup(name: str) -> None:
    user = User("u", name, (("a", name),), None, Owner(name, name, name))
    token = replace(a_token(name, name=name, permissions=(name,), expires_in=DAY), description=name)
    world = a_world(token, replace(token, expires_at=NEVER), user=user)
    world.events = [Event(NOW, "acme", "u", name, Change.RENAMED, name, name, old_name=name, added=(name,))]
    key = a_key(name)
    world.ledgers["acme"].succeeded("u", world.ledgers["acme"].view().users[0].tokens, NOW, (key,))
    for lang in ("en", "zh"):
        for path in ("/", *LISTS, "/users/acme/u", f"/tokens/acme/{quote(name, '')}"):
            reply = world.get(path, f"lang={lang}")
            assert reply.status == 200
            assert "<img" not in reply.text
            assert not [one for one in Attributes(reply.text).names if one.startswith("on")]
            assert "49" not in text_of(reply.text).replace("1949", "")
            assert not [one for one in reply.text if not one.isprintable() and one not in "\n\u3000"]
        found = world.get("/tokens", f"lang={lang}&q={quote(name)}")
        assert found.status == 200
        assert "<img" not in found.text


def test_a_row_that_cannot_be_made_is_left_out_and_counted_once(world: AppWorld) -> None:
    bad = replace(a_token("pt-bad", expires_in=HOUR), permissions=(None,))  # type: ignore[arg-type] # a defect
    world.watch("acme", LI, User("2", "wang")).succeeded("2", (bad, a_token("pt-good")), NOW)
    replies = world.get_all(["/", "/tokens", "/tokens"])
    assert [("pt-good" in one.text, "pt-bad" in one.text) for one in replies] == [(True, False)] * 3
    assert world.refusals.internal_errors["render"] == 1


def test_a_page_before_the_first_sweep_says_so() -> None:
    assert "The first sweep is still running" in AppWorld().get("/").text
