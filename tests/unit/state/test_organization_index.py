"""The index of one organization; `test_token_index.py` compares it with a plain computation."""

from __future__ import annotations

from support.builders import DAY, NOW, a_failure, a_key, a_token

from exporter.model.token import NEVER, CredentialKind, TokenState
from exporter.model.user import User
from exporter.policies.builtin import MaxTokensPerUser
from exporter.policies.schema import Policies
from exporter.state.ledger import Ledger
from exporter.state.organization_index import OrganizationIndex


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
