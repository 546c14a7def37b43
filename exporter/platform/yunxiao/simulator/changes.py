"""What can happen in a lively enterprise, and what a token is after it. Pure: values in, values out."""

from __future__ import annotations

import math
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from exporter.platform.yunxiao.simulator.made_up import PERMISSIONS, new_name
from exporter.platform.yunxiao.simulator.records import DAY

if TYPE_CHECKING:
    import random

    from exporter.platform.yunxiao.simulator.records import TokenRecord

_NEVER_AFTER_RENEWAL = 0.1
"""Share of renewals after which a token never expires."""


class Step(StrEnum):
    """What happens in a step."""

    CREATE = "create"
    CREATE_EXPIRING = "create_expiring"
    RENEW = "renew"
    SHORTEN = "shorten"
    WIDEN = "widen"
    NARROW = "narrow"
    EXCHANGE = "exchange"
    RENAME = "rename"
    DELETE = "delete"
    DELETE_FIRST = "delete_first"
    LEAVE = "leave"
    JOIN = "join"
    FAIL = "fail"


def end_of(token: TokenRecord) -> float:
    """When a token expires, in epoch seconds; infinity for never."""
    return math.inf if token.expires_at is None else token.expires_at


def fits(step: Step, token: TokenRecord, at: float) -> bool:
    """Whether a step can be applied to a token at a time, in epoch seconds."""
    match step:
        case Step.RENEW:
            return end_of(token) < at + 275 * DAY
        case Step.SHORTEN:
            return end_of(token) > at + 10 * DAY
        case Step.WIDEN:
            return bool(_not_granted(token))
        case Step.NARROW:
            return len(_granted(token)) > 1
        case Step.EXCHANGE:
            return bool(_exchanges(token))
        case _:
            return True


def changed(step: Step, token: TokenRecord, chance: random.Random, at: float) -> TokenRecord | None:
    """A token after a step that fits it; None if the step deletes it."""
    match step:
        case Step.RENEW:
            return replace(token, expires_at=_renewed(token, chance, at))
        case Step.SHORTEN:
            return replace(token, expires_at=float(int(at + chance.uniform(1, 9) * DAY)))
        case Step.WIDEN:
            return _granting(token, _granted(token) | {chance.choice(_not_granted(token))})
        case Step.NARROW:
            return _granting(token, _narrowed(_granted(token), chance))
        case Step.EXCHANGE:
            lost, gained = chance.choice(_exchanges(token))
            return _granting(token, {name for name in _granted(token) if _stem(name) != lost} | {gained})
        case Step.RENAME:
            return replace(token, name=new_name(chance, other_than=token.name))
        case _:
            return None


def _renewed(token: TokenRecord, chance: random.Random, at: float) -> float | None:
    """At most a year from now, so that a token that is renewed often does not live for ever longer."""
    if chance.random() < _NEVER_AFTER_RENEWAL:
        return None
    return float(int(max(end_of(token), at) + chance.uniform(10, 90) * DAY))


def _granted(token: TokenRecord) -> set[str]:
    """What a token really grants: ``X_read_write`` includes ``X_read``."""
    return {*token.permissions, *(_read(name) for name in token.permissions)}


def _granting(token: TokenRecord, granted: set[str]) -> TokenRecord:
    """The token with the list of permissions that grants this: ``X_read_write`` stands for both levels."""
    implied = {_read(name) for name in granted if name != _read(name)}
    return replace(token, permissions=tuple(sorted(granted - implied)))


def _not_granted(token: TokenRecord) -> list[str]:
    granted = _granted(token)
    return [name for name in PERMISSIONS if name not in granted]


def _narrowed(granted: set[str], chance: random.Random) -> set[str]:
    """One permission less, or only its reading level left. Requires two names or more, so that one remains."""
    fewer = [granted - {name, f"{name}_write"} for name in sorted(granted)]
    return chance.choice([names for names in fewer if names])


def _exchanges(token: TokenRecord) -> list[tuple[str, str]]:
    """Pairs of a permission to lose, at both levels, and one of another kind to gain."""
    stems = sorted({_stem(name) for name in token.permissions})
    return [(lost, name) for lost in stems for name in _not_granted(token) if _stem(name) != lost]


def _read(name: str) -> str:
    return name.removesuffix("_write") if name.endswith("_read_write") else name


def _stem(name: str) -> str:
    return _read(name).removesuffix("_read")
