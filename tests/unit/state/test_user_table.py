"""The states of users by id and slot."""

from __future__ import annotations

import pytest
from support.builders import NOW, a_token

from exporter.model.state import UserState
from exporter.model.user import User
from exporter.state.user_table import UserTable


def a_table(*user_ids: str) -> UserTable:
    table = UserTable()
    for user_id in user_ids:
        table.put(UserState(User(user_id, user_id)))
    return table


def test_a_user_keeps_the_slot_when_the_state_changes() -> None:
    table = a_table("a", "b")
    slot = table.slot("a")
    after = table["a"].succeeded((a_token(),), NOW)
    table.put(after)
    assert table.slot("a") == slot
    assert table["a"] is table.states[slot] is after


def test_the_slot_of_a_removed_user_is_given_to_the_next_new_one() -> None:
    table = a_table("a", "b", "c")
    slot = table.slot("b")
    table.remove("b")
    assert (table.states[slot], table.get("b"), "b" in table, len(table)) == (None, None, False, 2)
    table.put(UserState(User("d", "d")))
    assert (table.slot("d"), len(table.states)) == (slot, 3)
    assert {*table} == {*table.keys()} == {"a", "c", "d"}


def test_an_unknown_user_has_no_state_and_no_slot() -> None:
    table = a_table("a")
    assert table.get("x") is None
    with pytest.raises(KeyError):
        table.slot("x")
    with pytest.raises(KeyError):
        table["x"]
