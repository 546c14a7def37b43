"""The samples about permissions computed a second time, from their definitions instead of in one pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.metrics.families.base import Sample, Scope
    from exporter.model.state import UserState
    from exporter.model.token import Token

NEVER = float("inf")


def _count(granting: list[Token], _: UserState, now: float) -> float | None:
    return sum(token.expires_at is None or token.expires_at > now for token in granting)


def _first(granting: list[Token], _: UserState, now: float) -> float | None:
    readable = [token.expires_at for token in granting if token.expires_at is not None]
    return min((one for one in readable if one > now), default=max(readable, default=None))


def _last(granting: list[Token], state: UserState, _: float) -> float | None:
    last = max((token.expires_at for token in granting if token.expires_at is not None), default=None)
    return None if last != NEVER and state.unexpired_left_out else last


_Value = Callable[["list[Token]", "UserState", float], "float | None"]
_EXPIRY = "yunxiao_user_permission_expiry_timestamp_seconds"
_REMAINING = "yunxiao_user_permission_expires_in_seconds"
_LOST = "yunxiao_user_permission_lost_timestamp_seconds"
_VALUES: dict[str, _Value] = {
    "yunxiao_user_permission_tokens": _count,
    _EXPIRY: _first,
    _REMAINING: _first,
    _LOST: _last,
}


def permission_samples(family: str, organization: str, state: UserState, scope: Scope) -> list[Sample] | None:
    """The samples of a family about permissions for one user; None for any other family."""
    if (value_of := _VALUES.get(family)) is None:
        return None
    found: list[Sample] = []
    for permission in sorted(_every_permission(state.tokens)):
        granting = [token for token in state.tokens if _grants(token, permission)]
        value = value_of(granting, state, scope.now)
        if value is None or (value_of is not _count and not scope.shows(value)):
            continue
        labels = (organization, state.user.user_id, state.user.name, permission)
        found.append((labels, round(value - scope.now, 3) if family == _REMAINING else value))
    return found


def _every_permission(tokens: tuple[Token, ...]) -> set[str]:
    listed = {name for token in tokens for name in token.permissions}
    return listed | {name[:-6] for name in listed if name[-11:] == "_read_write"}


def _grants(token: Token, permission: str) -> bool:
    return permission in token.permissions or (
        permission[-5:] == "_read" and f"{permission}_write" in token.permissions
    )
