"""The table of alerts: name and severity. The daemon, the Prometheus rules, the texts and the runbooks share it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from exporter.config.alerting import PolicyAlerts
from exporter.model.severity import Severity


class Page(StrEnum):
    """The exporter's page that an alert links to."""

    SUBJECT = "subject"
    """That of the token or else of the user that the alert is about; the first page if it is about neither."""
    VIOLATIONS = "violations"
    """The violations of the policy in the organization."""
    FAILING_USERS = "failing_users"
    """The users of the organization that cannot be polled."""
    EXPIRED = "expired"
    """The expired tokens and SSH keys of the organization."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One alert. Its texts are in the catalogues of `exporter.texts`, under `text_name`.

    Attributes:
        name: CamelCase; also the name of the runbook's page.
        severity: the label `severity`; None if the configured policy sets it.
        page: the exporter's page that it links to.
        form: what one alert is about, if `alerting.policy_violations` chooses that, and it is not the default form of
            the texts; else "".
    """

    name: str
    severity: Severity | None
    page: Page = Page.SUBJECT
    form: str = ""

    @property
    def text_name(self) -> str:
        """The name of its texts in the catalogues."""
        return f"{self.name}.{self.form}" if self.form else self.name


TOKEN_EXPIRING_INFO = Definition("YunxiaoTokenExpiringInfo", Severity.INFO)
TOKEN_EXPIRING_WARNING = Definition("YunxiaoTokenExpiringWarning", Severity.WARNING)
TOKEN_EXPIRING_CRITICAL = Definition("YunxiaoTokenExpiringCritical", Severity.CRITICAL)
TOKEN_EXPIRED = Definition("YunxiaoTokenExpired", Severity.CRITICAL)
TOKEN_NOT_REMOVED = Definition("YunxiaoTokenNotRemoved", Severity.INFO)
USER_TOKENS_NOT_REMOVED = Definition(TOKEN_NOT_REMOVED.name, Severity.INFO, form=PolicyAlerts.PER_USER.value)
TOKENS_NOT_REMOVED = Definition(TOKEN_NOT_REMOVED.name, Severity.INFO, Page.EXPIRED, PolicyAlerts.PER_POLICY.value)
TOKEN_NEVER_EXPIRES = Definition("YunxiaoTokenNeverExpires", Severity.WARNING)
POLICY_VIOLATION = Definition("YunxiaoPolicyViolation", None, Page.VIOLATIONS)
TOKEN_POLICY_VIOLATION = Definition("YunxiaoTokenPolicyViolation", None)
USER_POLICY_VIOLATION = Definition("YunxiaoUserPolicyViolation", None)
TOKEN_PERMISSIONS_WIDENED = Definition("YunxiaoTokenPermissionsWidened", Severity.WARNING)
ORGANIZATION_UNREADABLE = Definition("YunxiaoOrganizationUnreadable", Severity.CRITICAL, Page.FAILING_USERS)
USER_POLL_FAILING = Definition("YunxiaoUserPollFailing", Severity.WARNING)
USER_DATA_STALE = Definition("YunxiaoUserDataStale", Severity.WARNING)
SWEEP_STALLED = Definition("YunxiaoSweepStalled", Severity.CRITICAL)
EXPORTER_TOKEN_EXPIRING = Definition("YunxiaoExporterTokenExpiring", Severity.WARNING)
EXPORTER_TOKEN_EXPIRING_CRITICAL = Definition("YunxiaoExporterTokenExpiringCritical", Severity.CRITICAL)
CONFIG_RELOAD_FAILED = Definition("YunxiaoConfigReloadFailed", Severity.WARNING)
DISCOVERY_FAILING = Definition("YunxiaoDiscoveryFailing", Severity.WARNING)
EXPORTER_DOWN = Definition("YunxiaoExporterDown", Severity.CRITICAL)

ALL_DEFINITIONS: tuple[Definition, ...] = (
    TOKEN_EXPIRING_INFO,
    TOKEN_EXPIRING_WARNING,
    TOKEN_EXPIRING_CRITICAL,
    TOKEN_EXPIRED,
    TOKEN_NOT_REMOVED,
    TOKEN_NEVER_EXPIRES,
    POLICY_VIOLATION,
    TOKEN_POLICY_VIOLATION,
    USER_POLICY_VIOLATION,
    TOKEN_PERMISSIONS_WIDENED,
    ORGANIZATION_UNREADABLE,
    USER_POLL_FAILING,
    USER_DATA_STALE,
    SWEEP_STALLED,
    EXPORTER_TOKEN_EXPIRING,
    EXPORTER_TOKEN_EXPIRING_CRITICAL,
    CONFIG_RELOAD_FAILED,
    DISCOVERY_FAILING,
    EXPORTER_DOWN,
)
NOT_REMOVED_FORMS = {
    PolicyAlerts.PER_POLICY: TOKENS_NOT_REMOVED,
    PolicyAlerts.PER_USER: USER_TOKENS_NOT_REMOVED,
    PolicyAlerts.PER_TOKEN: TOKEN_NOT_REMOVED,
}
"""One alert for an organization, a user or a token, as `alerting.policy_violations` says."""
ALL_TEXTS = (*ALL_DEFINITIONS, USER_TOKENS_NOT_REMOVED, TOKENS_NOT_REMOVED)
"""All definitions in each of their forms, which have different texts."""
DEFINITIONS_BY_NAME = {definition.name: definition for definition in ALL_DEFINITIONS}
