"""States share the tokens that have not changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from exporter.model.token import Token

if TYPE_CHECKING:
    from exporter.model.state import UserState

Credential = TypeVar("Credential", bound=Token)


def with_known_objects(state: UserState, known: UserState) -> UserState:
    """The state with the tokens and keys that are known already, where they are equal.

    Polls without changes then leave no work for the garbage collector, and identity shows what has not changed.
    """
    tokens, keys = _known(state.tokens, known.tokens), state.ssh_keys
    if keys is not None and known.ssh_keys is not None:
        keys = _known(keys, known.ssh_keys)
    if tokens is state.tokens and keys is state.ssh_keys:
        return state
    return replace(state, tokens=tokens, ssh_keys=keys)


def _known(found: tuple[Credential, ...], known: tuple[Credential, ...]) -> tuple[Credential, ...]:
    if found == known:
        return known
    if not known:
        return found
    objects = {one: one for one in known}
    return tuple([objects.get(one, one) for one in found])
