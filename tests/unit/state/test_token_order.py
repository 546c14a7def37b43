"""The order of tokens by expiry."""

from __future__ import annotations

from support.builders import DAY, NOW, a_key, a_state, a_token

from exporter.model.token import NEVER, CredentialKind, TokenState
from exporter.model.user import User
from exporter.state.token_order import RANK, Entry, by_expiry, entries, user_key

LI, WANG = User("2", "li"), User("1", "wang")
SOON = Entry(WANG, a_token("pt-b", expires_in=DAY), 0)
LATE = Entry(LI, a_token("pt-a", expires_in=2 * DAY), 0)
UNKNOWN = Entry(LI, a_token("pt-c", expires_in=None), 1)
ENDLESS = Entry(LI, a_token("pt-d", expires_in=NEVER), 2)


def test_tokens_by_expiry() -> None:
    found = sorted([UNKNOWN, ENDLESS, SOON, LATE], key=lambda entry: by_expiry("acme", entry))
    assert found == [SOON, LATE, UNKNOWN, ENDLESS]


def test_twins_in_one_account_and_in_two_organizations_have_different_keys() -> None:
    twins = entries(a_state(a_token(), a_token(), keys=(a_key("pt-aaaa", title="ci"),)), CredentialKind.TOKEN)
    twins += entries(a_state(keys=(a_key("pt-aaaa", title="ci"),)), CredentialKind.SSH_KEY)
    assert len({by_expiry(name, entry) for name in ("acme", "globex") for entry in twins}) == 6


def test_users_by_name() -> None:
    assert sorted([WANG, LI], key=lambda user: user_key("acme", user)) == [LI, WANG]
    assert user_key("acme", WANG) == ("wang", "acme", "1")


def test_by_expiry_states_follow_each_other_in_the_order_of_their_ranks() -> None:
    found = [entry.token.state(NOW + 1.5 * DAY) for entry in (SOON, LATE, UNKNOWN, ENDLESS)]
    assert found == [TokenState.EXPIRED, TokenState.ACTIVE, TokenState.UNKNOWN, TokenState.NEVER_EXPIRES]
    assert [RANK[state] for state in found] == [0, 1, 2, 3]
