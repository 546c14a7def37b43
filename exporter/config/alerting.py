"""The section `alerting`: thresholds, labels and silences of alerts, and the Alertmanagers that receive them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Self

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
    from collections.abc import Iterator

    from exporter.model.user import OwnThresholds

RUNBOOKS = "https://github.com/yunxiao-token-exporter/yunxiao-token-exporter/blob/main/docs/runbooks"
_DAY = 86400.0


class Thresholds(Section):
    """How long before a token expires alerts fire.

    For short-lived tokens the thresholds are at most a third (warning) and a tenth (critical) of the lifetime.
    """

    warning: Duration = Field(
        14 * _DAY, gt=0, description="Remaining time below which `YunxiaoTokenExpiringWarning` fires."
    )
    critical: Duration = Field(
        3 * _DAY, gt=0, description="Remaining time below which `YunxiaoTokenExpiringCritical` fires."
    )

    @model_validator(mode="after")
    def _critical_is_shorter(self) -> Self:
        if self.critical >= self.warning:
            raise ValueError(
                f"critical ({format_duration(self.critical)}) must be shorter than warning "
                f"({format_duration(self.warning)})"
            )
        return self


class UserThresholds(Section):
    """Thresholds of one user. A threshold that is not set is that of `alerting.thresholds`."""

    warning: Annotated[Duration, Field(gt=0)] | None = Field(None, description="See `alerting.thresholds.warning`.")
    critical: Annotated[Duration, Field(gt=0)] | None = Field(None, description="See `alerting.thresholds.critical`.")

    @model_validator(mode="after")
    def _critical_is_shorter(self) -> Self:
        if self.warning is not None and self.critical is not None and self.critical >= self.warning:
            raise ValueError("critical must be shorter than warning")
        return self


class Silence(TokenMatcher):
    """Silences the alerts of tokens until a day. A token must match every key that is set."""


class ReceiverSection(Section):
    """A receiver of alerts: where it is, and with which TLS settings and credentials.

    A subclass sets `kind`, the name of the module in `exporter.alerts.receivers` that sends to it.
    """

    kind: ClassVar[str]

    url: AlertmanagerUrl = Field(description="Its URL, including its route prefix if it has one.")
    basic_auth: BasicAuth | None = Field(None, description=BasicAuth.__doc__)
    authorization: Authorization | None = Field(None, description=Authorization.__doc__)
    tls: Tls = Field(default_factory=Tls, description=Tls.__doc__)
    timeout: Duration = Field(10.0, ge=0.1, le=300, description="Total time for one request.")

    @model_validator(mode="after")
    def _at_most_one_credential(self) -> Self:
        if self.basic_auth is not None and self.authorization is not None:
            raise ValueError("has both basic_auth and authorization; keep one")
        return self


class Alertmanager(ReceiverSection):
    """An Alertmanager. Each one receives every alert."""

    kind = "alertmanager"


class Alerting(Section):
    """When to alert, and where to send alerts.

    The thresholds apply both to the Prometheus rules that `yunxiao-token-exporter rules` prints and to the alerts that
    the exporter itself sends to `alertmanagers`. Use one of the two, otherwise each alert is sent twice.
    """

    thresholds: Thresholds = Field(default_factory=Thresholds, description=Thresholds.__doc__)
    never_expires: bool = Field(False, description="Alert on tokens that never expire.")
    permissions_widened: bool = Field(
        False, description="Alert for one hour on tokens that were granted additional permissions."
    )
    labels: dict[LabelName, LabelValue] = Field(
        default_factory=dict, description="Labels of every alert. Labels of a user override them."
    )
    owner_labels: tuple[OwnerLabel, ...] = Field(
        (),
        description=(
            "Which of `email`, `department` and `username`, if known, become labels of the alerts that the exporter "
            "sends itself. The first two are always annotations. Labels of the same name in a user's entry override "
            "them."
        ),
    )
    ignore: tuple[Silence, ...] = Field((), description=Silence.__doc__)
    runbook_base_url: PageUrl = Field(
        RUNBOOKS,
        description="URL of the folder that contains the runbooks; the runbook of an alert is its name with `.md`.",
    )
    alertmanagers: tuple[Alertmanager, ...] = Field((), description=Alertmanager.__doc__)
    resend_interval: Duration = Field(
        60.0,
        ge=1,
        le=3600,
        description="How often firing alerts are sent again. They resolve after four intervals without one.",
    )

    @property
    def receivers(self) -> Iterator[tuple[str, int, ReceiverSection]]:
        """All receivers, each with its key and its place in the list under that key."""
        for key in type(self).model_fields:
            value = getattr(self, key)
            for index, one in enumerate(value if isinstance(value, tuple) else ()):
                if isinstance(one, ReceiverSection):
                    yield key, index, one

    def effective(self, own: OwnThresholds | None) -> tuple[float, float]:
        """The seconds for warning and critical that hold for a user with such thresholds of their own."""
        general = self.thresholds
        if own is None:
            return general.warning, general.critical
        return (
            general.warning if own.warning is None else own.warning,
            general.critical if own.critical is None else own.critical,
        )
