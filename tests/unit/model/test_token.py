from __future__ import annotations

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
    state_counts,
    token_series,
)


def test_state_by_expiry() -> None:
    assert a_token(expires_in=1).state(NOW) is TokenState.ACTIVE
    assert a_token(expires_in=0).state(NOW) is TokenState.EXPIRED
    assert a_token(expires_in=-1).state(NOW) is TokenState.EXPIRED
    assert a_token(expires_in=NEVER).state(NOW) is TokenState.NEVER_EXPIRES
    assert a_token(expires_in=None).state(NOW) is TokenState.UNKNOWN


def test_what_a_token_is_if_only_its_id_and_name_are_known() -> None:
    token = Token("pt-1", "ci")
    assert (token.permissions, token.permissions_read, token.created_at) == ((), True, None)
    assert token.state(NOW) is Token("pt-1", "ci", expires_at=float("inf")).state(NOW) is TokenState.NEVER_EXPIRES


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
        permissions=st.sets(st.sampled_from(("base_user_read", "lingma_chat_read"))).map(
            lambda names: tuple(sorted(names))
        ),
        expires_at=expiries,
    ),
    max_size=6,
).map(tuple)


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
    older, undated = replace(late, created_at=NOW - 9 * DAY), replace(late, created_at=None)
    pairs = ((never, unread, never), (late, never, late), (late, older, older), (undated, late, late))
    for one, other, stands in pairs:
        pair = (one, other)
        assert token_series(pair) == token_series(pair[::-1]) == (stands,)


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
