from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import DAY, HOUR, NOW, a_failure, a_state, a_token, a_user

from exporter.model.state import Reason, UserState
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


def test_each_state() -> None:
    assert a_token(expires_in=1).state(NOW) is TokenState.ACTIVE
    assert a_token(expires_in=0).state(NOW) is TokenState.EXPIRED
    assert a_token(expires_in=-1).state(NOW) is TokenState.EXPIRED
    assert a_token(expires_in=NEVER).state(NOW) is TokenState.NEVER_EXPIRES
    assert a_token(expires_in=None).state(NOW) is TokenState.UNKNOWN


def test_a_permission_runs_out_with_the_soonest_unexpired_token() -> None:
    tokens = (a_token("1", expires_in=50 * DAY), a_token("2", expires_in=5 * DAY), a_token("3", expires_in=-DAY))
    assert permission_expiry(tokens, NOW) == {"read": NOW + 5 * DAY}


def test_a_permission_that_has_run_out_shows_the_latest_expiry() -> None:
    tokens = (a_token("1", expires_in=-9 * DAY), a_token("2", expires_in=-2 * DAY))
    assert permission_expiry(tokens, NOW) == {"read": NOW - 2 * DAY}


def test_a_permission_that_only_endless_tokens_grant_never_runs_out() -> None:
    tokens = (a_token("1", expires_in=NEVER), a_token("2", expires_in=-DAY), a_token("3", expires_in=None))
    assert permission_expiry(tokens, NOW) == {"read": math.inf}


def test_an_endless_token_does_not_hide_one_that_expires() -> None:
    assert permission_expiry((a_token("1", expires_in=NEVER), a_token("2", expires_in=HOUR)), NOW) == {
        "read": NOW + HOUR
    }


def test_a_token_with_unreadable_expiry_counts_but_has_no_expiry() -> None:
    tokens = (a_token(expires_in=None),)
    assert permission_expiry(tokens, NOW) == {}
    assert permission_tokens(tokens, NOW) == {"read": 1}


def test_expired_tokens_grant_nothing_any_more() -> None:
    tokens = (
        a_token("1", expires_in=-DAY, permissions=("old",)),
        a_token("2", permissions=("old", "new")),
        a_token("3", expires_in=NEVER, permissions=("new",)),
        a_token("4", expires_in=-DAY, permissions=("gone",)),
    )
    assert permission_tokens(tokens, NOW) == {"old": 1, "new": 2, "gone": 0}


def test_every_state_has_a_number() -> None:
    assert state_counts((a_token(),), NOW) == {"active": 1, "expired": 0, "never_expires": 0, "unknown": 0}


def test_tokens_with_the_same_labels_become_one_series_with_the_minimum() -> None:
    tokens = (a_token(expires_in=50 * DAY), a_token(expires_in=5 * DAY), a_token(expires_in=None))
    assert [token.expires_at for token in token_series(tokens)] == [NOW + 5 * DAY]


def test_a_failed_poll_keeps_the_tokens_last_seen() -> None:
    state = a_state(a_token(), at=NOW).failed(a_failure(), NOW + 10).failed(a_failure(Reason.TIMEOUT), NOW + 20)
    assert state.tokens == (a_token(),)
    assert state.last_success == NOW
    assert state.failing_since == NOW + 10
    assert state.failure == a_failure(Reason.TIMEOUT)


def test_a_poll_that_works_ends_the_failure() -> None:
    state = a_state(user=a_user()).failed(a_failure(), NOW).succeeded((), NOW + 10)
    assert (state.failure, state.failing_since, state.last_success) == (None, None, NOW + 10)


def test_every_reason_has_a_meaning() -> None:
    assert all(reason.meaning for reason in Reason)


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
def test_permission_expiry_is_what_its_words_say(tokens: tuple[Token, ...]) -> None:
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


def test_of_too_many_tokens_those_that_expire_next_are_kept_and_the_rest_is_counted() -> None:
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


def test_a_user_with_too_many_tokens_still_has_all_of_them_counted() -> None:
    tokens = tuple(a_token(str(number), expires_in=(number - 3) * DAY) for number in range(8))
    state = UserState(a_user()).succeeded(tokens, NOW, most=2)
    assert [token.token_id for token in state.tokens] == ["4", "5"]
    assert state.counts(NOW) == {"active": 4, "expired": 4, "never_expires": 0, "unknown": 0}
    assert (state.tokens_left_out, state.unexpired_left_out) == (6, 2)
    # one of the two expires; what is only counted stays as it was
    assert state.counts(NOW + 1.5 * DAY)[TokenState.EXPIRED] == 5
    assert state.failed(a_failure(), NOW + DAY).left_out == state.left_out
    assert state.succeeded(tokens[:1], NOW).left_out == ()


def test_which_of_two_tokens_of_one_label_stands_for_both_does_not_depend_on_their_order() -> None:
    never, unread, late = (a_token(expires_in=expires_in) for expires_in in (NEVER, None, DAY))
    older = replace(late, created_at=NOW - 9 * DAY)
    for pair, stands in (((never, unread), never), ((late, never), late), ((late, older), older)):
        assert token_series(pair) == token_series(pair[::-1]) == (stands,)


@pytest.mark.parametrize("most", [1, 2, 9])
def test_a_state_is_the_same_after_storing_it(most: int) -> None:
    tokens = (a_token("1"), a_token("2", expires_in=NEVER), a_token("3", expires_in=-DAY))
    state = UserState(a_user()).succeeded(tokens, NOW, most)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=UserState) == state


def test_a_token_with_unreadable_expiry_does_not_hide_the_permissions_of_others() -> None:
    unread, good = a_token("1", expires_in=None), a_token("2", expires_in=DAY, permissions=("read", "write"))
    for tokens in ((unread, good), (good, unread)):
        assert permission_expiry(tokens, NOW) == {"read": NOW + DAY, "write": NOW + DAY}
