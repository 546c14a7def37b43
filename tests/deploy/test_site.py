"""The documentation site builds without a broken link, in both languages, and needs no Internet."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest
from conftest import needed
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> Any:
    spec = importlib.util.spec_from_file_location("build_site", ROOT / "scripts/build_site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needed("mkdocs")
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/build_site.py", out], capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING  -" not in done.stderr
    return out


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("docs/web.md", "[a](commands.md#formats)", "[a](commands.md#formats)"),
        ("docs/web.md", "[a](../README.md#alerts)", "[a](index.md#alerts)"),
        ("README.md", "![a](docs/images/page.png)", "![a](images/page.png)"),
        ("README.md", "[a](docs/runbooks/README.md)", "[a](runbooks/README.md)"),
        ("README.md", "[中文](README.zh-CN.md)", '<a href="zh/index.html">中文</a>'),
        ("README.zh-CN.md", "[English](README.md)", '<a href="../index.html">English</a>'),
        ("docs/runbooks/zh/X.md", "[a](../../platform.md#b)", "[a](../platform.md#b)"),
        ("docs/runbooks/zh/X.md", "[en](../X.md)", '<a href="../../runbooks/X.html">en</a>'),
        ("docs/runbooks/README.md", "[中文](zh/README.md)", '<a href="../zh/runbooks/index.html">中文</a>'),
        ("README.md", "[中文](docs/runbooks/zh/README.md)", '<a href="zh/runbooks/index.html">中文</a>'),
        ("docs/zh/scaling.md", "[a](configuration.md)", "[a](configuration.md)"),
        ("docs/zh/scaling.md", "[a](../runbooks/zh/X.md)", "[a](runbooks/X.md)"),
        ("docs/web.md", "[a](https://example.com/x.md) [b](#c)", "[a](https://example.com/x.md) [b](#c)"),
        ("docs/web.md", "```\n[a](../README.md)\n```", "```\n[a](../README.md)\n```"),
        (
            "docs/web.md",
            "[a](../CONTRIBUTING.md)",
            "[a](https://github.com/yunxiao-token-exporter/yunxiao-token-exporter/blob/main/CONTRIBUTING.md)",
        ),
        (
            "docs/web.md",
            "[a](../deploy/alertmanager)",
            "[a](https://github.com/yunxiao-token-exporter/yunxiao-token-exporter/tree/main/deploy/alertmanager)",
        ),
    ],
)
def test_links_lead_to_the_page_of_the_same_language(script: Any, path: str, text: str, expected: str) -> None:
    assert script.relink(text, path) == expected


def test_each_document_is_a_page_in_both_languages(site: Path) -> None:
    for document in (ROOT / "docs").glob("*.md"):
        page = f"{document.stem}.html"
        assert (site / page).is_file()
        assert (site / "zh" / page).is_file()


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    loaded = re.compile(
        r"<(?:script|img|iframe|source)[^>]+src=\"?(https?:[^\"\s>]+)|<link[^>]+href=\"?(https?:[^\"\s>]+)"
    )
    pages = list(site.rglob("*.html"))
    assert len(pages) > 60
    for page in pages:
        found = {one or other for one, other in loaded.findall(page.read_text("utf-8"))}
        assert not {one for one in found if not one.startswith("https://yunxiao-token-exporter.github.io/")}, page


@pytest.mark.parametrize(
    ("start", "language", "words", "expected"),
    [
        ("/index.html", "en", "certificate authorities", "/configuration.html"),
        ("/zh/index.html", "zh", "已过期", "/zh/runbooks/YunxiaoTokenExpired.html"),
    ],
)
def test_search_finds_words_of_both_languages(
    address: str, start: str, language: str, words: str, expected: str
) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=needed("chromium"), args=["--no-sandbox"])
        try:
            page = browser.new_page()
            elsewhere: list[str] = []
            page.on("request", lambda request: elsewhere.append(request.url) if address not in request.url else None)
            page.goto(f"{address}{start}?q={quote(words)}")
            assert page.locator("html").get_attribute("lang") == language
            result = page.locator(".md-search-result__link").first
            result.wait_for(timeout=20_000)
            links = page.locator(".md-search-result__link")
            targets = {str(links.nth(number).get_attribute("href")) for number in range(links.count())}
            assert all(target.startswith(address) and "undefined" not in target for target in targets)
            assert [target for target in targets if expected in unquote(target)]
            assert [url for url in elsewhere if not url.startswith(("data:", "blob:"))] == []
        finally:
            browser.close()
