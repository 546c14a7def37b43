"""The table of alerts: name, severity and texts. The daemon, the Prometheus rules and the runbooks share it."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.model.severity import Severity
from exporter.model.token import CredentialKind


@dataclass(frozen=True, slots=True)
class Definition:
    """One alert.

    Attributes:
        name: CamelCase; also the name of the runbook's page.
        severity: the label `severity`; None if the configured policy sets it.
        summary: one sentence; a template with ``{a_credential}``, and so the same for every alert of this name about
            one kind of credential.
        description: a template with ``{credential}``, ``{organization}``, ``{user}``, ``{token}``, ``{token_id}``,
            ``{policy}``, ``{detail}`` and ``{age}``, and ``{where}``, which only the rules fill in.
    """

    name: str
    severity: Severity | None
    summary: str
    description: str

    def runbook(self, base_url: str) -> str:
        """The URL of its runbook."""
        return f"{base_url}/{self.name}.md"


CREDENTIAL_WORDS = {
    CredentialKind.TOKEN: {"credential": "Token", "a_credential": "A personal access token"},
    CredentialKind.SSH_KEY: {"credential": "SSH key", "a_credential": "An SSH key"},
}
"""What the templates call each kind of credential."""

_TOKEN = "{credential} {token} ({token_id}) of {user} in {organization} {detail}."  # noqa: S105 - a text

TOKEN_EXPIRED = Definition("YunxiaoTokenExpired", Severity.CRITICAL, "{a_credential} has expired.", _TOKEN)
TOKEN_EXPIRING_CRITICAL = Definition(
    "YunxiaoTokenExpiringCritical", Severity.CRITICAL, "{a_credential} is about to expire.", _TOKEN
)
TOKEN_EXPIRING_WARNING = Definition(
    "YunxiaoTokenExpiringWarning", Severity.WARNING, "{a_credential} expires soon.", _TOKEN
)
TOKEN_NEVER_EXPIRES = Definition("YunxiaoTokenNeverExpires", Severity.WARNING, "{a_credential} never expires.", _TOKEN)
TOKEN_POLICY_VIOLATION = Definition(
    "YunxiaoTokenPolicyViolation",
    None,
    "A personal access token violates a policy.",
    "Token {token} ({token_id}) of {user} in {organization} violates the policy {policy}: {detail}.",
)
USER_POLICY_VIOLATION = Definition(
    "YunxiaoUserPolicyViolation",
    None,
    "A user's personal access tokens together violate a policy.",
    "The tokens of {user} in {organization} violate the policy {policy}: {detail}.",
)
TOKEN_PERMISSIONS_WIDENED = Definition(
    "YunxiaoTokenPermissionsWidened",
    Severity.WARNING,
    "A personal access token was granted more permissions.",
    "Tokens in {organization} were granted more permissions within the last hour; see /api/v1/events of the exporter.",
)
USER_POLL_FAILING = Definition(
    "YunxiaoUserPollFailing",
    Severity.WARNING,
    "Polls of a user are failing.",
    "Polls of {user} in {organization} are failing; tokens of this user may change or expire unnoticed.",
)
USER_DATA_STALE = Definition(
    "YunxiaoUserDataStale",
    Severity.WARNING,
    "Token data of a user is stale.",
    "The last successful poll of {user} in {organization} was {age} ago.",
)
SWEEP_STALLED = Definition(
    "YunxiaoSweepStalled",
    Severity.CRITICAL,
    "No tokens are being polled.",
    "No sweep of {organization} has completed for {age}; tokens may expire unnoticed.",
)
EXPORTER_TOKEN_EXPIRING = Definition(
    "YunxiaoExporterTokenExpiring",
    Severity.WARNING,
    "The exporter's own token must be replaced.",
    "The exporter's own token for {organization} {detail}; without it no tokens can be polled.",
)
CONFIG_RELOAD_FAILED = Definition(
    "YunxiaoConfigReloadFailed",
    Severity.WARNING,
    "The exporter's configuration cannot be reloaded.",
    "The exporter rejected its configuration file and keeps running with the previous configuration.",
)
DISCOVERY_FAILING = Definition(
    "YunxiaoDiscoveryFailing",
    Severity.WARNING,
    "User discovery is failing.",
    "The list of users of {organization} could not be fetched for a long time; tokens of new users are not watched.",
)
TOKEN_EXPIRING_INFO = Definition("YunxiaoTokenExpiringInfo", Severity.INFO, "{a_credential} will expire.", _TOKEN)
TOKEN_NOT_REMOVED = Definition(
    "YunxiaoTokenNotRemoved", Severity.INFO, "{a_credential} expired long ago and is still listed.", _TOKEN
)
POLICY_VIOLATION = Definition(
    "YunxiaoPolicyViolation",
    None,
    "A policy for personal access tokens is violated.",
    "In {organization}, the policy {policy} is violated ({detail}): {count}; most: {worst}.",
)
ORGANIZATION_UNREADABLE = Definition(
    "YunxiaoOrganizationUnreadable",
    Severity.CRITICAL,
    "No user of an organization can be polled.",
    "No user of {organization} can be polled since {at} ({age}): {reason}: {detail}; {meaning}.",
)
EXPORTER_TOKEN_EXPIRING_CRITICAL = Definition(
    "YunxiaoExporterTokenExpiringCritical",
    Severity.CRITICAL,
    "The exporter's own token must be replaced now.",
    "The exporter's own token for {organization} {detail}; without it no tokens can be polled.",
)
EXPORTER_DOWN = Definition(
    "YunxiaoExporterDown",
    Severity.CRITICAL,
    "Prometheus cannot scrape an exporter.",
    "No yunxiao-token-exporter{where} has been scraped for ten minutes; tokens may expire unnoticed.",
)

ALL_DEFINITIONS: tuple[Definition, ...] = (
    TOKEN_EXPIRED,
    TOKEN_EXPIRING_CRITICAL,
    TOKEN_EXPIRING_WARNING,
    TOKEN_NEVER_EXPIRES,
    TOKEN_POLICY_VIOLATION,
    USER_POLICY_VIOLATION,
    TOKEN_PERMISSIONS_WIDENED,
    USER_POLL_FAILING,
    USER_DATA_STALE,
    SWEEP_STALLED,
    EXPORTER_TOKEN_EXPIRING,
    CONFIG_RELOAD_FAILED,
    DISCOVERY_FAILING,
    EXPORTER_DOWN,
    TOKEN_EXPIRING_INFO,
    TOKEN_NOT_REMOVED,
    POLICY_VIOLATION,
    ORGANIZATION_UNREADABLE,
    EXPORTER_TOKEN_EXPIRING_CRITICAL,
)
