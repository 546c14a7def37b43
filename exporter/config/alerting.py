"""The shape of the section `alerting`: when a token is worth an alert, whose alerts are muted, and who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from exporter.common.durations import format_duration
from exporter.common.fields import (
    AlertmanagerUrl,
    Duration,
    LabelName,
    LabelValue,
    OwnerLabel,
    PageUrl,
    Section,
)
from exporter.config.client import Authorization, BasicAuth, Tls
from exporter.policies.token_matcher import TokenMatcher

if TYPE_CHECKING:
    from exporter.model.user import OwnThresholds

RUNBOOKS = "https://github.com/yunxiao-token-exporter/yunxiao-token-exporter/blob/main/docs/runbooks"
_DAY = 86400.0


class Thresholds(Section):
    """How long before its expiry a token is worth an alert.

    A short-lived token is given less: a third of its whole life for the warning, a tenth for the critical alert.
    """

    warning: Duration = Field(14 * _DAY, gt=0, description="Time left below which `YunxiaoTokenExpiringWarning` fires.")
    critical: Duration = Field(
        3 * _DAY, gt=0, description="Time left below which `YunxiaoTokenExpiringCritical` fires."
    )

    @model_validator(mode="after")
    def _critical_comes_later(self) -> Self:
        if self.critical >= self.warning:
            raise ValueError(
                f"critical ({format_duration(self.critical)}) must be shorter than warning "
                f"({format_duration(self.warning)})"
            )
        return self


class UserThresholds(Section):
    """Thresholds of one user; what is left out is as in `alerting.thresholds`."""

    warning: Annotated[Duration, Field(gt=0)] | None = Field(None, description="As `alerting.thresholds.warning`.")
    critical: Annotated[Duration, Field(gt=0)] | None = Field(None, description="As `alerting.thresholds.critical`.")

    @model_validator(mode="after")
    def _critical_comes_later(self) -> Self:
        if self.warning is not None and self.critical is not None and self.critical >= self.warning:
            raise ValueError("critical must be shorter than warning")
        return self


class Silence(TokenMatcher):
    """Silences the alerts of tokens until a day. A token must match every key that is set."""


class Alertmanager(Section):
    """One Alertmanager; each one receives every alert."""

    url: AlertmanagerUrl = Field(description="Its address, with its route prefix if it has one.")
    basic_auth: BasicAuth | None = Field(None, description=BasicAuth.__doc__)
    authorization: Authorization | None = Field(None, description=Authorization.__doc__)
    tls: Tls = Field(default_factory=Tls, description=Tls.__doc__)
    timeout: Duration = Field(10.0, ge=0.1, le=300, description="Total time for one request.")

    @model_validator(mode="after")
    def _at_most_one_credential(self) -> Self:
        if self.basic_auth is not None and self.authorization is not None:
            raise ValueError("has both basic_auth and authorization; keep one")
        return self


class Alerting(Section):
    """When to alert, and whom to tell.

    The thresholds serve both ways: the rules that `yunxiao-token-exporter rules` prints for Prometheus, and the alerts
    that the exporter itself sends to `alertmanagers`. Use one of the two ways, or the same alert comes twice.
    """

    thresholds: Thresholds = Field(default_factory=Thresholds, description=Thresholds.__doc__)
    never_expires: bool = Field(False, description="Alert on tokens that never expire.")
    permissions_widened: bool = Field(
        False, description="Alert, for an hour, on tokens that have been granted more permissions than before."
    )
    labels: dict[LabelName, LabelValue] = Field(
        default_factory=dict, description="Labels for every alert. A user's own labels win."
    )
    owner_labels: tuple[OwnerLabel, ...] = Field(
        (),
        description=(
            "What of `email`, `department` and `username`, if known, becomes a label of the alerts that the exporter "
            "sends itself. The first two come along as annotations in any case. Labels of the same name in a "
            "user's entry win."
        ),
    )
    ignore: tuple[Silence, ...] = Field((), description=Silence.__doc__)
    runbook_base_url: PageUrl = Field(
        RUNBOOKS, description="Address of the folder with the runbooks; an alert's page is its name and `.md`."
    )
    alertmanagers: tuple[Alertmanager, ...] = Field((), description=Alertmanager.__doc__)
    resend_interval: Duration = Field(
        60.0,
        ge=1,
        le=3600,
        description="How often firing alerts are sent again. They end by themselves after four times this.",
    )

    def in_force(self, own: OwnThresholds | None) -> tuple[float, float]:
        """The seconds for warning and critical that hold for a user with such thresholds of their own."""
        general = self.thresholds
        if own is None:
            return general.warning, general.critical
        return (
            general.warning if own.warning is None else own.warning,
            general.critical if own.critical is None else own.critical,
        )
