"""How urgent a token is: its state and the thresholds of alerts, as one word for pages, API and styles."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from exporter.model.stages import Stage, stage_at, stages
from exporter.model.token import NEVER

if TYPE_CHECKING:
    from exporter.config.alerting import Alerting
    from exporter.model.token import Token
    from exporter.model.user import User


class Urgency(StrEnum):
    """How urgent a token is, the most urgent first."""

    NOT_REMOVED = "not_removed"
    EXPIRED = "expired"
    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    OK = "ok"
    UNKNOWN = "unknown"
    NEVER = "never"


_OF_STAGES = {stage: Urgency(stage.value) for stage in Stage}


def urgency(user: User, token: Token, alerting: Alerting, now: float) -> Urgency:
    """The urgency of a token.

    Args:
        user: its owner, who may have thresholds of their own.
        token: the token.
        alerting: the configured thresholds.
        now: epoch seconds.
    """
    if token.expires_at is None:
        return Urgency.UNKNOWN
    if token.expires_at == NEVER:
        return Urgency.NEVER
    stage = stage_at(stages(token.created_at, token.expires_at, alerting.expiry_thresholds(user.thresholds)), now)
    return Urgency.OK if stage is None else _OF_STAGES[stage]
