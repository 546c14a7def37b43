"""SSH keys as values: what they share with tokens, and how they are stored."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
from support.builders import DAY, NOW, a_key, a_state, a_token

from exporter.model.ssh_key import SshKey
from exporter.model.state import UserState
from exporter.model.token import NEVER, CredentialKind, Token, TokenState, most_relevant


def test_a_key_has_a_kind_and_the_states_of_a_token() -> None:
    assert (a_key().kind, a_token().kind) == (CredentialKind.SSH_KEY, CredentialKind.TOKEN)
    states = [a_key(expires_in=left).state(NOW) for left in (1, 0, NEVER, None)]
    assert states == [TokenState.ACTIVE, TokenState.EXPIRED, TokenState.NEVER_EXPIRES, TokenState.UNKNOWN]


def test_a_key_never_equals_a_token() -> None:
    assert SshKey("1", "x") != Token("1", "x")
    assert len({SshKey("1", "x"), Token("1", "x")}) == 2


def test_the_most_relevant_keys_are_kept() -> None:
    soon, later = a_key("1"), a_key("2", expires_in=9 * DAY)
    kept, left_out = most_relevant((later, soon), 1, NOW)
    assert (kept, left_out) == ((soon,), ((TokenState.ACTIVE, 1),))


def test_a_state_with_keys_is_stored_and_read_back() -> None:
    state = a_state(a_token(), keys=(a_key(), a_key("2", expires_in=NEVER, used=None)))
    encoded = msgspec.msgpack.encode(state)
    assert msgspec.msgpack.decode(encoded, type=UserState) == state
    assert b"kind" not in encoded


@dataclass(frozen=True)
class OlderToken:
    """The fields of a token that older exporters know."""

    token_id: str
    name: str
    permissions: tuple[str, ...] = ()
    created_at: float | None = None
    expires_at: float | None = NEVER
    permissions_read: bool = True


@dataclass(frozen=True)
class OlderState:
    """Some fields of a user's state that older exporters know."""

    tokens: tuple[OlderToken, ...] = ()
    last_success: float | None = None


def test_an_older_exporter_reads_the_tokens_of_a_newer_record_and_takes_no_key_for_a_token() -> None:
    state = a_state(replace(a_token("pt-1"), description="builds"), keys=(a_key("501"),))
    older = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=OlderState)
    assert [token.token_id for token in older.tokens] == ["pt-1"]
    assert older.last_success == NOW


def test_a_record_of_an_older_exporter_has_no_keys() -> None:
    record = msgspec.msgpack.decode(msgspec.msgpack.encode(a_state(a_token())))
    del record["ssh_keys"]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=UserState).ssh_keys is None
