"""What searches read of many entries."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from support.builders import DAY, NOW, a_key, a_token

from exporter.common.sorted_chunks import Chunk, SortedChunks
from exporter.model.state import UserState
from exporter.model.token import NEVER
from exporter.model.user import Owner, User
from exporter.state.columns import (
    LAST,
    department,
    flags,
    line_marks,
    lines,
    searchable,
    slots_with_text,
    token_columns,
    user_columns,
    violated_by_tokens,
    violated_by_users,
)
from exporter.state.token_order import Entry
from exporter.state.user_table import UserTable

LI = User("U1", "Li", (), None, Owner("Li@X.com", "Ops", "liwei"))
WANG = User("U2", "王\n芳")


def a_table() -> UserTable:
    table = UserTable()
    for user in (WANG, LI):
        table.put(UserState(user))
    return table


def test_columns_are_beside_each_other() -> None:
    read, write = ("a_read",), ("a_read", "b_read")
    first = replace(a_token("PT-1", name="CI", permissions=read, expires_in=DAY), description="Nightly")
    second = a_token("pt-2", name="x\ny", permissions=write, age=None, expires_in=None)
    third = a_token("pt-3", permissions=read, expires_in=NEVER)
    chunk = Chunk([Entry(LI, first, 3), Entry(WANG, second, 0), Entry(LI, third, 1)])
    columns = token_columns(chunk, a_table())
    assert lines(columns.ids) == ["pt-1", "pt-2", "pt-3"]
    assert columns.names.of(range(3), columns.names.values) == ["ci", "x y", "ci"]
    assert columns.descriptions.of(range(3), columns.descriptions.values) == ["nightly", "", ""]
    assert [*columns.expires] == [NOW + DAY, math.inf, math.inf]
    assert [*columns.created] == [NOW - 86400, math.inf, NOW - 86400]
    assert columns.permissions.of(range(3), columns.permissions.values) == [read, write, read]
    assert columns.sizes.of(range(3), columns.sizes.values) == [1, 2, 1]
    assert ([*columns.slots], [*columns.positions]) == ([1, 0, 1], [3, 0, 1])
    # By name CI, ci, x; by user Li, Li, 王; by department Ops, Ops, none; an unknown time of creation is the last one.
    assert [*columns.by_name._places] == [0, 2, 1]
    assert [*columns.by_user._places] == [*columns.by_department._places] == [*columns.by_created._places] == [0, 2, 1]


def test_violations_are_collected_from_those_of_users() -> None:
    table = a_table()
    tokens = token_columns(Chunk([Entry(LI, a_token("1"), 1), Entry(WANG, a_token("2"), 0)]), table)
    users = user_columns(Chunk([LI, WANG]), table)
    # By slot: Wang violates nothing; Li's second token violates policy 2, and Li as a whole policy 4.
    masks = [None, (0, 2, 4)]
    of_tokens, of_users = violated_by_tokens(tokens, masks), violated_by_users(users, masks)
    assert of_tokens.of(range(2), of_tokens.values) == [2, 0]
    assert of_users.of(range(2), of_users.values) == [4, 0]
    # They are kept until they are dropped.
    assert violated_by_tokens(tokens, []) is of_tokens
    assert violated_by_users(users, []) is of_users
    tokens.violated = users.violated = None
    for found in (violated_by_tokens(tokens, [None, None]), violated_by_users(users, [None, None])):
        assert found.of(range(2), found.values) == [0, 0]


def test_ssh_keys_violate_nothing() -> None:
    columns = token_columns(Chunk([Entry(LI, a_key("501"), 0)]), a_table())
    assert violated_by_tokens(columns, [None, (1, 1)]).values == (0,)


def test_columns_are_made_once_until_the_chunk_changes() -> None:
    order: SortedChunks[Entry] = SortedChunks(lambda one: (one.token.token_id,), [Entry(LI, a_token("1"), 0)])
    (chunk,) = order.chunks
    table = a_table()
    columns = token_columns(chunk, table)
    assert token_columns(chunk, table) is columns
    order.add(Entry(LI, a_token("2"), 1))
    assert len(token_columns(chunk, table).slots) == 2
    order.remove(Entry(LI, a_token("1"), 0))
    assert [*token_columns(chunk, table).positions] == [1]


def test_users_are_found_by_any_text_about_them() -> None:
    order: SortedChunks[User] = SortedChunks(lambda user: (user.name,), [LI, WANG])
    table = a_table()
    found = {
        text: slots_with_text(order, table, searchable(text)) for text in ("LI", "@x", "ops", "u2", "王\n芳", "zz")
    }
    assert found == {"LI": [1], "@x": [1], "ops": [1], "u2": [0], "王\n芳": [0], "zz": []}


def test_a_text_does_not_match_across_fields_or_lines() -> None:
    order: SortedChunks[User] = SortedChunks(lambda user: (user.name,), [LI, WANG])
    assert slots_with_text(order, a_table(), searchable("li\0u1")) == []


def test_half_of_a_surrogate_pair_is_text_like_any_other() -> None:
    user = User("U3", "a\ud83d")
    order: SortedChunks[User] = SortedChunks(lambda one: (one.name,), [user])
    table = UserTable()
    table.put(UserState(user))
    assert slots_with_text(order, table, searchable("A\ud83d")) == [0]
    chunk = Chunk([Entry(user, a_token("1", name="\ud83d"), 0)])
    assert token_columns(chunk, table).names.values == (searchable("\ud83d"),)


def test_a_chinese_name_does_not_double_the_memory_of_other_text() -> None:
    table = a_table()
    names = ("x" * 1000, "x" * 999 + "王")
    tokens = [a_token("1", name=name) for name in names]
    ascii_only, mixed = (token_columns(Chunk([Entry(LI, one, 0)]), table).names.values[0] for one in tokens)
    assert sys.getsizeof(mixed) < sys.getsizeof(ascii_only) + 50


@given(words=st.lists(st.text("ab", max_size=4), min_size=1, max_size=40), text=st.text("ab", min_size=1, max_size=3))
def test_lines_with_a_text_are_marked_whether_they_are_few_or_many(words: list[str], text: str) -> None:
    assert [*line_marks("\n".join(words), text, len(words))] == [text in word for word in words]


def test_flags_and_departments() -> None:
    assert [*flags([2, 0], 4)] == [1, 0, 1, 0]
    assert (department(LI), department(WANG)) == ("Ops", LAST)
