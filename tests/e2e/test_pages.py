"""The pages in a real browser: with and without JavaScript, on a phone, in both languages and themes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

import pytest
from playwright.sync_api import sync_playwright
from support.running import ROOT, Running, free_port, get, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    port = free_port()
    arguments = [sys.executable, "-m", "exporter", "demo", "--no-lively", "--web.listen-address", f"127.0.0.1:{port}"]
    with Running(arguments, cwd=ROOT) as running:
        wait_until(lambda: "sweep completed" in running.output)
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complains of, and the addresses that it asks for."""
    return []


def opened(browser: Browser, complaints: list[str], **options: Any) -> Page:
    page = browser.new_context(**options).new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    # The browser itself aborts what is not loaded yet when it leaves a page.
    page.on("requestfailed", lambda it: complaints.append(it.url) if it.failure != "net::ERR_ABORTED" else None)
    return page


def paths(demo: str) -> list[str]:
    token = get(f"{demo}/api/v1/tokens?state=active&limit=1").json()[0]
    subjects = (f"/users/demo/{token['user_id']}", f"/tokens/demo/{token['token_id']}")
    return ["/", "/tokens", "/violations", "/users", "/changes", *subjects]


def test_every_page_fits_every_screen(demo: str, browser: Browser, complaints: list[str]) -> None:
    for locale, scheme, width in (("en-US", "light", 390), ("zh-CN", "dark", 390), ("zh-CN", "light", 1280)):
        page = opened(
            browser,
            complaints,
            locale=locale,
            color_scheme=cast("Any", scheme),
            viewport={"width": width, "height": 800},
        )
        for path in paths(demo):
            page.goto(demo + path)
            assert page.locator("html").get_attribute("lang") == {"en-US": "en", "zh-CN": "zh-Hans"}[locale]
            root = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
            assert root[0] <= root[1], (path, locale, width)
        background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 23, 30)"}[scheme]
    assert complaints == []


def test_the_expiry_is_seen_on_a_phone(demo: str, browser: Browser, complaints: list[str]) -> None:
    page = opened(browser, complaints, viewport={"width": 390, "height": 800})
    page.goto(f"{demo}/tokens?state=active")
    row = page.locator("table.list tbody tr").first
    box = row.locator("td.c-expires").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 390
    assert "UTC" in row.locator("td.c-expires").inner_text()
    assert not row.locator("td.c-permissions").is_visible()


def test_filters_sorts_and_pages_work_without_javascript(demo: str, browser: Browser, complaints: list[str]) -> None:
    page = opened(browser, complaints, java_script_enabled=False)
    page.goto(f"{demo}/tokens")
    page.get_by_role("searchbox", name="Search").fill("ci")
    page.get_by_label("State").select_option("active")
    page.get_by_role("button", name="Apply").click()
    names = page.locator("td.c-token a").all_inner_texts()
    everything = get(f"{demo}/api/v1/tokens?q=ci&state=active").json()
    assert names == [one["token"] or one["token_id"] for one in everything[:50]]
    page.get_by_role("link", name="Token", exact=True).click()
    assert page.locator("th.c-token").get_attribute("aria-sort") == "ascending"
    assert page.get_by_role("searchbox", name="Search").input_value() == "ci"
    page.locator("td.c-token a").first.click()
    assert page.locator("h1").inner_text().startswith("Token ")
    page.get_by_role("link", name="中文").click()
    assert page.locator("h1").inner_text().startswith("令牌 ")
    page.get_by_role("link", name="概览").click()
    assert page.locator("html").get_attribute("lang") == "zh-Hans"
    assert complaints == []


def test_the_script_submits_choices_and_finds_the_search(demo: str, browser: Browser, complaints: list[str]) -> None:
    page = opened(browser, complaints)
    page.goto(f"{demo}/users")
    page.keyboard.press("/")
    page.keyboard.type("li")
    with page.expect_navigation():
        page.get_by_label("Status").select_option("ok")
    # Empty fields are left out.
    assert page.url == f"{demo}/users?q=li&status=ok&limit=50"
    assert complaints == []


def test_the_keyboard_reaches_the_content_first(demo: str, browser: Browser, complaints: list[str]) -> None:
    page = opened(browser, complaints)
    page.goto(f"{demo}/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    for link, text in (("Ready", "is ready"), ("Metrics", "yunxiao_user_up"), ("API", "openapi")):
        page.goto(f"{demo}/")
        page.get_by_role("link", name=link, exact=True).click()
        assert text in page.content()
