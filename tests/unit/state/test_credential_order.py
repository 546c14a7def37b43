"""The credentials of one kind by expiry; `test_token_index.py` compares them with a plain computation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.builders import DAY, NOW, a_key, a_state, a_token

from exporter.common import sorted_chunks
from exporter.model.token import NEVER, CredentialKind, TokenState
from exporter.model.user import User
from exporter.state.credential_order import CredentialOrder

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
def order() -> CredentialOrder:
    made = CredentialOrder("acme", CredentialKind.TOKEN)
    made.change([(None, STATE)], [STATE])
    return made


def test_states_are_counted_at_any_time(order: CredentialOrder) -> None:
    def counts(now: float) -> list[int]:
        return [order.count(state, now) for state in TokenState]

    # Active, expired, never, unknown. A token whose last moment is now has expired.
    assert len(order.copy()) == 6
    assert counts(NOW) == [2, 2, 1, 1]
    assert counts(NOW + DAY) == [1, 3, 1, 1]
    assert counts(NOW - 2 * DAY) == [4, 0, 1, 1]


def test_active_tokens_that_expire_soon_are_counted(order: CredentialOrder) -> None:
    assert [order.expiring(within, NOW) for within in (-DAY, 0.0, DAY, 3 * DAY, 999 * DAY)] == [0, 0, 1, 2, 2]


def test_the_credentials_of_a_renamed_user_are_those_of_the_new_name(order: CredentialOrder) -> None:
    renamed = STATE.about(User("u1", "wang"))
    order.change([(STATE, renamed)], [renamed])
    assert [entry.user.name for entry in order.copy()] == ["wang"] * 6


def test_a_poll_that_finds_the_same_tokens_changes_nothing(order: CredentialOrder) -> None:
    before = order.copy()
    again = replace(STATE, last_success=NOW + 1)
    order.change([(STATE, again)], [again])
    assert [id(entry) for entry in order.copy()] == [id(entry) for entry in before]


def test_only_what_has_changed_of_a_user_is_replaced(order: CredentialOrder, monkeypatch: pytest.MonkeyPatch) -> None:
    # Three changes among six credentials would be many.
    monkeypatch.setattr(sorted_chunks, "_MANY", 1)
    before = {id(entry) for entry in order.copy()}
    renewed = (*STATE.tokens[:2], a_token("pt-3", expires_in=9 * DAY), *STATE.tokens[3:], a_token("pt-7"))
    after = replace(STATE, tokens=renewed)
    order.change([(STATE, after)], [after])
    assert [entry.token.token_id for entry in order.copy() if id(entry) not in before] == ["pt-7", "pt-3"]
    assert sorted(entry.token.token_id for entry in order.copy()) == [f"pt-{number}" for number in range(1, 8)]
