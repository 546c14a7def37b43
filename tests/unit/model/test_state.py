from __future__ import annotations

from support.builders import NOW, a_failure, a_state, a_token, a_user

from exporter.model.state import Reason, UserState
from exporter.model.user import User


def test_the_values_of_the_label_reason() -> None:
    assert [reason.value for reason in Reason] == [
        "unauthorized",
        "forbidden",
        "not_found",
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
