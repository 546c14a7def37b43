"""The table of alerts: name and severity. The daemon, the Prometheus rules, the texts and the runbooks share it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from exporter.model.severity import Severity


class Page(StrEnum):
    """The exporter's page that an alert links to."""

    SUBJECT = "subject"
    """That of the token or else of the user that the alert is about; the first page if it is about neither."""
    VIOLATIONS = "violations"
    """The violations of the policy in the organization."""
    FAILING_USERS = "failing_users"
    """The users of the organization that cannot be polled."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One alert. Its texts are in the catalogues of `exporter.texts`, under its name.

    Attributes:
        name: CamelCase; also the name of the runbook's page.
        severity: the label `severity`; None if the configured policy sets it.
        page: the exporter's page that it links to.
    """

    name: str
    severity: Severity | None
    page: Page = Page.SUBJECT


TOKEN_EXPIRING_INFO = Definition("YunxiaoTokenExpiringInfo", Severity.INFO)
TOKEN_EXPIRING_WARNING = Definition("YunxiaoTokenExpiringWarning", Severity.WARNING)
TOKEN_EXPIRING_CRITICAL = Definition("YunxiaoTokenExpiringCritical", Severity.CRITICAL)
TOKEN_EXPIRED = Definition("YunxiaoTokenExpired", Severity.CRITICAL)
TOKEN_NOT_REMOVED = Definition("YunxiaoTokenNotRemoved", Severity.INFO)
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
DEFINITIONS_BY_NAME = {definition.name: definition for definition in ALL_DEFINITIONS}
