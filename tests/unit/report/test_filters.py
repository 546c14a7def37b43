from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import DAY, NOW, a_token

from exporter.common.regex import compiled_regex
from exporter.model.token import NEVER, TokenState
from exporter.model.user import Owner, User
from exporter.report.filters import TokenFilter, pattern

LI = User("u-1", "li.wei", owner=Owner("Li.Wei@acme.com", "Payments 支付", "liwei"))
ZHANG = User("u-2", "张三")


def users(found: TokenFilter) -> list[str]:
    return [user.user_id for user in (LI, ZHANG) if found.fits_user("acme", user)]


def test_without_a_condition_everything_fits() -> None:
    assert users(TokenFilter()) == ["u-1", "u-2"]
    assert TokenFilter().fits_token(a_token(expires_in=-DAY), NOW)
    assert not TokenFilter().selects_users


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("u-1",), ["u-1"]),
        (("li.wei",), ["u-1"]),
        (("LI.*",), ["u-1"]),
        (("li",), []),
        (("liXwei",), []),
        (("张?",), ["u-2"]),
        (("u-?",), ["u-1", "u-2"]),
        (("u-1", "u-2"), ["u-1", "u-2"]),
    ],
)
def test_users_by_id_or_name(texts: tuple[str, ...], expected: list[str]) -> None:
    assert users(TokenFilter(users=texts)) == expected
    assert TokenFilter(users=texts).selects_users


@pytest.mark.parametrize(
    ("text", "expected"), [("li.wei@acme.com", ["u-1"]), ("*支付", ["u-1"]), ("liwei", ["u-1"]), ("*@globex.com", [])]
)
def test_owners_by_email_department_or_user_name(text: str, expected: list[str]) -> None:
    assert users(TokenFilter(owners=(text,))) == expected


def test_a_user_whose_owner_is_unknown_fits_no_owner() -> None:
    assert not TokenFilter(owners=("*",)).fits_user("acme", ZHANG)


def test_every_condition_must_fit() -> None:
    assert users(TokenFilter(organizations=("acme",), users=("li*",))) == ["u-1"]
    assert users(TokenFilter(organizations=("globex",), users=("li*",))) == []


@pytest.mark.parametrize(
    ("text", "fits"), [("code_read", True), ("code_read_write", True), ("code_*", True), ("code", False)]
)
def test_a_permission_includes_those_that_it_implies(text: str, fits: bool) -> None:  # noqa: FBT001
    token = a_token(permissions=("code_read_write",))
    assert TokenFilter(permissions=(text,)).fits_token(token, NOW) is fits


def test_states_and_the_window() -> None:
    tokens = {
        "old": a_token(expires_in=-DAY),
        "soon": a_token(expires_in=DAY),
        "late": a_token(expires_in=DAY + 1),
        "odd": a_token(expires_in=None),
        "never": a_token(expires_in=NEVER),
    }

    def fitting(found: TokenFilter) -> list[str]:
        return [name for name, token in tokens.items() if found.fits_token(token, NOW)]

    assert fitting(TokenFilter(within=DAY)) == ["old", "soon", "odd"]
    assert fitting(TokenFilter(within=DAY, expired=False)) == ["soon", "odd"]
    assert fitting(TokenFilter(states=(TokenState.NEVER_EXPIRES, TokenState.EXPIRED))) == ["old", "never"]


@pytest.mark.parametrize("text", ["*" * 100_000, "\udcff", "\udcff*"])
def test_odd_patterns_are_no_error(text: str) -> None:
    assert users(TokenFilter(users=(text,))) == (["u-1", "u-2"] if text.startswith("**") else [])


@given(st.text("ab*?.[]\\\nÄä", max_size=8), st.text("ab.[]\\\nÄä", max_size=8))
def test_a_pattern_is_a_shell_pattern_without_brackets(text: str, value: str) -> None:
    shell = "".join(f"[{char}]" if char == "[" else char for char in text.casefold())
    expected = fnmatch.fnmatchcase(value.casefold(), shell)
    assert (compiled_regex(pattern(text)).fullmatch(value) is not None) is expected
