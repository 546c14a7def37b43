"""Levels of permissions, and how long tokens grant them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import DAY, HOUR, NOW, a_token

from exporter.model.permission import granted, permission_expiry, permission_lost, permission_tokens
from exporter.model.token import NEVER, Token

READ, READ_WRITE = "base_user_read", "base_user_read_write"


@pytest.mark.parametrize(
    ("listed", "grants"),
    [
        ((), ()),
        ((READ,), (READ,)),
        ((READ_WRITE,), (READ, READ_WRITE)),
        ((READ, READ_WRITE), (READ, READ_WRITE)),
        ((READ_WRITE, "lingma_chat_read"), (READ, READ_WRITE, "lingma_chat_read")),
        # Only these two endings are levels.
        (("base_user_write", "base_user_readwrite", "base_read_write_user"), None),
        (("base_user_READ_WRITE", "张三_read_writ"), None),
        (("张三_read_write",), ("张三_read", "张三_read_write")),
    ],
)
def test_read_write_includes_read(listed: tuple[str, ...], grants: tuple[str, ...] | None) -> None:
    assert granted(listed) == (tuple(sorted(listed)) if grants is None else grants)


def test_read_in_2_days_and_read_write_in_300_days() -> None:
    tokens = (
        a_token("1", expires_in=2 * DAY, permissions=(READ,)),
        a_token("2", expires_in=300 * DAY, permissions=(READ_WRITE,)),
    )
    assert permission_tokens(tokens, NOW) == {READ: 2, READ_WRITE: 1}
    assert permission_expiry(tokens, NOW) == {READ: NOW + 2 * DAY, READ_WRITE: NOW + 300 * DAY}
    assert permission_lost(tokens) == {READ: NOW + 300 * DAY, READ_WRITE: NOW + 300 * DAY}


def test_read_outlives_read_write() -> None:
    tokens = (
        a_token("1", expires_in=2 * DAY, permissions=(READ_WRITE,)),
        a_token("2", expires_in=300 * DAY, permissions=(READ,)),
    )
    assert permission_tokens(tokens, NOW) == {READ: 2, READ_WRITE: 1}
    assert permission_expiry(tokens, NOW) == {READ: NOW + 2 * DAY, READ_WRITE: NOW + 2 * DAY}
    assert permission_lost(tokens) == {READ: NOW + 300 * DAY, READ_WRITE: NOW + 2 * DAY}
    # In three days the first token has expired.
    assert permission_tokens(tokens, NOW + 3 * DAY) == {READ: 1, READ_WRITE: 0}
    assert permission_expiry(tokens, NOW + 3 * DAY) == {READ: NOW + 300 * DAY, READ_WRITE: NOW + 2 * DAY}


def test_a_list_with_both_levels_counts_one_token() -> None:
    tokens = (a_token(permissions=(READ, READ_WRITE)),)
    assert permission_tokens(tokens, NOW) == {READ: 1, READ_WRITE: 1}


@pytest.mark.parametrize(
    ("expiries", "lost"),
    [
        ((2 * DAY,), 2 * DAY),
        ((2 * DAY, 300 * DAY, -DAY), 300 * DAY),
        ((-9 * DAY, -2 * DAY), -2 * DAY),  # lost two days ago
        ((2 * DAY, NEVER), NEVER),
        ((-DAY, NEVER), NEVER),
        ((2 * DAY, None), 2 * DAY),
        ((-DAY, None), -DAY),
    ],
)
def test_a_permission_is_lost_with_the_last_token(expiries: tuple[float | None, ...], lost: float) -> None:
    tokens = tuple(a_token(str(number), expires_in=one, permissions=(READ,)) for number, one in enumerate(expiries))
    assert permission_lost(tokens) == permission_lost(tokens[::-1]) == {READ: NOW + lost}


def test_without_a_readable_expiry_it_is_not_known_when_a_permission_is_lost() -> None:
    assert permission_lost((a_token(expires_in=None, permissions=(READ,)),)) == {}


def test_tokens_that_are_only_counted_expire_later_so_only_never_is_certain() -> None:
    tokens = (
        a_token("1", expires_in=DAY, permissions=(READ_WRITE,)),
        a_token("2", expires_in=NEVER, permissions=(READ,)),
    )
    assert permission_lost(tokens, more=0) == {READ: NEVER, READ_WRITE: NOW + DAY}
    assert permission_lost(tokens, more=1) == {READ: NEVER}


def test_a_permission_expires_with_the_first_unexpired_token() -> None:
    tokens = (a_token("1", expires_in=50 * DAY), a_token("2", expires_in=5 * DAY), a_token("3", expires_in=-DAY))
    assert permission_expiry(tokens, NOW) == {"base_user_read": NOW + 5 * DAY}


def test_an_expired_permission_shows_the_latest_expiry() -> None:
    tokens = (a_token("1", expires_in=-9 * DAY), a_token("2", expires_in=-2 * DAY))
    assert permission_expiry(tokens, NOW) == {"base_user_read": NOW - 2 * DAY}


def test_a_permission_granted_only_by_tokens_that_never_expire_never_expires() -> None:
    tokens = (a_token("1", expires_in=NEVER), a_token("2", expires_in=-DAY), a_token("3", expires_in=None))
    assert permission_expiry(tokens, NOW) == {"base_user_read": math.inf}


def test_a_token_that_never_expires_does_not_hide_one_that_expires() -> None:
    assert permission_expiry((a_token("1", expires_in=NEVER), a_token("2", expires_in=HOUR)), NOW) == {
        "base_user_read": NOW + HOUR
    }


def test_a_token_with_unreadable_expiry_counts_but_has_no_expiry() -> None:
    tokens = (a_token(expires_in=None),)
    assert permission_expiry(tokens, NOW) == {}
    assert permission_tokens(tokens, NOW) == {"base_user_read": 1}


def test_expired_tokens_do_not_count_for_permissions() -> None:
    tokens = (
        a_token("1", expires_in=-DAY, permissions=("lingma_kbFile_read",)),
        a_token("2", permissions=("lingma_kbFile_read", "lingma_chat_read")),
        a_token("3", expires_in=NEVER, permissions=("lingma_chat_read",)),
        a_token("4", expires_in=-DAY, permissions=("lingma_feedback_read",)),
    )
    assert permission_tokens(tokens, NOW) == {"lingma_kbFile_read": 1, "lingma_chat_read": 2, "lingma_feedback_read": 0}


expiries = st.one_of(st.none(), st.just(NEVER), st.integers(-5, 5).map(lambda days: NOW + days * DAY))
some_tokens = st.lists(
    st.builds(
        Token,
        token_id=st.sampled_from("abc"),
        name=st.sampled_from("xy"),
        permissions=st.sets(st.sampled_from([READ, READ_WRITE, "base_license_read"])).map(
            lambda names: tuple(sorted(names))
        ),
        expires_at=expiries,
    ),
    max_size=6,
).map(tuple)


def grants(token: Token, permission: str) -> bool:
    return permission in token.permissions or (permission == READ and READ_WRITE in token.permissions)


@given(some_tokens)
def test_count_expiry_and_loss_agree_with_their_definitions(tokens: tuple[Token, ...]) -> None:
    counts, soonest, lost = permission_tokens(tokens, NOW), permission_expiry(tokens, NOW), permission_lost(tokens)
    every = (READ, READ_WRITE, "base_license_read")
    assert counts.keys() == {name for name in every if any(grants(token, name) for token in tokens)}
    for name in every:
        granting = [token for token in tokens if grants(token, name)]
        assert counts.get(name, 0) == sum(one.expires_at is None or one.expires_at > NOW for one in granting)
        readable = [token.expires_at for token in granting if token.expires_at is not None]
        alive = [expiry for expiry in readable if expiry > NOW]
        assert lost.get(name) == max(readable, default=None)
        assert soonest.get(name) == (min(alive) if alive else max(readable, default=None))


def test_a_token_with_unreadable_expiry_does_not_hide_the_permissions_of_others() -> None:
    unread, good = (
        a_token("1", expires_in=None),
        a_token("2", expires_in=DAY, permissions=("base_user_read", "lingma_chat_read")),
    )
    for tokens in ((unread, good), (good, unread)):
        assert permission_expiry(tokens, NOW) == {"base_user_read": NOW + DAY, "lingma_chat_read": NOW + DAY}
