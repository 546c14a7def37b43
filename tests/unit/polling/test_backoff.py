from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import NOW

from exporter.model.state import Failure, Reason, UserState
from exporter.model.user import User
from exporter.polling.backoff import is_polled, is_warm, schedule
from exporter.state.ledger import Ledger

USERS = tuple(User(f"u{number}", f"name{number}") for number in range(10))


def test_without_spreading_users_are_polled_in_the_order_given() -> None:
    assert [due.user for due in schedule(USERS, 0)] == list(USERS)


@given(st.sets(st.text(min_size=1, max_size=8), max_size=30), st.floats(min_value=1, max_value=86400))
def test_each_user_has_a_fixed_offset_in_the_interval(ids: set[str], over: float) -> None:
    users = [User(user_id, user_id) for user_id in ids]
    offsets = {due.user.user_id: due.offset for due in schedule(users, over)}
    assert offsets.keys() == ids
    assert all(0 <= offset < over for offset in offsets.values())
    for user in users:  # whatever other users there are
        assert schedule([user], over)[0].offset == offsets[user.user_id]


def test_offsets_are_spread_evenly() -> None:
    offsets = [due.offset for due in schedule([User(str(n), "") for n in range(10_000)], 100)]
    assert offsets == sorted(offsets)
    tenths = [sum(low <= offset < low + 10 for offset in offsets) for low in range(0, 100, 10)]
    # 1,000 expected in each; the standard deviation is 30
    assert all(850 < count < 1150 for count in tenths)


@pytest.mark.parametrize(
    ("old", "minutes", "warm"),
    [
        (0, 22, True),  # 22 minutes are less than one and a half intervals of 15
        (0, 23, False),
        (1, 22, False),  # one user in ten is too many
    ],
)
def test_fresh_data_of_an_earlier_run_makes_a_warm_start(old: int, minutes: int, warm: bool) -> None:  # noqa: FBT001
    ledger = Ledger("acme", USERS)
    for number, user in enumerate(USERS):
        ledger.succeeded(user.user_id, (), NOW - (86400 if number < old else minutes * 60))
    assert is_warm(ledger.view().users, NOW, 900) is warm


@pytest.mark.parametrize(("failures", "sweeps"), [(0, 16), (3, 16), (4, 8), (5, 4), (6, 2), (99, 2)])
def test_a_user_is_polled_in_every_sweep_then_every_2nd_4th_and_8th(failures: int, sweeps: int) -> None:
    for user in USERS:
        state = UserState(user)
        for _ in range(failures):
            state = state.failed(Failure(Reason.FORBIDDEN, "HTTP 403"), NOW)
        assert sum(is_polled(state, number) for number in range(1, 17)) == sweeps
