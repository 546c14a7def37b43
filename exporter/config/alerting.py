"""The section `alerting`: thresholds, labels and silences of alerts, and the Alertmanagers that receive them."""

from __future__ import annotations

import functools
from enum import StrEnum
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
    ProxyUrl,
    Section,
)
from exporter.config.client import Authorization, BasicAuth, Tls
from exporter.model.stages import ExpiryThresholds
from exporter.policies.token_matcher import TokenMatcher
from exporter.texts.catalogue import Language

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.model.user import OwnThresholds

RUNBOOKS = "https://github.com/yunxiao-token-exporter/yunxiao-token-exporter/blob/main/docs/runbooks"
_DAY = 86400.0


class PolicyAlerts(StrEnum):
    """How many alerts violations of policies raise."""

    PER_POLICY = "per_policy"
    PER_USER = "per_user"
    PER_TOKEN = "per_token"  # noqa: S105 - not a token


class Thresholds(Section):
    """How long before a token expires alerts fire.

    For short-lived tokens the thresholds are at most a third (warning) and a tenth (critical) of the lifetime.
    """

    info: Annotated[Duration, Field(gt=0)] | None = Field(
        None,
        description="Remaining time below which `YunxiaoTokenExpiringInfo` fires, for those who plan ahead. "
        "Not limited by the lifetime; null for no such alert.",
    )
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
        if self.info is not None and self.info <= self.warning:
            raise ValueError(
                f"info ({format_duration(self.info)}) must be longer than warning ({format_duration(self.warning)})"
            )
        return self


class UserThresholds(Section):
    """Thresholds of one user. A threshold that is not set is that of `alerting.thresholds`."""

    info: Annotated[Duration, Field(gt=0)] | None = Field(None, description="See `alerting.thresholds.info`.")
    warning: Annotated[Duration, Field(gt=0)] | None = Field(None, description="See `alerting.thresholds.warning`.")
    critical: Annotated[Duration, Field(gt=0)] | None = Field(None, description="See `alerting.thresholds.critical`.")

    @model_validator(mode="after")
    def _critical_is_shorter(self) -> Self:
        if self.warning is not None and self.critical is not None and self.critical >= self.warning:
            raise ValueError("critical must be shorter than warning")
        if self.info is not None and self.warning is not None and self.info <= self.warning:
            raise ValueError("info must be longer than warning")
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
    proxy_url: ProxyUrl | None = Field(
        None,
        repr=False,
        description="HTTP proxy to use; SOCKS is not supported. Default: none, whatever the environment says, since "
        "receivers are usually inside the network.",
    )
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
    expired_for: Duration = Field(
        7 * _DAY,
        gt=0,
        description="Time since the expiry from which `YunxiaoTokenNotRemoved` (info) replaces `YunxiaoTokenExpired` "
        "(critical). Whether that is one alert for an organization, a user or a token, `policy_violations` says. If "
        "`policies.expired_not_removed` is set, its alert takes the place of `YunxiaoTokenNotRemoved`, except for SSH "
        "keys.",
    )
    never_expires: bool = Field(
        False,
        description="Alert on tokens that never expire, unless `policies.never_expires` does it for the token.",
    )
    permissions_widened: bool = Field(
        False, description="Alert for one hour on tokens that were granted additional permissions."
    )
    policy_violations: Annotated[PolicyAlerts, Field(strict=False)] = Field(
        PolicyAlerts.PER_POLICY,
        description="`per_policy`: one alert, `YunxiaoPolicyViolation`, for each organization and policy that is "
        "violated, with the number of violations and the worst offenders. `per_user`: one, "
        "`YunxiaoUserPolicyViolation`, for each user and policy. `per_token`: also one for each token, "
        "`YunxiaoTokenPolicyViolation`; `YunxiaoUserPolicyViolation` is then about `max_tokens_per_user` alone. "
        "In the same way, `YunxiaoTokenNotRemoved` is one alert for each organization, with the number of tokens and "
        "the users whose tokens expired the longest ago, for each user, or for each token.",
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
    language: Annotated[Language, Field(strict=False)] = Field(
        Language.EN,
        description=(
            "Language of alerts and rules, `en` or `zh`, and of the exporter's runbooks for browsers that ask for "
            "neither."
        ),
    )
    runbook_base_url: PageUrl | None = Field(
        None,
        description=(
            "URL of the folder that contains the runbooks; the runbook of an alert is its name with `.md`. Default: "
            f"the exporter's own pages if `web.external_url` is set, else `{RUNBOOKS}`, and its folder `zh` if "
            "`language` is `zh`."
        ),
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

    @functools.cached_property
    def general_thresholds(self) -> ExpiryThresholds:
        """The thresholds of users without their own."""
        general = self.thresholds
        return ExpiryThresholds(general.info, general.warning, general.critical, self.expired_for)

    def expiry_thresholds(self, own: OwnThresholds | None) -> ExpiryThresholds:
        """The thresholds that hold for a user with such thresholds of their own."""
        general = self.general_thresholds
        if own is None:
            return general
        return ExpiryThresholds(
            general.info if own.info is None else own.info,
            general.warning if own.warning is None else own.warning,
            general.critical if own.critical is None else own.critical,
            general.expired_for,
        )
