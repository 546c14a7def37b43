"""Relative addresses."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest

from exporter.web.urls import Urls


@pytest.mark.parametrize("path", ["/", "/tokens", "/users/acme/1", "/tokens/a%2Fb/pt-1"])
@pytest.mark.parametrize("prefix", ["", "/prefix", "/a/b"])
def test_addresses_lead_to_the_same_page_from_everywhere(path: str, prefix: str) -> None:
    urls = Urls(path, statics={"page.css": "page.0.css"})
    base = f"https://x{prefix}{path}"
    assert urljoin(base, urls.root) == f"https://x{prefix}/"
    assert urljoin(base, urls.page("tokens", state="active", q="")) == f"https://x{prefix}/tokens?state=active"
    assert urljoin(base, urls.user("a/b", "?#")) == f"https://x{prefix}/users/a%2Fb/%3F%23"
    assert urljoin(base, urls.token("acme", "pt-*")) == f"https://x{prefix}/tokens/acme/pt-%2A"
    assert urljoin(base, urls.static("page.css")) == f"https://x{prefix}/static/page.0.css"


def test_a_changed_query_begins_with_the_first_page() -> None:
    values = {"q": "a b", "cursor": "x", "sort": "user"}
    assert Urls("/tokens").here(values, sort="-user") == "?q=a+b&sort=-user"
    assert Urls("/tokens").here({}, sort="") == "?"


def test_dashboards() -> None:
    assert Urls("/").dashboard() == ""
    urls = Urls("/", "https://g/")
    assert urls.dashboard() == "https://g/d/yunxiao-tokens"
    assert urls.dashboard("a&b", "li wei") == "https://g/d/yunxiao-tokens?var-organization=a%26b&var-user=li+wei"
