"""The cost of the first rows of lists, and of a whole list, compared with sorting everything and with a database."""

from __future__ import annotations

import heapq
import itertools
import json
import sqlite3
import time
import tracemalloc
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

import msgspec

from bench.fleet import WITH_POLICIES, a_store
from bench.table import Row, best_of, markdown
from exporter.common.clock import SystemClock
from exporter.model.token import CredentialKind, TokenState
from exporter.report.listing import records, rows
from exporter.state.criteria import Criteria
from exporter.state.cut import Wanted
from exporter.state.token_index import TokenIndex
from exporter.state.token_order import by_expiry, entries
from exporter.state.token_search import TokenSort
from exporter.state.user_search import UserSort
from exporter.web.token_list import TokenList

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.common.sorted_chunks import Key
    from exporter.state.ledger import Ledger
    from exporter.state.store import Store
    from exporter.state.token_index import Snapshot
    from exporter.state.token_order import Entry
    from exporter.web.refusals import Refusals

_FIRST = 100
_RUNS = 5


def listing(users: int) -> str:
    """Tables of the first rows and of the whole list."""
    store, clock = a_store(users), SystemClock()
    now = clock.now()
    tracemalloc.start()
    index = _an_index(store)
    index.prepare(now)
    memory, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    each = memory / (count := sum(len(state.tokens) for one in store.view().organizations for state in one.users))
    index = _an_index(store)
    index.refresh()
    started = time.perf_counter()
    index.prepare(now)
    prepared = time.perf_counter() - started
    nothing = cast("Refusals", None)
    (ledger,) = store._ledgers  # noqa: SLF001 - the bench changes a user
    changes = itertools.count(1)

    def after_a_change() -> None:
        _change(ledger, now + next(changes))
        index.overview(now, 3600.0)
        _first(index, Criteria(), TokenSort.EXPIRES, now)

    every = [
        (Criteria(organization=organization, state=state), sort)
        for sort in _SORTS
        for organization in (None, "acme")
        for state in (None, *TokenState)
    ]
    slowest = max(_search_time(index, criteria, sort, now) for criteria, sort in every)
    by_name = _search_time(index, Criteria(), TokenSort.TOKEN, now)
    first = [
        Row(f"ours, slowest of {len(every)} orders and filters", slowest, "by expiry, user or name"),
        Row("ours, by name", by_name),
        Row("ours, numbers and first rows after one user changed", best_of(_RUNS, after_a_change)),
        Row("SQLite in memory, one index, by name", _database(store), "the query alone"),
        Row("`heapq.nsmallest`, by name", best_of(2, lambda: _smallest(store))),
        Row("`sorted`, by name", best_of(2, lambda: _sorted(store))),
        Row("the list of the command line", best_of(1, lambda: rows(store.view(), now))),
        Row("ours, the first time", best_of(2, lambda: _an_index(store).refresh()), f"{each:.0f} bytes a token"),
    ]
    found = [
        Row("violations and columns, the first time", prepared, "in the background"),
        Row("tokens, the slowest sort", max(_search_time(index, Criteria(), sort, now) for sort in TokenSort)),
        *(Row(name, _search_time(index, criteria, TokenSort.CREATED, now)) for name, criteria in _SEARCHES.items()),
        Row("violations, by severity", best_of(_RUNS, partial(_violations, index, now))),
        Row("users, the slowest sort", max(best_of(_RUNS, partial(_users, index, sort, now)) for sort in UserSort)),
    ]
    tokens = TokenList(index, clock, nothing)
    size = sum(map(len, tokens.begin().portions()))
    note = f"{size / 1e6:.0f} MB; the longest portion {max(_portions(tokens)) * 1000:.0f} ms"
    whole = [
        Row("ours, in portions", best_of(2, lambda: sum(map(len, tokens.begin().portions()))), note),
        Row("msgspec, at once", best_of(1, lambda: msgspec.json.encode(_records(store, now))), "all in memory"),
        Row("json, at once", best_of(1, lambda: json.dumps(_records(store, now))), "all in memory"),
    ]
    title = f"{count:,} tokens of {users:,} users"
    return "\n".join(
        (
            markdown(f"The first {_FIRST} of {title}", "seconds", first),
            markdown(f"Searches in {title}", "seconds", found),
            markdown(f"All {title}", "seconds", whole),
        )
    )


_SORTS = (TokenSort.EXPIRES, TokenSort.USER, TokenSort.TOKEN)
_SEARCHES = {
    "a text that many contain, by creation": Criteria(text="a"),
    "a text that none contains, by creation": Criteria(text="no such text"),
    "a permission, by creation": Criteria(permission="base_user_read"),
    "part of the user's name, by creation": Criteria(owner="li"),
}


def _an_index(store: Store) -> TokenIndex:
    return TokenIndex(store.view, lambda: WITH_POLICIES.policies)


def _search_time(index: TokenIndex, criteria: Criteria, sort: TokenSort, now: float) -> float:
    return best_of(_RUNS, partial(_first, index, criteria, sort, now))


def _first(index: TokenIndex, criteria: Criteria, sort: TokenSort, now: float) -> None:
    def question(snapshot: Snapshot) -> None:
        for one in snapshot.contents:
            if criteria.organization in {None, one.name}:
                one.tokens(criteria, sort, Wanted(limit=_FIRST), now)

    index.read(question, now)


def _violations(index: TokenIndex, now: float) -> None:
    """As the list of violations is sorted unless asked otherwise."""
    criteria = Criteria(policies=frozenset(policy.name for policy in WITH_POLICIES.policies.enabled))
    _first(index, criteria, TokenSort.SEVERITY, now)
    wanted = Wanted(limit=_FIRST)
    index.read(lambda found: [one.violating_users(criteria, TokenSort.SEVERITY, wanted) for one in found.contents], now)


def _users(index: TokenIndex, sort: UserSort, now: float) -> None:
    wanted = Wanted(limit=_FIRST)
    index.read(lambda snapshot: [one.users_of(Criteria(), sort, wanted, now) for one in snapshot.contents], now)


def _portions(tokens: TokenList) -> Iterator[float]:
    """The seconds that each portion takes."""
    portions = tokens.begin().portions()
    while True:
        started = time.perf_counter()
        if next(portions, None) is None:
            return
        yield time.perf_counter() - started


def _change(ledger: Ledger, at: float) -> None:
    """A poll of one user that finds other tokens."""
    state = ledger.view().users[-1]
    ledger.succeeded(state.user.user_id, tuple(replace(token, expires_at=at) for token in state.tokens), at)


def _records(store: Store, now: float) -> list[dict[str, object]]:
    return records(rows(store.view(), now), now)


def _entries(store: Store) -> Iterator[Entry]:
    for one in store.view().organizations:
        for state in one.users:
            yield from entries(state, CredentialKind.TOKEN)


def _by_name(entry: Entry) -> Key:
    """The order that is ours: by name, then by expiry."""
    return (entry.token.name, *by_expiry("acme", entry))


def _sorted(store: Store) -> list[Entry]:
    return sorted(_entries(store), key=_by_name)[:_FIRST]


def _smallest(store: Store) -> list[Entry]:
    return heapq.nsmallest(_FIRST, _entries(store), key=_by_name)


def _database(store: Store) -> float:
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE tokens (name, organization, user, user_id, token_id, expires_at, permissions)")
        database.executemany(
            "INSERT INTO tokens VALUES (?, 'acme', ?, ?, ?, ?, ?)",
            (
                (one.token.name, one.user.name, one.user.user_id, one.token.token_id, one.token.expires_at,
                 " ".join(one.token.permissions))
                for one in _entries(store)
            ),
        )  # fmt: skip
        order = "name, expires_at, organization, user, token_id, user_id"
        database.execute(f"CREATE INDEX by_name ON tokens ({order})")
        query = f"SELECT * FROM tokens ORDER BY {order} LIMIT {_FIRST}"
        return best_of(_RUNS, lambda: database.execute(query).fetchall())
