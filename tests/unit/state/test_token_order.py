"""The orders of tokens."""

from __future__ import annotations

import pytest
from support.builders import DAY, NOW, a_key, a_state, a_token

from exporter.model.token import NEVER, CredentialKind, TokenState
from exporter.model.user import User
from exporter.state.token_order import RANK, Entry, Order, Query, entries, key, user_key

LI, WANG = User("2", "li"), User("1", "wang")
SOON = Entry(WANG, a_token("pt-b", expires_in=DAY, name="z"), 0)
LATE = Entry(LI, a_token("pt-a", expires_in=2 * DAY, name="y"), 0)
UNKNOWN = Entry(LI, a_token("pt-c", expires_in=None, name="x"), 1)
ENDLESS = Entry(LI, a_token("pt-d", expires_in=NEVER, name="w"), 2)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order.EXPIRY, [SOON, LATE, UNKNOWN, ENDLESS]),
        (Order.USER, [LATE, UNKNOWN, ENDLESS, SOON]),
        (Order.NAME, [ENDLESS, UNKNOWN, LATE, SOON]),
    ],
)
def test_orders(order: Order, expected: list[Entry]) -> None:
    assert sorted([UNKNOWN, ENDLESS, SOON, LATE], key=lambda entry: key(order, "acme", entry)) == expected


@pytest.mark.parametrize("order", Order)
def test_twins_in_one_account_and_in_two_organizations_have_different_keys(order: Order) -> None:
    twins = entries(a_state(a_token(), a_token(), keys=(a_key("pt-aaaa", title="ci"),)), CredentialKind.TOKEN)
    twins += entries(a_state(keys=(a_key("pt-aaaa", title="ci"),)), CredentialKind.SSH_KEY)
    assert len({key(order, name, entry) for name in ("acme", "globex") for entry in twins}) == 6


def test_the_order_by_user_begins_like_that_of_the_users() -> None:
    assert key(Order.USER, "acme", SOON)[:3] == user_key("acme", WANG) == ("wang", "acme", "1")


def test_by_expiry_states_follow_each_other_in_the_order_of_their_ranks() -> None:
    found = [entry.token.state(NOW + 1.5 * DAY) for entry in (SOON, LATE, UNKNOWN, ENDLESS)]
    assert found == [TokenState.EXPIRED, TokenState.ACTIVE, TokenState.UNKNOWN, TokenState.NEVER_EXPIRES]
    assert [RANK[state] for state in found] == [0, 1, 2, 3]


def test_a_query_is_about_all_kinds_unless_it_names_one() -> None:
    assert Query().kinds == (CredentialKind.TOKEN, CredentialKind.SSH_KEY)
    assert Query(kind=CredentialKind.SSH_KEY).kinds == (CredentialKind.SSH_KEY,)
