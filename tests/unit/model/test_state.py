from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import pytest
from support.builders import DAY, NOW, a_failure, a_state, a_token, a_user

from exporter.model.state import Reason, UserState, is_sound
from exporter.model.token import (
    NEVER,
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
    assert all(reason.meaning for reason in Reason)


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
        (replace(SOUND, last_success=math.nan), False),
        (replace(SOUND, last_success=math.inf), False),
        (replace(SOUND, last_success=-1.0), False),
        (replace(SOUND, failing_since=NOW, failures=1), True),
        (replace(SOUND, failing_since=1e12), False),
        (replace(SOUND, failures=-1), False),
        (replace(SOUND, left_out=((TokenState.EXPIRED, 1), (TokenState.UNKNOWN, -1))), False),
    ],
)
def test_a_state_from_storage_is_sound_if_its_numbers_make_sense(state: UserState, sound: bool) -> None:  # noqa: FBT001
    assert is_sound(state) is sound
