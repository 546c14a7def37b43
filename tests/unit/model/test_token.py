from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import DAY, HOUR, NOW, a_token

from exporter.model.token import (
    NEVER,
    Token,
    TokenState,
    most_relevant,
    permission_expiry,
    permission_tokens,
    state_counts,
    token_series,
)


def test_state_by_expiry() -> None:
    assert a_token(expires_in=1).state(NOW) is TokenState.ACTIVE
    assert a_token(expires_in=0).state(NOW) is TokenState.EXPIRED
    assert a_token(expires_in=-1).state(NOW) is TokenState.EXPIRED
    assert a_token(expires_in=NEVER).state(NOW) is TokenState.NEVER_EXPIRES
    assert a_token(expires_in=None).state(NOW) is TokenState.UNKNOWN


def test_a_permission_expires_with_the_first_unexpired_token() -> None:
    tokens = (a_token("1", expires_in=50 * DAY), a_token("2", expires_in=5 * DAY), a_token("3", expires_in=-DAY))
    assert permission_expiry(tokens, NOW) == {"read": NOW + 5 * DAY}


def test_an_expired_permission_shows_the_latest_expiry() -> None:
    tokens = (a_token("1", expires_in=-9 * DAY), a_token("2", expires_in=-2 * DAY))
    assert permission_expiry(tokens, NOW) == {"read": NOW - 2 * DAY}


def test_a_permission_granted_only_by_tokens_that_never_expire_never_expires() -> None:
    tokens = (a_token("1", expires_in=NEVER), a_token("2", expires_in=-DAY), a_token("3", expires_in=None))
    assert permission_expiry(tokens, NOW) == {"read": math.inf}


def test_a_token_that_never_expires_does_not_hide_one_that_expires() -> None:
    assert permission_expiry((a_token("1", expires_in=NEVER), a_token("2", expires_in=HOUR)), NOW) == {
        "read": NOW + HOUR
    }


def test_a_token_with_unreadable_expiry_counts_but_has_no_expiry() -> None:
    tokens = (a_token(expires_in=None),)
    assert permission_expiry(tokens, NOW) == {}
    assert permission_tokens(tokens, NOW) == {"read": 1}


def test_expired_tokens_do_not_count_for_permissions() -> None:
    tokens = (
        a_token("1", expires_in=-DAY, permissions=("old",)),
        a_token("2", permissions=("old", "new")),
        a_token("3", expires_in=NEVER, permissions=("new",)),
        a_token("4", expires_in=-DAY, permissions=("gone",)),
    )
    assert permission_tokens(tokens, NOW) == {"old": 1, "new": 2, "gone": 0}


def test_every_state_has_a_count() -> None:
    assert state_counts((a_token(),), NOW) == {"active": 1, "expired": 0, "never_expires": 0, "unknown": 0}


def test_tokens_with_the_same_labels_become_one_series_with_the_earliest_expiry() -> None:
    tokens = (a_token(expires_in=50 * DAY), a_token(expires_in=5 * DAY), a_token(expires_in=None))
    assert [token.expires_at for token in token_series(tokens)] == [NOW + 5 * DAY]


expiries = st.one_of(st.none(), st.just(NEVER), st.integers(-5, 5).map(lambda days: NOW + days * DAY))
some_tokens = st.lists(
    st.builds(
        Token,
        token_id=st.sampled_from("abc"),
        name=st.sampled_from("xy"),
        permissions=st.sets(st.sampled_from("rw")).map(lambda names: tuple(sorted(names))),
        expires_at=expiries,
    ),
    max_size=6,
).map(tuple)


@given(some_tokens)
def test_permission_expiry_agrees_with_its_definition(tokens: tuple[Token, ...]) -> None:
    found = permission_expiry(tokens, NOW)
    assert found.keys() == {name for token in tokens if token.expires_at is not None for name in token.permissions}
    for permission, value in found.items():
        granting = [t.expires_at for t in tokens if permission in t.permissions and t.expires_at is not None]
        alive = [expiry for expiry in granting if expiry > NOW]
        assert value == (min(alive) if alive else max(granting))


@given(some_tokens)
def test_states_add_up_and_series_have_distinct_labels(tokens: tuple[Token, ...]) -> None:
    assert sum(state_counts(tokens, NOW).values()) == len(tokens)
    labels = [(token.token_id, token.name) for token in token_series(tokens)]
    assert len(labels) == len(set(labels)) == len({(t.token_id, t.name) for t in tokens})


def test_the_tokens_that_expire_next_are_kept_and_others_are_counted() -> None:
    tokens = (
        a_token("gone-long", expires_in=-9 * DAY),
        a_token("gone", expires_in=-DAY),
        a_token("never", expires_in=NEVER),
        a_token("unread", expires_in=None),
        a_token("late", expires_in=9 * DAY),
        a_token("soon", expires_in=HOUR),
    )
    order = ["soon", "late", "never", "unread", "gone", "gone-long"]
    for most in range(1, 6):
        kept, others = most_relevant(tokens, most, NOW)
        assert {token.token_id for token in kept} == set(order[:most])
        # in the order in which they were listed
        assert list(kept) == [token for token in tokens if token in kept]
        assert sum(count for _, count in others) == 6 - most
    assert most_relevant(tokens, 3, NOW)[1] == ((TokenState.EXPIRED, 2), (TokenState.UNKNOWN, 1))
    assert most_relevant(tokens, 6, NOW) == (tokens, ())


def test_the_choice_among_tokens_with_the_same_labels_does_not_depend_on_their_order() -> None:
    never, unread, late = (a_token(expires_in=expires_in) for expires_in in (NEVER, None, DAY))
    older = replace(late, created_at=NOW - 9 * DAY)
    for pair, stands in (((never, unread), never), ((late, never), late), ((late, older), older)):
        assert token_series(pair) == token_series(pair[::-1]) == (stands,)


def test_a_token_with_unreadable_expiry_does_not_hide_the_permissions_of_others() -> None:
    unread, good = a_token("1", expires_in=None), a_token("2", expires_in=DAY, permissions=("read", "write"))
    for tokens in ((unread, good), (good, unread)):
        assert permission_expiry(tokens, NOW) == {"read": NOW + DAY, "write": NOW + DAY}


@pytest.mark.parametrize(
    ("lifetime", "age", "never"),
    [
        (3650 * DAY, DAY, False),  # exactly the limit is a date
        (3650 * DAY + 1, DAY, True),
        (36_500 * DAY, DAY, True),
        (3650 * DAY, None, False),  # from now, if the creation is unknown
        (3650 * DAY + 1, None, True),
    ],
)
def test_an_expiry_too_far_from_the_creation_counts_as_never(lifetime: float, age: float | None, never: bool) -> None:  # noqa: FBT001
    token = a_token(expires_in=lifetime - (age or 0.0), age=age)
    counted = token.within(3650 * DAY, NOW)
    assert counted == (replace(token, expires_at=NEVER, listed_expiry=token.expires_at) if never else token)
    assert counted.platform_expiry == token.expires_at
    assert counted.state(NOW + 10) is (TokenState.NEVER_EXPIRES if never else TokenState.ACTIVE)


@pytest.mark.parametrize(
    ("left", "never"), [(-DAY, False), (DAY, False), (365 * DAY - 1, False), (365 * DAY, True), (730 * DAY, True)]
)
def test_the_end_of_a_long_life_is_a_date(left: float, never: bool) -> None:  # noqa: FBT001
    # A tenth of 3,650 days before it, and ever after.
    token = replace(a_token(expires_in=left), created_at=NOW + left - 3651 * DAY)
    assert (token.within(3650 * DAY, NOW).expires_at == NEVER) is never


@pytest.mark.parametrize("expires_in", [NEVER, None, -DAY])
def test_what_is_no_distant_date_stays_what_it_is(expires_in: float | None) -> None:
    token = a_token(expires_in=expires_in)
    assert token.within(1.0, NOW) == token
