"""What a user loses with a token, in words. NOW is 2026-06-01T00:00:00Z."""

from __future__ import annotations

from support.builders import DAY, NOW, a_key, a_state, a_token, a_user

from exporter.model.loss import Losses
from exporter.model.state import UserState
from exporter.model.token import NEVER, Token

READ, READ_WRITE = "base_user_read", "base_user_read_write"


def words(token: Token, *others: Token, now: float = NOW) -> str:
    return Losses(a_state(token, *others)).words(token, now)


def test_the_only_token_takes_its_permissions_with_it() -> None:
    token = a_token(expires_in=2 * DAY, permissions=(READ_WRITE,))
    assert words(token) == "base_user_read, base_user_read_write: lost at 2026-06-03T00:00:00Z"
    assert words(token, now=NOW + 2 * DAY) == "base_user_read, base_user_read_write: lost since 2026-06-03T00:00:00Z"


def test_read_stays_through_a_token_with_read_write() -> None:
    # 300 days after 2026-06-01: 29 + 31 + 31 + 30 + 31 + 30 + 31 to the end of 2026, 31 + 28 + 28 of 2027
    token, other = (
        a_token(expires_in=2 * DAY, permissions=(READ,)),
        a_token("2", expires_in=300 * DAY, permissions=(READ_WRITE,)),
    )
    assert words(token, other) == "base_user_read: stays until 2027-03-28T00:00:00Z through other tokens"


def test_write_is_lost_and_read_stays() -> None:
    token = a_token(expires_in=2 * DAY, permissions=(READ_WRITE,))
    later, never = (
        a_token("2", expires_in=9 * DAY, permissions=(READ,)),
        a_token("3", expires_in=NEVER, permissions=(READ,)),
    )
    lost = "base_user_read_write: lost at 2026-06-03T00:00:00Z"
    assert words(token, later) == f"{lost}; base_user_read: stays until 2026-06-10T00:00:00Z through other tokens"
    assert words(token, later, never) == f"{lost}; base_user_read: stays through other tokens that never expire"


def test_an_expired_token_whose_permission_another_granted_for_longer() -> None:
    token, longer = (
        a_token(expires_in=-9 * DAY, permissions=(READ,)),
        a_token("2", expires_in=-2 * DAY, permissions=(READ,)),
    )
    assert words(token, longer) == "base_user_read: lost since 2026-05-30T00:00:00Z"


def test_a_token_of_unknown_expiry_may_keep_a_permission() -> None:
    token, unread = (
        a_token(expires_in=DAY, permissions=(READ,)),
        a_token("2", expires_in=None, permissions=(READ_WRITE,)),
    )
    unclear = "base_user_read: unclear, since the expiry of other tokens is not known"
    assert words(token, unread) == unclear
    never = a_token("3", expires_in=NEVER, permissions=(READ,))
    assert words(token, unread, never) == "base_user_read: stays through other tokens that never expire"
    # So may one that is only counted.
    cut = UserState(a_user()).succeeded((token, a_token("2", expires_in=9 * DAY)), NOW, most=1)
    assert Losses(cut).words(token, NOW) == unclear


def test_an_expired_token_that_is_only_counted_changes_nothing() -> None:
    token = a_token(expires_in=DAY, permissions=(READ,))
    cut = UserState(a_user()).succeeded((token, a_token("2", expires_in=-DAY)), NOW, most=1)
    assert Losses(cut).words(token, NOW) == "base_user_read: lost at 2026-06-02T00:00:00Z"


def test_at_most_ten_permissions_are_named_those_lost_first() -> None:
    # 24 permissions with both levels: those that only the first token grants are lost, the others stay.
    lost = tuple(f"base_{number:02}_read_write" for number in range(6))
    token = a_token(expires_in=DAY, permissions=(*lost, *(f"a_{number}_read" for number in range(12))))
    other = a_token("2", expires_in=NEVER, permissions=tuple(f"a_{number}_read" for number in range(12)))
    text = words(token, other)
    assert text.startswith("base_00_read, base_00_read_write, base_01_read,")
    assert text.endswith(": lost at 2026-06-02T00:00:00Z; and 14 more")
    assert text.count("read") == 10


def test_a_token_without_permissions_takes_none() -> None:
    assert words(a_token(permissions=())) == ""


def test_the_scope_of_an_ssh_key_is_no_permission_that_is_lost() -> None:
    key = a_key(expires_in=DAY)
    assert Losses(a_state(keys=(key,))).words(key, NOW) == ""
