"""The index of one organization; `test_token_index.py` compares it with a plain computation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.builders import DAY, NOW, a_failure, a_key, a_token

from exporter.common import sorted_chunks
from exporter.model.token import NEVER, CredentialKind, TokenState
from exporter.model.user import User
from exporter.policies.builtin import MaxTokensPerUser
from exporter.policies.schema import Policies
from exporter.state.columns import TokenColumns, UserColumns
from exporter.state.ledger import Ledger
from exporter.state.organization_index import OrganizationIndex

if TYPE_CHECKING:
    import pytest


def a_ledger() -> Ledger:
    ledger = Ledger("acme", [User("1", "li"), User("2", "wang"), User("3", "zhao")])
    ledger.keep_tokens(2)
    tokens = [a_token(f"pt-{expires_in}", expires_in=expires_in) for expires_in in (DAY, 2 * DAY, NEVER)]
    ledger.succeeded("1", tuple(tokens), NOW)
    ledger.succeeded("2", (), NOW - 10, (a_key("501", expires_in=DAY),))
    ledger.failed("2", a_failure(), NOW)
    return ledger


def test_counts() -> None:
    index = OrganizationIndex("acme")
    index.update(a_ledger().view())
    counts = index.counts(NOW, 9)
    assert (counts.users, counts.pending, counts.failing, counts.stale, counts.cut) == (3, 1, 1, 1, 1)
    assert counts.tokens == {
        TokenState.ACTIVE: 2, TokenState.EXPIRED: 0, TokenState.NEVER_EXPIRES: 1, TokenState.UNKNOWN: 0
    }  # fmt: skip
    # Data that is exactly as old as allowed is not stale.
    assert index.counts(NOW, 10).stale == 0
    assert index.tokens_left_out == 1
    assert [index.expiring(kind, DAY, NOW) for kind in CredentialKind] == [1, 1]


def test_tokens_that_are_only_counted_count_for_policies_as_soon_as_there_are_more() -> None:
    policies = Policies.model_validate({"max_tokens_per_user": {"limit": 2}})
    ledger = Ledger("acme", [User("1", "li")])
    ledger.keep_tokens(2)
    index = OrganizationIndex("acme")
    found = []
    for number in (2, 3, 2):
        tokens = [a_token(f"pt-{one}", expires_in=(1 + one) * DAY) for one in range(number)]
        ledger.succeeded("1", tuple(tokens), NOW)
        index.update(ledger.view())
        index.evaluate(policies, NOW, 10)
        found.append(index.contents().violations[MaxTokensPerUser])
    # The third token is not kept, but counts.
    assert found == [0, 1, 0]


def test_violations_of_one_user_are_collected_again_in_the_chunks_with_its_tokens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sorted_chunks, "_LOAD", 8)
    policies = Policies.model_validate({"expired_not_removed": {"after": "1d"}})
    ledger = Ledger("acme", [User(str(number), f"user{number}") for number in range(100)])
    for number in range(100):
        ledger.succeeded(str(number), (a_token(f"pt-{number}", expires_in=(9 + number) * DAY),), NOW)
    index = OrganizationIndex("acme")
    index.update(ledger.view())
    index.evaluate(policies, NOW, 100)
    assert index.prepare(100)
    # The token of the first user is expired for one day, and no other.
    index.evaluate(policies, NOW + 10.5 * DAY, 100)
    contents = index.contents()
    tokens = [chunk.derived for chunk in contents.orders[CredentialKind.TOKEN].chunks]
    users = [chunk.derived for chunk in contents.users.chunks]
    assert [at for at, one in enumerate(tokens) if isinstance(one, TokenColumns) and one.violated is None] == [0]
    assert [at for at, one in enumerate(users) if isinstance(one, UserColumns) and one.violated is None] == [0]
    # Both are collected in the background before the next question.
    assert not index.prepare(1)
    assert index.prepare(1)


def test_columns_are_made_a_few_chunks_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_chunks, "_LOAD", 8)
    ledger = Ledger("acme", [User(str(number), f"user{number}") for number in range(40)])
    for number in range(40):
        ledger.succeeded(str(number), (a_token(f"pt-{number}"),), NOW)
    index = OrganizationIndex("acme")
    index.update(ledger.view())
    # Five chunks of tokens, and five of users.
    assert [index.prepare(4) for _ in range(4)] == [False, False, True, True]
