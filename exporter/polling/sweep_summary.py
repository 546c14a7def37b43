"""What a sweep has found, as numbers for its log line. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.model.token import NEVER, TokenState
from exporter.policies.evaluate import violations

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable

    from exporter.model.state import Reason, UserState
    from exporter.policies.schema import Policies


@dataclass(frozen=True, slots=True)
class SummarySettings:
    """What decides on the numbers.

    Attributes:
        warning: seconds before expiry from which a token counts as expiring, unless its user has other thresholds.
        policies: the requirements for tokens.
    """

    warning: float
    policies: Policies


def sweep_summary(users: Iterable[UserState], settings: SummarySettings, now: float) -> dict[str, int]:
    """The numbers of tokens that have expired, expire soon, and violate policies.

    Args:
        users: the states after the sweep.
        settings: what counts as soon, and the policies.
        now: epoch seconds.
    """
    expired = expiring = violating = 0
    checked = bool(settings.policies.enabled)
    for state in users:
        own = state.user.thresholds
        warning = settings.warning if own is None or own.warning is None else own.warning
        for token in state.tokens:
            expires_at = token.expires_at
            if expires_at is None or expires_at == NEVER:
                continue
            if expires_at <= now:
                expired += 1
            elif expires_at - now < warning:
                expiring += 1
        expired += sum(count for kind, count in state.left_out if kind is TokenState.EXPIRED)
        if checked:
            violating += len(violations(state.user, state.tokens, settings.policies, now, state.unexpired_left_out))
    return {"expired": expired, "expiring": expiring, "violations": violating}


def failing(failures: Counter[Reason]) -> dict[str, int]:
    """The number of failing users, altogether and by reason: ``failing=3 failing_timeout=2 failing_forbidden=1``."""
    by_reason = {f"failing_{reason.value}": count for reason, count in failures.most_common()}
    return {"failing": failures.total(), **by_reason}
