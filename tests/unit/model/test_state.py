from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import DAY, NOW, a_failure, a_key, a_state, a_token, a_user

from exporter.model.state import Reason, UserState, is_sound
from exporter.model.token import (
    NEVER,
    CredentialKind,
    Token,
    TokenState,
)
from exporter.model.user import User


def test_a_failed_poll_keeps_the_last_known_tokens() -> None:
    state = a_state(a_token(), at=NOW).failed(a_failure(), NOW + 10).failed(a_failure(Reason.TIMEOUT), NOW + 20)
    assert state.tokens == (a_token(),)
    assert state.last_success == NOW
    assert state.failing_since == NOW + 10
    assert state.failure == a_failure(Reason.TIMEOUT)


def test_a_successful_poll_ends_the_failure() -> None:
    state = a_state(user=a_user()).failed(a_failure(), NOW).succeeded((), NOW + 10)
    assert (state.failure, state.failing_since, state.last_success) == (None, None, NOW + 10)


def test_every_reason_has_a_meaning() -> None:
    meanings = [reason.meaning for reason in Reason]
    assert all(isinstance(meaning, str) for meaning in meanings)
    assert len(set(meanings)) == len(meanings)


def test_tokens_that_are_only_counted_have_expired_or_not() -> None:
    counts = tuple(zip(TokenState, (1, 20, 300, 4000), strict=True))
    assert [state.value for state, _ in counts] == ["active", "expired", "never_expires", "unknown"]
    assert replace(SOUND, left_out=counts).unexpired_left_out == 4301
    assert replace(SOUND, left_out=counts).tokens_left_out == 4321


def test_a_user_has_not_been_polled_at_first() -> None:
    assert not UserState(a_user()).polled
    assert a_state().polled


def test_unreadable_permissions_keep_the_last_known_ones() -> None:
    known = a_state(a_token("1"), a_token("2", name="bot"))
    unread = tuple(replace(token, permissions=(), permissions_read=False) for token in known.tokens)
    assert known.succeeded(unread, NOW + 10).tokens == tuple(
        replace(token, permissions=("base_user_read",)) for token in unread
    )
    # One that can be read counts as it is listed.
    mixed = (unread[0], replace(known.tokens[1], permissions=()))
    assert [token.permissions for token in known.succeeded(mixed, NOW + 10).tokens] == [("base_user_read",), ()]


def test_tokens_beyond_the_limit_are_included_in_the_counts() -> None:
    tokens = tuple(a_token(str(number), expires_in=(number - 3) * DAY) for number in range(8))
    state = UserState(a_user()).succeeded(tokens, NOW, most=2)
    assert [token.token_id for token in state.tokens] == ["4", "5"]
    assert state.counts(NOW) == {"active": 4, "expired": 4, "never_expires": 0, "unknown": 0}
    assert (state.tokens_left_out, state.unexpired_left_out) == (6, 2)
    # one of the two expires; what is only counted stays as it was
    assert state.counts(NOW + 1.5 * DAY)[TokenState.EXPIRED] == 5
    assert state.failed(a_failure(), NOW + DAY).left_out == state.left_out
    assert state.succeeded(tokens[:1], NOW).left_out == ()


@pytest.mark.parametrize("most", [1, 2, 9])
def test_a_state_survives_encoding(most: int) -> None:
    tokens = (a_token("1"), a_token("2", expires_in=NEVER), a_token("3", expires_in=-DAY))
    state = UserState(a_user()).succeeded(tokens, NOW, most)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=UserState) == state


def test_the_values_of_the_label_reason() -> None:
    assert [reason.value for reason in Reason] == [
        "unauthorized",
        "forbidden",
        "not_found",
        "bad_request",
        "unsupported",
        "rate_limited",
        "server_error",
        "timeout",
        "connection",
        "tls",
        "redirect",
        "invalid_response",
        "internal",
    ]


def test_failures_in_a_row_are_counted_until_a_poll_works() -> None:
    state = UserState(a_user())
    for failures in (1, 2, 3):
        state = state.failed(a_failure(), NOW)
        assert (state.failures, state.polled) == (failures, True)
    assert state.succeeded((), NOW).failures == 0


def test_a_new_name_changes_nothing_else() -> None:
    state = a_state(a_token()).failed(a_failure(), NOW)
    renamed = state.about(User("u1", "new name"))
    assert renamed.user.name == "new name"
    assert renamed.about(state.user) == state


SOUND = UserState(a_user(), (a_token(expires_in=NEVER),), NOW, True, None, None, 0, ((TokenState.EXPIRED, 0),))


@pytest.mark.parametrize(
    ("state", "sound"),
    [
        (SOUND, True),
        (UserState(a_user()), True),
        (replace(SOUND, tokens=(a_token(expires_in=None),)), True),
        (replace(SOUND, tokens=(a_token(expires_in=math.nan),)), False),
        (replace(SOUND, tokens=(replace(a_token(), created_at=math.nan),)), False),
        (replace(SOUND, tokens=(replace(a_token(), listed_expiry=math.nan),)), False),
        (replace(SOUND, last_success=math.nan), False),
        (replace(SOUND, last_success=math.inf), False),
        (replace(SOUND, last_success=-1.0), False),
        (replace(SOUND, failing_since=NOW, failures=1), True),
        (replace(SOUND, failing_since=1e12), False),
        (replace(SOUND, failures=-1), False),
        (replace(SOUND, unreadable=-1), False),
        (replace(SOUND, left_out=((TokenState.EXPIRED, 1),)), True),
        (replace(SOUND, left_out=((TokenState.EXPIRED, 1), (TokenState.UNKNOWN, -1))), False),
    ],
)
def test_a_state_from_storage_is_sound_if_its_numbers_make_sense(state: UserState, sound: bool) -> None:  # noqa: FBT001
    assert is_sound(state) is sound


def a_list(*names: str) -> tuple[Token, ...]:
    return tuple(a_token(f"pt-{name}", name=name) for name in names)


def names(state: UserState) -> str:
    return "".join(token.name for token in state.tokens)


def test_a_known_token_stays_if_an_entry_that_may_be_it_is_unreadable() -> None:
    known = UserState(a_user()).succeeded(a_list(*"abc"), NOW)
    unread = known.succeeded(a_list(*"ac"), NOW + 10, unreadable=1)
    assert names(unread) == "acb"
    assert (unread.unreadable, unread.unlisted) == (1, (("pt-b", "b"),))
    # As long as the entry is unreadable, and only so long.
    again = unread.succeeded(a_list(*"ac"), NOW + 20, unreadable=1)
    assert again.tokens == unread.tokens
    assert names(again.succeeded(a_list(*"ac"), NOW + 30)) == "ac"
    assert names(again.succeeded(a_list(*"abc"), NOW + 30)) == "abc"


def test_an_entry_that_stays_unreadable_does_not_excuse_every_deletion() -> None:
    first = UserState(a_user()).succeeded(a_list(*"abc"), NOW, unreadable=1)
    assert first.unlisted == ()
    assert names(first.succeeded(a_list(*"ab"), NOW + 10, unreadable=1)) == "ab"
    # Nor does one that has been a known token.
    unread = UserState(a_user()).succeeded(a_list(*"abc"), NOW).succeeded(a_list(*"ab"), NOW, unreadable=1)
    assert names(unread.succeeded(a_list("a"), NOW + 10, unreadable=1)) == "ac"
    # One more unreadable entry is one more token that may be meant.
    assert names(unread.succeeded(a_list("a"), NOW + 10, unreadable=2)) == "abc"


@given(st.lists(st.tuples(st.sets(st.sampled_from("abcd")), st.integers(0, 2)), max_size=6))
def test_no_token_is_lost_while_more_entries_are_unreadable_and_none_outlives_them(
    polls: list[tuple[set[str], int]],
) -> None:
    state = UserState(a_user())
    for listed, unreadable in polls:
        before, state = state, state.succeeded(a_list(*sorted(listed)), NOW, unreadable=unreadable)
        assert listed <= set(names(state)) <= listed | set(names(before))
        assert len(state.unlisted) == len(set(names(state)) - listed)
        if unreadable > before.unreadable:
            assert set(names(state)) == listed | set(names(before))
        if not unreadable:
            assert set(names(state)) == listed


def test_a_token_that_is_listed_under_another_name_is_not_missing() -> None:
    known = UserState(a_user()).succeeded(a_list("a"), NOW)
    renamed = (replace(known.tokens[0], name="new"),)
    assert known.succeeded(renamed, NOW + 10, unreadable=1).tokens == renamed


def test_an_unreadable_expiry_keeps_the_last_known_one() -> None:
    far = replace(a_token("2"), expires_at=NEVER, listed_expiry=NOW + 36_500 * DAY)
    known = a_state(a_token("1"), far)
    read = tuple(replace(token, expires_at=None, listed_expiry=None) for token in known.tokens)
    unread = known.succeeded((*read, a_token("3", expires_in=None)), NOW + 10)
    assert [token.expires_at for token in unread.tokens] == [NOW + 5 * DAY, NEVER, None]
    assert unread.tokens[1] == far
    assert unread.counts(NOW)[TokenState.UNKNOWN] == 1  # the one that has never been readable
    # Again and again, and until there is another date.
    assert unread.succeeded(read, NOW + 20).tokens == known.tokens
    assert unread.succeeded((a_token("1", expires_in=DAY),), NOW + 20).tokens[0].expires_at == NOW + DAY


def test_the_expiry_of_a_token_made_at_another_time_is_not_its_own() -> None:
    known = a_state(a_token("1", age=9 * DAY))
    other = a_token("1", expires_in=None, age=DAY)
    assert known.succeeded((other,), NOW + 10).tokens == (other,)
    # An unknown creation is no other one.
    unknown = replace(other, created_at=None)
    assert known.succeeded((unknown,), NOW + 10).tokens[0].expires_at == NOW + 5 * DAY


def test_what_earlier_versions_did_not_know_survives_encoding_and_may_be_absent() -> None:
    far = a_token("far", expires_in=36_500 * DAY).within(3650 * DAY, NOW)
    state = a_state(far, a_token("2")).succeeded((far,), NOW + 10, unreadable=1)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=UserState) == state
    earlier = msgspec.to_builtins(a_state(a_token()))
    for key in ("unreadable", "unlisted"):
        del earlier[key]
    for token in earlier["tokens"]:
        del token["listed_expiry"]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(earlier), type=UserState) == a_state(a_token())


def test_the_credentials_of_one_kind() -> None:
    state = a_state(a_token(), keys=(a_key(),))
    assert (state.of_kind(CredentialKind.TOKEN), state.of_kind(CredentialKind.SSH_KEY)) == ((a_token(),), (a_key(),))
    assert a_state(a_token()).of_kind(CredentialKind.SSH_KEY) == ()


def test_an_unreadable_creation_keeps_the_last_known_one_on_which_the_thresholds_depend() -> None:
    known = a_state(a_token("1", age=9 * DAY), a_token("2", age=None))
    unread = (a_token("1", age=None), a_token("2", age=None), a_token("3", age=None))
    assert [token.created_at for token in known.succeeded(unread, NOW + 10).tokens] == [NOW - 9 * DAY, None, None]
    # Not that of a token that another one has replaced: its expiry is readable, and another one.
    assert known.succeeded(known.tokens, NOW + 10).tokens == known.tokens


def test_unreadable_dates_of_a_key_keep_the_last_known_ones() -> None:
    known = a_state(keys=(a_key("1"), a_key("2", expires_in=None)))
    unread = (a_key("1", expires_in=None, age=None), a_key("2", expires_in=None), a_key("3", expires_in=None))
    after = known.succeeded((), NOW + 10, ssh_keys=unread).ssh_keys
    assert after is not None
    assert [(key.created_at, key.expires_at) for key in after] == [
        (NOW - DAY, NOW + 5 * DAY),
        (NOW - DAY, None),
        (NOW - DAY, None),
    ]


def test_a_state_works_after_a_successful_poll_and_may_be_refused_with_all_others() -> None:
    new, good = UserState(a_user()), a_state()
    failed = good.failed(a_failure(), NOW)
    refused = replace(failed, failures=0)
    assert [one.works for one in (new, good, failed, refused)] == [False, True, False, False]
    assert [one.refused_with_all for one in (new, good, failed, refused)] == [False, False, False, True]
