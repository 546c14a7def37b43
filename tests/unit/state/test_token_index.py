"""The index against a plain computation, over random histories of ledgers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import searches
from support.builders import DAY, NOW, a_failure, a_key, a_state, a_token

from exporter.common import sorted_chunks
from exporter.model.snapshot import Sweep, SweepResult, View
from exporter.model.token import NEVER, CredentialKind, Token, TokenState
from exporter.model.user import User
from exporter.policies.schema import Policies
from exporter.state import credential_order, organization_index, violation_index
from exporter.state.contents import Match, merged
from exporter.state.criteria import Criteria, PollStatus
from exporter.state.cut import Wanted
from exporter.state.ledger import Ledger
from exporter.state.store import Store
from exporter.state.token_index import TokenIndex
from exporter.state.token_order import by_expiry
from exporter.state.token_search import TokenSort
from exporter.state.user_search import UserSort

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.common.sorted_chunks import Key
    from exporter.state.token_index import Snapshot
    from exporter.state.token_order import Entry

STALE_AFTER = 2 * DAY
ORGANIZATIONS = ("acme", "globex")
EXPIRIES = (-DAY, 0.0, DAY, 3 * DAY, NEVER, None)


@pytest.fixture(scope="module", autouse=True)
def small_chunks() -> Iterator[None]:
    """So small that a few users need several, and that single changes and new sorts both happen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_chunks, "_LOAD", 3)
        patch.setattr(sorted_chunks, "_RUN", 5)
        patch.setattr(sorted_chunks, "_MANY", 1)
        patch.setattr(organization_index, "_FEW", 1)
        patch.setattr(violation_index, "_LATE", 0.0)
        yield


POLICIES = Policies.model_validate(
    {"never_expires": "forbid", "expired_not_removed": {"after": "1d"}, "max_tokens_per_user": {"limit": 2}}
)
EVERYTHING = Criteria()
SEARCHES = (EVERYTHING, Criteria(text="li"), Criteria(user="1", policies=frozenset({"never_expires"})))


@dataclass(frozen=True)
class Asked:
    """A list that is read page by page."""

    criteria: Criteria = EVERYTHING
    sort: TokenSort = TokenSort.EXPIRES
    descending: bool = False
    limit: int = 100


class World:
    """Ledgers as the daemon has them, and the time."""

    def __init__(self) -> None:
        self.now = NOW
        self.store = Store()
        self.ledgers = {name: Ledger(name, [User("1", "li"), User("2", "wang")]) for name in ORGANIZATIONS}
        self.store.replace(self.ledgers.values())
        self.index = TokenIndex(self.store.view, lambda: POLICIES)

    def reload(self, names: tuple[str, ...]) -> None:
        """Organizations are removed, stay with their ledger, or come back with a new one."""
        self.ledgers = {name: self.ledgers.get(name) or Ledger(name, [User("1", "li")]) for name in names}
        self.store.replace(self.ledgers.values())

    def restart(self) -> None:
        """New ledgers with the old states, as when the state file is read."""
        self.ledgers = {name: Ledger(name, old.users(), old.view()) for name, old in self.ledgers.items()}
        self.store.replace(self.ledgers.values())

    def expected(self) -> list[tuple[str, Any, Token, int]]:
        return [
            (one.name, state, token, position)
            for one in self.store.view().organizations
            for state in one.users
            for part in (state.tokens, state.ssh_keys or ())
            for position, token in enumerate(part)
        ]

    @property
    def states(self) -> searches.World:
        return {one.name: one.users for one in self.store.view().organizations}

    def expected_rows(self, asked: Asked) -> list[searches.Row]:
        """All rows of a list, without an index."""
        found = searches.tokens(self.states, POLICIES, asked.criteria, asked.sort, self.now)
        return found[::-1] if asked.descending else found

    def rows(self, asked: Asked) -> list[searches.Row]:
        """All rows of a list, page by page."""
        found: list[Match] = []
        wanted = Wanted(asked.descending, None, asked.limit)
        while True:
            page = self.first(asked, wanted)
            assert len(page) <= asked.limit
            found += page
            if len(page) < asked.limit:
                return [(one.organization, one.state, one.token) for one in found if one.token is not None]
            wanted = replace(wanted, after=page[-1].key)

    def first(self, asked: Asked, wanted: Wanted) -> list[Match]:
        return self.index.read(lambda found: searched(found, asked.criteria, asked.sort, self.now, wanted), self.now)

    def check_searches(self) -> None:
        """Searches find what a search without an index finds, whatever has changed before."""
        self.index.prepare(self.now)
        for criteria in SEARCHES:
            for sort in (TokenSort.EXPIRES, TokenSort.USER, TokenSort.SEVERITY, TokenSort.CREATED):
                rows = self.first(Asked(criteria, sort), Wanted(limit=None))
                expected = searches.tokens(self.states, POLICIES, criteria, sort, self.now)
                assert [(row.organization, row.state, row.token) for row in rows] == expected
        for sort in (TokenSort.SEVERITY, TokenSort.USER):
            rows = self.index.read(lambda found: violating(found, sort, self.now), self.now)  # noqa: B023
            assert [(row.organization, row.state, row.token) for row in rows] == searches.all_violations(
                self.states, POLICIES, EVERYTHING, sort, self.now
            )
        by_violations = [(criteria, UserSort.VIOLATIONS) for criteria in SEARCHES]
        for criteria, of_users in (*by_violations, (Criteria(status=PollStatus.FAILING), UserSort.USER)):
            users = self.index.read(lambda found: searched_users(found, criteria, of_users, self.now), self.now)  # noqa: B023
            assert [row.state.user.user_id for row in users] == searches.users(
                self.states, POLICIES, criteria, of_users, self.now
            )

    def check_numbers(self) -> None:
        overview = self.index.overview(self.now, STALE_AFTER)
        view = self.store.view()
        assert overview.view == view
        for one, counts in zip(view.organizations, overview.counts, strict=True):
            users = one.users
            assert (counts.users, counts.pending) == (len(users), sum(not user.polled for user in users))
            assert counts.failing == sum(user.failure is not None for user in users)
            late = [user for user in users if user.last_success is not None]
            assert counts.stale == sum(self.now - (user.last_success or 0) > STALE_AFTER for user in late)
            assert counts.cut == sum(bool(user.left_out) for user in users)
            tokens = [user.counts(self.now) for user in users]
            assert counts.tokens == {state: sum(each[state] for each in tokens) for state in TokenState}
        active = Asked(Criteria(state=TokenState.ACTIVE))
        soonest = [(one.organization, one.state, one.token) for one in self.first(active, Wanted(limit=3))]
        assert soonest == self.expected_rows(active)[:3]
        for kind in CredentialKind:
            soon = [
                name
                for name, _, token, _ in self.expected()
                if token.kind is kind and self.now < (token.expires_at or 0.0) <= self.now + 2 * DAY
            ]
            expected = {one.name: soon.count(one.name) for one in view.organizations}
            assert self.index.expiring(kind, 2 * DAY, self.now) == expected
        whole = self.index.whole_list()
        assert whole.left_out == sum(user.tokens_left_out for one in view.organizations for user in one.users)
        listed = [(name, entry.user, entry.token) for name, entry in whole.by_expiry()]
        assert listed == [(name, state.user, token) for name, state, token in self.expected_rows(Asked())]


def searched(found: Snapshot, criteria: Criteria, sort: TokenSort, now: float, wanted: Wanted) -> list[Match]:
    parts = [
        one.tokens(criteria, sort, wanted, now) for one in found.contents if criteria.organization in {None, one.name}
    ]
    return merged([row for one in parts for row in one.rows], wanted)


def violating(found: Snapshot, sort: TokenSort, now: float) -> list[Match]:
    wanted = Wanted(limit=None)
    criteria = Criteria(policies=frozenset(policy.name for policy in POLICIES.enabled))
    rows = searched(found, criteria, sort, now, wanted)
    rows += [row for one in found.contents for row in one.violating_users(criteria, sort, wanted).rows]
    return merged(rows, wanted)


def searched_users(found: Snapshot, criteria: Criteria, sort: UserSort, now: float) -> list[Match]:
    wanted = Wanted(limit=None)
    parts = [one.users_of(criteria, sort, wanted, now) for one in found.contents]
    return merged([row for one in parts for row in one.rows], wanted)


users = st.builds(User, st.sampled_from("123456"), st.sampled_from(["li", "wang", "zhao"]))
user_lists = st.lists(users, max_size=6, unique_by=lambda user: user.user_id)
tokens = st.lists(
    st.builds(
        lambda token_id, expires_in, name: a_token(token_id, expires_in=expires_in, name=name),
        st.sampled_from(["pt-1", "pt-2"]), st.sampled_from(EXPIRIES), st.sampled_from(["ci", "dev"]),
    ),
    max_size=5,
).map(tuple)  # fmt: skip
keys = st.none() | st.lists(
    st.builds(lambda expires_in: a_key(expires_in=expires_in), st.sampled_from(EXPIRIES)), max_size=2
).map(tuple)
names = st.sampled_from(ORGANIZATIONS)
ids = st.sampled_from("123456")
steps = st.one_of(
    st.tuples(st.just("succeeded"), names, ids, tokens, keys),
    st.tuples(st.just("failed"), names, ids),
    st.tuples(st.just("all failed"), names),
    st.tuples(st.just("watch"), names, user_lists),
    st.tuples(st.just("take"), names, users, tokens),
    st.tuples(st.just("keep"), names, st.integers(1, 4)),
    st.tuples(st.just("reload"), st.lists(names, unique=True).map(tuple)),
    st.tuples(st.just("restart")),
    st.tuples(st.just("time"), st.sampled_from([-5 * DAY, -1.0, 1.0, DAY, 2 * DAY])),
    st.tuples(st.just("swept"), names),
    st.tuples(st.just("refresh")),
    st.tuples(st.just("check")),
)
lists = st.builds(
    Asked,
    st.builds(
        Criteria,
        organization=st.none() | names,
        state=st.none() | st.sampled_from(TokenState),
        kind=st.none() | st.sampled_from(CredentialKind),
    ),
    st.sampled_from(TokenSort),
    st.booleans(),
    st.integers(1, 4),
)


def take(world: World, step: tuple[Any, ...]) -> None:
    match step:
        case "time", seconds:
            world.now += seconds
        case "reload", wanted:
            world.reload(wanted)
        case ("restart",):
            world.restart()
        case ("refresh",):
            world.index.refresh()
        case kind, name, *rest if name in world.ledgers:
            change(world, world.ledgers[name], kind, rest)


def change(world: World, ledger: Ledger, kind: str, rest: list[Any]) -> None:
    match kind:
        case "succeeded":
            ledger.succeeded(rest[0], rest[1], world.now, rest[2])
        case "failed":
            ledger.failed(rest[0], a_failure(), world.now)
        case "all failed":
            ledger.all_failed(a_failure(), world.now)
        case "swept":
            ledger.swept(Sweep(SweepResult.SUCCESS, 1.0, world.now))
        case "watch":
            ledger.watch(rest[0])
        case "take":
            ledger.take(a_state(*rest[1], user=rest[0], at=world.now))
        case "keep":
            ledger.keep_tokens(rest[0])


GONE = a_token("pt-1", expires_in=-DAY)
MASKED_TWINS = (a_token("pt-1"), a_token("pt-1"), replace(a_token("pt-1"), description="another"))


@settings(max_examples=120)
@given(st.lists(steps, min_size=5, max_size=40), st.lists(lists, min_size=3, max_size=6))
@example([("succeeded", "acme", "1", MASKED_TWINS, None), ("refresh",), ("failed", "acme", "1")], [Asked(limit=1)] * 3)
@example(
    [("succeeded", "acme", "1", (a_token(),), None), ("refresh",), ("watch", "acme", [User("1", "a"), User("3", "b")])],
    [Asked(sort=TokenSort.USER, limit=2)] * 3,
)
@example(
    [
        ("succeeded", "acme", "1", (GONE,), None),
        ("succeeded", "acme", "1", (GONE, replace(GONE)), (a_key(expires_in=-DAY),)),
    ],
    [Asked()] * 3,
)
def test_pages_and_numbers_are_those_of_a_plain_computation(history: list[Any], asked: list[Asked]) -> None:
    world = World()
    for step in history:
        take(world, step)
        if step[0] in {"check", "time"}:
            world.check_numbers()
        if step[0] == "check":
            world.check_searches()
    world.check_numbers()
    world.check_searches()
    for one in asked:
        assert world.rows(one) == world.expected_rows(one)


def test_a_refresh_leaves_organizations_for_later_until_they_have_been_swept() -> None:
    ledger = Ledger("acme", [User("1", "li")])
    index = TokenIndex(lambda: View((ledger.view(),)))
    index.refresh()
    assert index._organizations == {}
    ledger.swept(Sweep(SweepResult.SUCCESS, 1.0, NOW))
    index.refresh()
    assert index._organizations["acme"].counts(NOW, DAY).users == 1


def test_the_work_of_a_change_follows_the_change(monkeypatch: pytest.MonkeyPatch) -> None:
    computed = 0

    def counted(organization: str, entry: Entry) -> Key:
        nonlocal computed
        computed += 1
        return by_expiry(organization, entry)

    def first_row(snapshot: Snapshot) -> list[Match]:
        return searched(snapshot, Criteria(), TokenSort.EXPIRES, NOW, Wanted(limit=1))

    monkeypatch.setattr(credential_order, "by_expiry", counted)
    monkeypatch.setattr(sorted_chunks, "_LOAD", 64)
    monkeypatch.setattr(sorted_chunks, "_MANY", 4)
    ledger = Ledger("acme", [User(str(number), "li") for number in range(2000)])
    for number in range(2000):
        ledger.succeeded(str(number), (a_token(f"pt-{number}", expires_in=DAY * number),), NOW)
    index = TokenIndex(lambda: View((ledger.view(),)))
    index.read(first_row, NOW)
    assert computed >= 2000
    computed = 0
    ledger.succeeded("1000", (a_token("pt-1000", expires_in=DAY),), NOW + 1)
    index.read(first_row, NOW)
    # Two bisections of 32 chunks and 64 entries, with a few more for the ends.
    assert 0 < computed < 40
    computed = 0
    for number in range(2000):
        ledger.succeeded(str(number), ledger.view().users[number].tokens, NOW + 2)
    index.read(first_row, NOW)
    # Polls without a change, and time that passes, need none.
    index.read(first_row, NOW + 999 * DAY)
    assert computed == 0


def test_after_a_defect_the_index_is_made_from_the_whole_snapshot() -> None:
    ledger = Ledger("acme", [User("1", "li"), User("2", "wang")])
    store = Store()
    store.replace([ledger])
    index = TokenIndex(store.view)

    def found() -> list[str]:
        return [entry.token.token_id for _, entry in index.whole_list().by_expiry()]

    ledger.succeeded("1", (a_token("pt-1", expires_in=DAY),), NOW)
    assert found() == ["pt-1"]
    # An expiry that cannot be compared with others.
    ledger.succeeded("2", (replace(a_token("pt-1"), expires_at="soon"),), NOW)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        found()
    ledger.succeeded("2", (a_token("pt-2", expires_in=2 * DAY),), NOW)
    assert found() == ["pt-1", "pt-2"]
