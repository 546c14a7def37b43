"""Searches in several organizations, compared with searches without an index."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import searches
from support.builders import DAY, NOW, a_failure, a_key, a_token

from exporter.common import sorted_chunks
from exporter.model.snapshot import OrganizationView, View
from exporter.model.state import Reason, UserState
from exporter.model.token import NEVER, CredentialKind, TokenState
from exporter.model.user import Owner, User
from exporter.policies.schema import Policies
from exporter.state import cut
from exporter.state.contents import Match, merged
from exporter.state.criteria import Criteria, PollStatus, Span
from exporter.state.cut import Wanted
from exporter.state.token_index import TokenIndex
from exporter.state.token_search import TokenSort
from exporter.state.user_search import UserSort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.state.contents import Contents
    from exporter.state.token_index import Snapshot

POLICIES = Policies.model_validate(
    {
        "never_expires": "forbid",
        "max_age": {"limit": "30d", "severity": "info"},
        "forbidden_permissions": {"permissions": ("base_user_read_write",)},
        "max_tokens_per_user": {"limit": 2},
        "expired_not_removed": {"after": "1d"},
    }
)
EVERY_POLICY = frozenset(policy.name for policy in POLICIES.enabled)
TEXTS = st.sampled_from(["", "ci", "CI", "li", "@x", "ops", "pt-1", "zz"])
NAMES = st.sampled_from(["ci", "CI-nightly", "deploy", "ops"])
PERMISSIONS = st.sampled_from(
    [(), ("base_user_read",), ("base_user_read_write",), ("base_user_read", "lingma_chat_read")]
)
OWNERS = st.sampled_from(
    [None, Owner("li@x.com", "Ops", "li"), Owner("wang@y.com", None, None), Owner(None, "Dev", "w")]
)
EXPIRIES = st.sampled_from([None, NEVER, -3 * DAY, -DAY, 0.0, DAY, 2 * DAY, 40 * DAY])
TOKENS = st.builds(
    lambda number, name, permissions, expires_in, age: a_token(
        f"pt-{number}", name=name, permissions=permissions, expires_in=expires_in, age=age
    ),
    st.integers(1, 3), NAMES, PERMISSIONS, EXPIRIES, st.sampled_from([None, DAY, 29 * DAY, 31 * DAY]),
)  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn) -> searches.World:
    world: searches.World = {}
    for name in draw(st.sampled_from([["acme"], ["acme", "globex"]])):
        states = []
        for number in range(draw(st.integers(0, 6))):
            user = User(f"{name}-{number}", draw(st.sampled_from(["li.wei", "Wang", "ops"])), (), None, draw(OWNERS))
            state = UserState(user)
            if draw(st.booleans()):
                keys = tuple(a_key(str(one), expires_in=draw(EXPIRIES)) for one in range(draw(st.integers(0, 2))))
                tokens = tuple(draw(st.lists(TOKENS, max_size=4)))
                state = state.succeeded(tokens, NOW - draw(st.sampled_from([1.0, 60.0])), 3, ssh_keys=keys)
            if draw(st.booleans()):
                state = state.failed(a_failure(draw(st.sampled_from([Reason.TIMEOUT, Reason.TLS]))), NOW)
            states.append(state)
        world[name] = states
    return world


SPANS = st.sampled_from([Span(), Span(), Span(NOW - 2 * DAY, NOW + DAY), Span(end=NOW), Span(start=NOW)])
CRITERIA = st.builds(
    Criteria,
    text=TEXTS,
    organization=st.sampled_from([None, None, "acme", "nobody"]),
    user=st.sampled_from([None, None, "li.wei", "acme-1"]),
    owner=st.sampled_from(["", "", "LI", "wang"]),
    department=st.sampled_from(["", "", "op"]),
    token_id=st.sampled_from([None, None, None, "pt-1", "PT-1"]),
    state=st.sampled_from([None, None, *TokenState]),
    kind=st.sampled_from([None, None, *CredentialKind]),
    permission=st.sampled_from([None, None, "base_user_read", "base_user_read_write"]),
    policies=st.sampled_from([None, None, frozenset({"max_age"}), frozenset(p.name for p in POLICIES.configured)]),
    expires=SPANS,
    created=SPANS,
    status=st.sampled_from([None, None, *PollStatus]),
    reason=st.sampled_from([None, None, Reason.TLS]),
)


def an_index(world: searches.World) -> TokenIndex:
    views = tuple(OrganizationView(name, tuple(states), None, NOW) for name, states in world.items())
    index = TokenIndex(lambda: View(views), lambda: POLICIES)
    index.prepare(NOW)
    return index


@pytest.fixture(autouse=True, scope="module")
def _small_chunks() -> Iterator[None]:
    """Chunks of a few items, so that a few tokens fill several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_chunks, "_LOAD", 3)
        patch.setattr(cut, "_KEPT", 1)
        yield


def found_tokens(index: TokenIndex, criteria: Criteria, sort: TokenSort, wanted: Wanted) -> tuple[int, list[Match]]:
    def question(snapshot: Snapshot) -> tuple[int, list[Match]]:
        asked = [one for one in snapshot.contents if criteria.organization in {None, one.name}]
        parts = [one.tokens(criteria, sort, wanted, NOW) for one in asked]
        return sum(one.total for one in parts), merged([row for one in parts for row in one.rows], wanted)

    return index.read(question, NOW)


def found_violations(index: TokenIndex, criteria: Criteria, sort: TokenSort, wanted: Wanted) -> tuple[int, list[Match]]:
    criteria = replace(criteria, policies=EVERY_POLICY if criteria.policies is None else criteria.policies)

    def question(snapshot: Snapshot) -> tuple[int, list[Match]]:
        asked = [one for one in snapshot.contents if criteria.organization in {None, one.name}]
        parts = [one.tokens(criteria, sort, wanted, NOW) for one in asked]
        parts += [one.violating_users(criteria, sort, wanted) for one in asked]
        return sum(one.total for one in parts), merged([row for one in parts for row in one.rows], wanted)

    return index.read(question, NOW)


def found_users(index: TokenIndex, criteria: Criteria, sort: UserSort, wanted: Wanted) -> tuple[int, list[Match]]:
    def question(snapshot: Snapshot) -> tuple[int, list[Match]]:
        asked = [one for one in snapshot.contents if criteria.organization in {None, one.name}]
        parts = [one.users_of(criteria, sort, wanted, NOW) for one in asked]
        return sum(one.total for one in parts), merged([row for one in parts for row in one.rows], wanted)

    return index.read(question, NOW)


def every_page(
    find: Callable[[Wanted], tuple[int, list[Match]]], limit: int, total: int, *, descending: bool
) -> list[Match]:
    """The rows of all pages, each of which must name this total."""
    shown: list[Match] = []
    wanted = Wanted(descending, None, limit)
    while True:
        counted, rows = find(wanted)
        assert counted == total
        shown += rows
        if not rows or len(shown) >= total:
            return shown
        wanted = replace(wanted, after=rows[-1].key)


@settings(max_examples=150, deadline=None)
@given(
    world=worlds(),
    criteria=CRITERIA,
    sort=st.sampled_from(TokenSort),
    limit=st.integers(1, 4),
    descending=st.booleans(),
)
def test_pages_of_tokens_are_what_filtering_and_sorting_everything_finds(
    world: searches.World, criteria: Criteria, sort: TokenSort, limit: int, *, descending: bool
) -> None:
    index = an_index(world)
    expected = searches.tokens(world, POLICIES, criteria, sort, NOW)
    expected = expected[::-1] if descending else expected
    shown = every_page(partial(found_tokens, index, criteria, sort), limit, len(expected), descending=descending)
    assert [(row.organization, row.state, row.token) for row in shown] == expected
    whole = found_tokens(index, criteria, sort, Wanted(descending, None, None))[1]
    assert [(row.organization, row.state, row.token) for row in whole] == expected


@settings(max_examples=150, deadline=None)
@given(
    world=worlds(),
    criteria=CRITERIA,
    sort=st.sampled_from(TokenSort),
    limit=st.integers(1, 4),
    descending=st.booleans(),
)
def test_pages_of_violations_are_what_filtering_and_sorting_everything_finds(
    world: searches.World, criteria: Criteria, sort: TokenSort, limit: int, *, descending: bool
) -> None:
    index = an_index(world)
    expected = searches.all_violations(world, POLICIES, criteria, sort, NOW)
    expected = expected[::-1] if descending else expected
    shown = every_page(partial(found_violations, index, criteria, sort), limit, len(expected), descending=descending)
    assert [(row.organization, row.state, row.token) for row in shown] == expected


@settings(max_examples=100, deadline=None)
@given(
    world=worlds(), criteria=CRITERIA, sort=st.sampled_from(UserSort), limit=st.integers(1, 4), descending=st.booleans()
)
def test_pages_of_users_are_what_filtering_and_sorting_everything_finds(
    world: searches.World, criteria: Criteria, sort: UserSort, limit: int, *, descending: bool
) -> None:
    criteria = replace(criteria, kind=None, token_id=None)
    index = an_index(world)
    expected = searches.users(world, POLICIES, criteria, sort, NOW)
    expected = expected[::-1] if descending else expected
    shown = every_page(partial(found_users, index, criteria, sort), limit, len(expected), descending=descending)
    assert [row.state.user.user_id for row in shown] == expected


@pytest.fixture
def acme() -> Contents:
    """Li violates max_tokens_per_user; of Li's tokens, one never expires and one grants a forbidden permission."""
    li = UserState(User("1", "li", (), None, Owner("li@x.com", "Ops")))
    tokens = (
        a_token("pt-a", expires_in=NEVER),
        a_token("pt-b", expires_in=DAY, permissions=("base_user_read_write",)),
        a_token("pt-c", expires_in=2 * DAY),
    )
    wang = UserState(User("2", "wang")).succeeded((a_token("pt-d"),), NOW)
    index = an_index({"acme": [li.succeeded(tokens, NOW), wang]})
    return index.read(lambda snapshot: snapshot.contents[0], NOW)


def names(match: Match) -> list[str]:
    return [policy.name for policy in match.policies]


def test_a_user_that_violates_a_policy_as_a_whole_is_found(acme: Contents) -> None:
    for sort in TokenSort:
        part = acme.violating_users(Criteria(), sort, Wanted())
        assert (part.total, [(one.state.user.user_id, names(one)) for one in part.rows]) == (
            1,
            [("1", ["max_tokens_per_user"])],
        )


@pytest.mark.parametrize(
    "criteria",
    [
        Criteria(state=TokenState.ACTIVE),
        Criteria(user="2"),
        Criteria(text="wang"),
        Criteria(policies=frozenset({"max_age"})),
        Criteria(policies=frozenset(), kind=CredentialKind.SSH_KEY),
    ],
)
def test_no_user_as_a_whole_is_found_by_criteria_that_do_not_match(acme: Contents, criteria: Criteria) -> None:
    assert acme.violating_users(criteria, TokenSort.EXPIRES, Wanted()).total == 0


def test_rows_name_the_policies_that_they_violate(acme: Contents) -> None:
    rows = acme.tokens(Criteria(), TokenSort.SEVERITY, Wanted(), NOW).rows
    assert [(row.token and row.token.token_id, names(row)) for row in rows] == [
        ("pt-b", ["forbidden_permissions"]),
        ("pt-a", ["never_expires"]),
        ("pt-c", []),
        ("pt-d", []),
    ]
    li, _ = acme.users_of(Criteria(), UserSort.USER, Wanted(), NOW).rows
    assert names(li) == ["never_expires", "forbidden_permissions", "max_tokens_per_user"]
    of_tokens, of_user = acme.policies_of(li.state)[:3], acme.policies_of(li.state)[3]
    assert [[one.name for one in every] for every in of_tokens] == [["never_expires"], ["forbidden_permissions"], []]
    assert [one.name for one in of_user] == ["max_tokens_per_user"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (TokenSort.EXPIRES, ["soon", "late", "unknown", "endless"]),
        (TokenSort.USER, ["late", "unknown", "endless", "soon"]),
        (TokenSort.TOKEN, ["endless", "unknown", "late", "soon"]),
    ],
)
def test_orders(sort: TokenSort, expected: list[str]) -> None:
    of_li = (
        a_token("late", expires_in=2 * DAY, name="y"),
        a_token("unknown", expires_in=None, name="x"),
        a_token("endless", expires_in=NEVER, name="w"),
    )
    li = UserState(User("2", "li")).succeeded(of_li, NOW)
    wang = UserState(User("1", "wang")).succeeded((a_token("soon", expires_in=DAY, name="z"),), NOW)
    index = an_index({"acme": [li, wang]})
    for descending in (False, True):
        _, rows = found_tokens(index, Criteria(), sort, Wanted(descending))
        found = [row.token.token_id for row in rows if row.token is not None]
        assert found == (expected[::-1] if descending else expected)


def test_an_ssh_key_violates_nothing_whatever_the_token_at_its_place_does() -> None:
    li = UserState(User("1", "li"))
    tokens = (a_token("pt-a", expires_in=NEVER),)
    index = an_index({"acme": [li.succeeded(tokens, NOW, ssh_keys=(a_key("501"), a_key("502")))]})
    rows = index.read(lambda one: one.contents[0].tokens(Criteria(), TokenSort.SEVERITY, Wanted(), NOW).rows, NOW)
    assert [(row.token and row.token.token_id, names(row)) for row in rows] == [
        ("pt-a", ["never_expires"]),
        ("501", []),
        ("502", []),
    ]


def test_expired_tokens_are_counted_at_any_time(acme: Contents) -> None:
    # pt-b expires after one day, pt-c after two, pt-d after five.
    assert acme.expired_at([NOW, NOW + DAY, NOW + 4 * DAY, NOW + 5 * DAY]) == [0, 1, 2, 3]
