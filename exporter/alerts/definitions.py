"""Every alert in one table: name, severity and words. The daemon's alerts, the rules and the runbooks share it."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.model.severity import Severity


@dataclass(frozen=True, slots=True)
class Definition:
    """One alert.

    Attributes:
        name: CamelCase; the runbook's page has the same name.
        severity: the label; None where what the alert is about brings it along.
        summary: one sentence that is the same for every instance.
        description: a template with ``{organization}``, ``{user}``, ``{token}``, ``{token_id}``, ``{policy}``,
            ``{words}`` and ``{age}``, which both the daemon and the rules fill in, and ``{where}``, which the rules do.
    """

    name: str
    severity: Severity | None
    summary: str
    description: str

    def runbook(self, base_url: str) -> str:
        """The address of its runbook."""
        return f"{base_url}/{self.name}.md"


_TOKEN = "Token {token} ({token_id}) of {user} in {organization} {words}."  # noqa: S105 - words

TOKEN_EXPIRED = Definition("YunxiaoTokenExpired", Severity.CRITICAL, "A personal access token has expired.", _TOKEN)
TOKEN_EXPIRING_CRITICAL = Definition(
    "YunxiaoTokenExpiringCritical", Severity.CRITICAL, "A personal access token is about to expire.", _TOKEN
)
TOKEN_EXPIRING_WARNING = Definition(
    "YunxiaoTokenExpiringWarning", Severity.WARNING, "A personal access token expires soon.", _TOKEN
)
TOKEN_NEVER_EXPIRES = Definition(
    "YunxiaoTokenNeverExpires", Severity.WARNING, "A personal access token never expires.", _TOKEN
)
TOKEN_POLICY_VIOLATION = Definition(
    "YunxiaoTokenPolicyViolation",
    None,
    "A personal access token breaks a policy.",
    "Token {token} ({token_id}) of {user} in {organization} breaks the policy {policy}: {words}.",
)
USER_POLICY_VIOLATION = Definition(
    "YunxiaoUserPolicyViolation",
    None,
    "A user's personal access tokens together break a policy.",
    "The tokens of {user} in {organization} break the policy {policy}: {words}.",
)
TOKEN_PERMISSIONS_WIDENED = Definition(
    "YunxiaoTokenPermissionsWidened",
    Severity.WARNING,
    "A personal access token may do more than before.",
    "Tokens in {organization} were granted more permissions within the last hour; /api/v1/events of the exporter says "
    "which.",
)
USER_POLL_FAILING = Definition(
    "YunxiaoUserPollFailing",
    Severity.WARNING,
    "The tokens of a user cannot be read.",
    "Polls of {user} in {organization} fail; tokens of this user that change or expire may go unnoticed.",
)
USER_DATA_STALE = Definition(
    "YunxiaoUserDataStale",
    Severity.WARNING,
    "What is known about a user's tokens is old.",
    "The tokens of {user} in {organization} were last read {age} ago.",
)
SWEEP_STALLED = Definition(
    "YunxiaoSweepStalled",
    Severity.CRITICAL,
    "Nobody's tokens are being read.",
    "No sweep over the users of {organization} has ended for {age}; tokens may expire unnoticed.",
)
EXPORTER_TOKEN_EXPIRING = Definition(
    "YunxiaoExporterTokenExpiring",
    Severity.WARNING,
    "The exporter's own token has to be replaced.",
    "The exporter's own token for {organization} {words}; without it nobody's tokens can be read.",
)
CONFIG_RELOAD_FAILED = Definition(
    "YunxiaoConfigReloadFailed",
    Severity.WARNING,
    "The exporter's configuration could not be loaded.",
    "The exporter goes on with an older configuration, since the present file is faulty.",
)
DISCOVERY_FAILING = Definition(
    "YunxiaoDiscoveryFailing",
    Severity.WARNING,
    "The list of users cannot be had.",
    "Whom to watch in {organization} could not be looked up for a long time; the tokens of new users go unwatched.",
)
EXPORTER_DOWN = Definition(
    "YunxiaoExporterDown",
    Severity.CRITICAL,
    "No exporter answers Prometheus.",
    "No yunxiao-token-exporter has been scraped for ten minutes{where}; tokens may expire unnoticed.",
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
)
