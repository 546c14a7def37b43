"""Searches in an organization with more tokens than fit into one chunk. Others are in test_contents.py."""

from __future__ import annotations

import pytest
from support import searches
from support.builders import DAY, NOW, a_token

from exporter.model.snapshot import OrganizationView, View
from exporter.model.state import UserState
from exporter.model.token import CredentialKind
from exporter.model.user import User
from exporter.policies.schema import Policies
from exporter.state.criteria import Criteria
from exporter.state.cut import Wanted
from exporter.state.token_index import TokenIndex
from exporter.state.token_search import TokenSearch, TokenSort

USERS = 1500
STATES = tuple(
    UserState(User(str(number), f"user{number % 97}")).succeeded(
        tuple(
            a_token(
                f"pt-{number}-{one}",
                name=f"job-{(number * 7 + one) % 50}",
                expires_in=(number * 31 + one * 17) % 400 * DAY,
                age=(number * 13 + one) % 300 * DAY,
                permissions=("a_read", "b_read")[: number % 3],
            )
            for one in range(3)
        ),
        NOW,
    )
    for number in range(USERS)
)
NONE = Policies()


@pytest.fixture(scope="module")
def index() -> TokenIndex:
    view = View((OrganizationView("acme", STATES, None, NOW),))
    return TokenIndex(lambda: view)


@pytest.mark.parametrize("sort", TokenSort)
@pytest.mark.parametrize("descending", [False, True])
def test_pages_across_many_chunks(index: TokenIndex, sort: TokenSort, *, descending: bool) -> None:
    for criteria in (Criteria(), Criteria(text="job-1"), Criteria(permission="b_read")):
        expected = searches.tokens({"acme": STATES}, NONE, criteria, sort, NOW)
        expected = expected[::-1] if descending else expected
        after = None
        for start in (0, 40, 80):
            wanted = Wanted(descending, after, 40)
            part = index.read(lambda snapshot: snapshot.contents[0].tokens(criteria, sort, wanted, NOW), NOW)  # noqa: B023
            assert part.total == len(expected)
            assert [(row.organization, row.state, row.token) for row in part.rows] == expected[start : start + 40]
            after = part.rows[-1].key


def test_names_with_zeros_are_sorted_like_any_other() -> None:
    names = ["a", "a\0", "a\0b", "a\0\0", "ab", "\0", ""]
    users = [UserState(User(f"u{at}\0{one}", one)).succeeded((a_token(),), NOW) for at in "12" for one in names]
    view = View((OrganizationView("acme", tuple(users), None, NOW),))
    index = TokenIndex(lambda: view)
    expected = sorted(f"{one.user.name}\0{one.user.user_id}" for one in users)
    for descending in (False, True):
        found, after = list[str](), None
        for _ in users:
            wanted = Wanted(descending, after, 1)
            part = index.read(lambda snap: snap.contents[0].tokens(Criteria(), TokenSort.USER, wanted, NOW), NOW)  # noqa: B023
            after = part.rows[0].key
            found.append(str(after[0]))
        assert found == (expected[::-1] if descending else expected)


def test_the_users_of_what_matches(index: TokenIndex) -> None:
    criteria = Criteria(token_id="pt-7-1")
    slots = index.read(
        lambda snapshot: TokenSearch(snapshot.contents[0], CredentialKind.TOKEN, criteria, NOW).slots(), NOW
    )
    assert len(slots) == 1
