from __future__ import annotations

import pytest

from exporter.platform.yunxiao.login import is_login_page, leads_to_login


@pytest.mark.parametrize(
    "location",
    [
        "/login",
        "/users/sign_in?next=%2Foapi",
        "https://signin.aliyun.com/1234/login.htm",
        "https://passport.example/",
        "https://sso.example:8443/x",
        "/SSO/start",
        "https://account.example/oauth2/authorize?client_id=1",
        "https://devops.example/users/log-in",
        "/log%69n",
        "//login.example",
    ],
)
def test_a_host_or_path_of_a_login_page_is_recognized(location: str) -> None:
    assert leads_to_login(location)


@pytest.mark.parametrize(
    "location",
    [
        "",
        "/",
        "https://devops.example/oapi/v1/platform/user",
        "https://lessons.example/blossom",
        "https://devops.example/error?from=login",
        "https://catalog.internal/",
        "https://[::1/login",
        "https://devops.example/" + "x" * 3000 + "login",
    ],
)
def test_other_places_are_not(location: str) -> None:
    assert not leads_to_login(location)


@pytest.mark.parametrize(
    "page",
    [
        "<html><head><title>Sign in</title></head></html>",
        "<html><form action='/users/login'></html>",
        '<html><input type="password"></html>',
        "<html><title>登录 - 云效</title></html>",
        "<html><title>登陆</title></html>",
    ],
)
def test_a_page_that_asks_to_log_in_is_recognized(page: str) -> None:
    assert is_login_page(page.encode())


@pytest.mark.parametrize(
    "page", ["<html><h1>502 Bad Gateway</h1></html>", "<html>云效</html>", "<html>" + " " * 70_000 + "login"]
)
def test_other_pages_are_not(page: str) -> None:
    assert not is_login_page(page.encode())
