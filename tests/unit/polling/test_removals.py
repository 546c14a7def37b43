from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import Counts, ManualClock
from support.shifting import Move, ShiftingList

from exporter.common.cancellation import Stop
from exporter.config.discovery import Discover
from exporter.model.snapshot import Discovery
from exporter.model.user import User
from exporter.platform.base import FoundUsers
from exporter.platform.yunxiao.discovery import Discoverer
from exporter.polling.discovery import KnownUsers, Refresher, RefreshListener, RefreshSettings
from exporter.polling.removals import confirmed


def users(ids: str) -> tuple[User, ...]:
    return tuple(User(one, one) for one in ids)


@pytest.mark.parametrize(
    ("before", "missing", "found", "expected", "missing_now"),
    [
        # The first list.
        ("", "", FoundUsers(users("ab")), "ab", ""),
        # b is not on the list: kept, and at the end.
        ("abc", "", FoundUsers(users("cad")), "cadb", "b"),
        # b is not on the next one either.
        ("cadb", "b", FoundUsers(users("cad")), "cad", ""),
        # b is back, but c is not on this list.
        ("cadb", "b", FoundUsers(users("abd")), "abdc", "c"),
        # The platform lists b as deleted.
        ("ab", "", FoundUsers(users("a"), frozenset("b")), "a", ""),
        # Only this list says so for certain.
        ("abc", "", FoundUsers(users("a"), frozenset("b"), is_complete=False), "ac", "c"),
        ("abc", "", FoundUsers(users("a"), is_complete=True), "a", ""),
        ("abc", "", FoundUsers(()), "abc", "abc"),
        ("abc", "abc", FoundUsers(()), "", ""),
    ],
)
def test_a_user_is_removed_if_two_lists_or_a_certain_one_do_not_have_them(
    before: str, missing: str, found: FoundUsers, expected: str, missing_now: str
) -> None:
    after = confirmed(users(before), frozenset(missing), found)
    assert "".join(user.user_id for user in after.users) == expected
    assert after.missing == frozenset(missing_now)


def test_users_found_come_with_what_the_list_says_about_them() -> None:
    found = FoundUsers((User("a", "new name"),))
    assert confirmed((User("a", "old name"),), frozenset("a"), found).users == found.users


class Watching:
    """Discovery of a list that changes while it is read; checks each refresh."""

    def __init__(self, platform: ShiftingList) -> None:
        self.platform = platform
        self.watched: list[str] = []
        self.left: list[set[str]] = [set()]
        listener = RefreshListener(self._found, lambda _: None)
        self.refresher = Refresher(
            Discoverer("acme", platform, Discover(source="users")),
            RefreshSettings("acme", 3600, allow_empty=False),
            KnownUsers(None, Discovery()),
            listener,
            Counts(),
            Stop(),
            ManualClock(),
        )

    def _found(self, found: tuple[User, ...]) -> None:
        self.watched = [user.user_id for user in found]

    def refresh(self, *moves: Move) -> None:
        """Refresh once while these moves happen, and check the users that are watched afterwards."""
        before, listed = set(self.watched), set(self.platform.users)
        self.platform.begin(moves)
        self.refresher.refresh()
        assert self.refresher.failure is None
        now = set(self.platform.users)
        dropped = (before & now) - set(self.watched)
        assert not dropped, f"still on the platform, but dropped: {dropped}"
        assert len(set(self.watched)) == len(self.watched)
        # Nobody stays for longer than two refreshes after leaving.
        assert not set(self.watched) & set().union(*self.left[:-1])
        self.left.append(listed - now)


def test_a_user_at_the_end_of_a_page_is_kept_when_another_leaves_meanwhile() -> None:
    watching = Watching(ShiftingList(250))
    watching.refresh()
    # Pages have 97 entries now. u97 would come first on page 2, and is on page 1 when that is requested.
    watching.refresh(Move(after=1, position=5, joins=False))
    assert watching.watched[-1] == "u97"
    # u5 was read before it left: it is missing now, and removed after the next list.
    watching.refresh()
    assert watching.watched[-1] == "u5"
    watching.refresh()
    assert sorted(watching.watched) == sorted(watching.platform.users)


def test_the_total_is_no_proof_if_somebody_else_has_joined() -> None:
    watching = Watching(ShiftingList(250))
    watching.refresh()
    # Both between pages 1 and 2: every page says that there are 250 users, and 250 different ones are read.
    watching.refresh(Move(1, 5, joins=False), Move(1, 249, joins=True))
    assert watching.watched[-1] == "u97"


def test_users_who_left_before_the_list_was_read_are_removed_at_once_if_the_total_says_so() -> None:
    watching = Watching(ShiftingList(250))
    watching.refresh()
    watching.refresh(Move(0, 100, joins=False))
    assert sorted(watching.watched) == sorted(watching.platform.users)
    small = Watching(ShiftingList(3))
    small.refresh()
    small.refresh(Move(0, 1, joins=False), Move(0, 0, joins=True))
    assert small.watched == ["u3", "u0", "u2"]
    without = Watching(ShiftingList(3, totals=False))
    without.refresh()
    without.refresh(Move(0, 1, joins=False))
    assert without.watched == ["u0", "u2", "u1"]
    without.refresh()
    assert without.watched == ["u0", "u2"]


MOVES = st.tuples(st.integers(0, 6), st.integers(0, 260))


@settings(max_examples=10)
@given(
    st.lists(st.tuples(MOVES, MOVES, st.booleans()), min_size=20, max_size=20),
    st.booleans(),
    st.sampled_from([50, 100]),
)
def test_twenty_lists_that_shift_while_they_are_read_drop_no_user(
    rounds: list[tuple[tuple[int, int], tuple[int, int], bool]],
    totals: bool,  # noqa: FBT001
    cap: int,
) -> None:
    watching = Watching(ShiftingList(250, cap=cap, totals=totals))
    watching.refresh()
    for leaves, joins, leaves_first in rounds:
        moves = [Move(*leaves, joins=False), Move(*joins, joins=True)]
        watching.refresh(*(moves if leaves_first else reversed(moves)))


@pytest.mark.parametrize("totals", [True, False])
@pytest.mark.parametrize("cap", [50, 100])
def test_the_same_user_at_the_end_of_a_page_each_time_is_not_dropped(*, totals: bool, cap: int) -> None:
    # The first user leaves between pages 1 and 2, then a new one joins at the head: all others are where they were.
    watching = Watching(ShiftingList(250, cap=cap, totals=totals))
    watching.refresh()
    for _ in range(20):
        watching.refresh(Move(1, 0, joins=False), Move(2, 0, joins=True))
