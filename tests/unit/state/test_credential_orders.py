"""The credentials of one kind in their orders; `test_token_index.py` compares them with a plain computation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.builders import DAY, NOW, a_key, a_state, a_token

from exporter.common import sorted_chunks
from exporter.model.token import NEVER, CredentialKind, TokenState
from exporter.model.user import User
from exporter.state.credential_orders import CredentialOrders

STATE = a_state(
    a_token("pt-1", expires_in=-DAY),
    a_token("pt-2", expires_in=0.0),
    a_token("pt-3", expires_in=DAY),
    a_token("pt-4", expires_in=3 * DAY),
    a_token("pt-5", expires_in=None),
    a_token("pt-6", expires_in=NEVER),
    keys=(a_key("501", expires_in=DAY),),
)


@pytest.fixture
def orders() -> CredentialOrders:
    made = CredentialOrders("acme", CredentialKind.TOKEN)
    made.change([(None, STATE)], [STATE])
    return made


def test_states_are_counted_at_any_time(orders: CredentialOrders) -> None:
    def counts(now: float) -> list[int]:
        return [orders.count(state, now) for state in TokenState]

    # Active, expired, never, unknown. A token whose last moment is now has expired.
    assert len(orders) == 6
    assert counts(NOW) == [2, 2, 1, 1]
    assert counts(NOW + DAY) == [1, 3, 1, 1]
    assert counts(NOW - 2 * DAY) == [4, 0, 1, 1]


def test_active_tokens_that_expire_soon_are_counted(orders: CredentialOrders) -> None:
    assert [orders.expiring(within, NOW) for within in (-DAY, 0.0, DAY, 3 * DAY, 999 * DAY)] == [0, 0, 1, 2, 2]


def test_the_entries_are_shared_by_the_orders(orders: CredentialOrders) -> None:
    by_expiry, by_name = orders.by_expiry(None, NOW, None), orders.by_name(None, NOW, None)
    assert {id(entry) for entry in by_expiry} == {id(entry) for entry in by_name}
    renamed = STATE.about(User("u1", "wang"))
    orders.change([(STATE, renamed)], [renamed])
    assert {id(entry) for entry in orders.all_by_expiry()} == {id(entry) for entry in orders.by_name(None, NOW, None)}
    assert {entry.user.name for entry in orders.all_by_expiry()} == {"wang"}


def test_a_poll_that_finds_the_same_tokens_changes_nothing(orders: CredentialOrders) -> None:
    before = orders.all_by_expiry()
    again = replace(STATE, last_success=NOW + 1)
    orders.change([(STATE, again)], [again])
    assert [id(entry) for entry in orders.all_by_expiry()] == [id(entry) for entry in before]


def test_only_what_has_changed_of_a_user_is_replaced(orders: CredentialOrders, monkeypatch: pytest.MonkeyPatch) -> None:
    # Three changes among six credentials would be many.
    monkeypatch.setattr(sorted_chunks, "_MANY", 1)
    before = {id(entry) for entry in orders.all_by_expiry()}
    renewed = (*STATE.tokens[:2], a_token("pt-3", expires_in=9 * DAY), *STATE.tokens[3:], a_token("pt-7"))
    after = replace(STATE, tokens=renewed)
    orders.change([(STATE, after)], [after])
    assert [entry.token.token_id for entry in orders.all_by_expiry() if id(entry) not in before] == ["pt-7", "pt-3"]
    assert sorted(entry.token.token_id for entry in orders.all_by_expiry()) == [
        f"pt-{number}" for number in range(1, 8)
    ]
