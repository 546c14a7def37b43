"""The texts in English."""

from __future__ import annotations

from exporter.texts.catalogue import AlertText, Catalogue, LossText, PolicyText, ReasonText

_NAME = "{credential} {token} of {user} in {organization}"
_NAME_AND_ID = "{credential} {token} ({token_id}) of {user} in {organization}"
_AT_STAKE = "Permissions: {permissions}."
_PURPOSE = "Purpose: {purpose}."
_OWNER = "Owner: {contact}."
_LINK = "Details: {link}"
_ABOUT_A_TOKEN = (_PURPOSE, _OWNER, _LINK)
_EXPIRING = (f"{_NAME_AND_ID} expires at {{expires}}.", _AT_STAKE, _PURPOSE, _OWNER, "Time left: {remaining}.", _LINK)

_ALERTS = {
    "YunxiaoTokenExpiringInfo": AlertText(
        f"{_NAME} expires at {{local}}",
        _EXPIRING,
    ),
    "YunxiaoTokenExpiringWarning": AlertText(
        f"{_NAME} expires soon, at {{local}}",
        _EXPIRING,
    ),
    "YunxiaoTokenExpiringCritical": AlertText(
        f"{_NAME} is about to expire, at {{local}}",
        _EXPIRING,
    ),
    "YunxiaoTokenExpired": AlertText(
        f"{_NAME} expired at {{local}}",
        (
            f"{_NAME_AND_ID} expired at {{expires}}.",
            _AT_STAKE,
            _PURPOSE,
            _OWNER,
            "Expired for: {remaining}.",
            _LINK,
        ),
    ),
    "YunxiaoTokenNotRemoved": AlertText(
        f"{_NAME} expired at {{local}} and is still listed",
        (
            f"{_NAME_AND_ID} expired at {{expires}} and is still listed.",
            "Delete it, or replace it if it is needed.",
            *_ABOUT_A_TOKEN,
        ),
    ),
    "YunxiaoTokenNotRemoved.per_user": AlertText(
        "{user} in {organization} has not removed expired tokens: {count}",
        (
            "{user} ({user_id}) in {organization} has tokens or SSH keys that expired long ago and are still listed.",
            "Number: {count}.",
            "Delete them, or replace those that are needed.",
            _OWNER,
            _LINK,
        ),
    ),
    "YunxiaoTokenNotRemoved.per_policy": AlertText(
        "Expired tokens in {organization} that are not removed: {count}",
        (
            "Users in {organization} have tokens or SSH keys that expired long ago and are still listed.",
            "Number: {count}.",
            "Users concerned: {users}.",
            "Expired the longest ago: {worst}.",
            "Delete them, or replace those that are needed.",
            _LINK,
        ),
    ),
    "YunxiaoTokenNeverExpires": AlertText(
        f"{_NAME} never expires",
        (
            f"{_NAME_AND_ID} never expires, so it stays valid if it leaks.",
            "It was created at {created}.",
            *_ABOUT_A_TOKEN,
        ),
    ),
    "YunxiaoTokenPolicyViolation": AlertText(
        f"{_NAME} violates the policy {{policy}}",
        (f"{_NAME_AND_ID} violates the policy {{policy}}: {{violation}}.", *_ABOUT_A_TOKEN),
    ),
    "YunxiaoUserPolicyViolation": AlertText(
        "{user} in {organization} violates the policy {policy}",
        (
            "Tokens of {user} ({user_id}) in {organization} violate the policy {policy}: {violation}.",
            "Tokens concerned: {worst}.",
            _OWNER,
            _LINK,
        ),
    ),
    "YunxiaoPolicyViolation": AlertText(
        "Violations of the policy {policy} in {organization}: {count}",
        (
            "Tokens or users in {organization} violate the policy {policy}: {violation}.",
            "Violations: {count}.",
            "Users concerned: {users}.",
            "The worst: {worst}.",
            _LINK,
        ),
    ),
    "YunxiaoTokenPermissionsWidened": AlertText(
        "Tokens in {organization} were granted more permissions",
        (
            "Tokens in {organization} were granted more permissions within the last hour.",
            "See /api/v1/events of the exporter.",
            _LINK,
        ),
    ),
    "YunxiaoOrganizationUnreadable": AlertText(
        "No user of {organization} can be polled: {reason_words}",
        (
            "No user of {organization} can be polled: {reason_words} (reason {reason}).",
            "Tokens may change or expire unnoticed.",
            "Since: {began}.",
            "Error: {detail}.",
            "What to do: {reason_meaning}.",
            _LINK,
        ),
    ),
    "YunxiaoUserPollFailing": AlertText(
        "Polls of {user} in {organization} are failing: {reason_words}",
        (
            "Polls of {user} ({user_id}) in {organization} are failing: {reason_words} (reason {reason}).",
            "Tokens of this user may change or expire unnoticed.",
            "Since: {began}.",
            _OWNER,
            _LINK,
        ),
    ),
    "YunxiaoUserDataStale": AlertText(
        "Token data of {user} in {organization} is stale",
        (
            "The last successful poll of {user} ({user_id}) in {organization} was {age} ago.",
            "It was at {last_success}.",
            _OWNER,
            _LINK,
        ),
    ),
    "YunxiaoSweepStalled": AlertText(
        "No tokens of {organization} are being polled",
        ("No sweep of {organization} has completed for {age}; tokens may expire unnoticed.", _LINK),
    ),
    "YunxiaoExporterTokenExpiring": AlertText(
        "The exporter's own token for {organization} {expiry}",
        ("The exporter's own token for {organization} {expiry}; without it no tokens can be polled.", _LINK),
    ),
    "YunxiaoExporterTokenExpiringCritical": AlertText(
        "The exporter's own token for {organization} {expiry}",
        ("The exporter's own token for {organization} {expiry}; without it no tokens can be polled.", _LINK),
    ),
    "YunxiaoConfigReloadFailed": AlertText(
        "The exporter's configuration cannot be reloaded",
        ("The exporter rejected its configuration file and keeps running with the previous configuration.", _LINK),
    ),
    "YunxiaoDiscoveryFailing": AlertText(
        "User discovery of {organization} is failing",
        (
            "The list of users of {organization} could not be fetched for a long time.",
            "Tokens of new users are not watched.",
            _LINK,
        ),
    ),
    "YunxiaoExporterDown": AlertText(
        "Prometheus cannot scrape an exporter{where}",
        ("No yunxiao-token-exporter{where} has been scraped for ten minutes; tokens may expire unnoticed.", _LINK),
    ),
}

_POLICIES = {
    "max_lifetime": PolicyText("it lives longer than is allowed", "limit {limit}", "lifetime {actual}"),
    "never_expires": PolicyText("it never expires", "", "created at {actual}"),
    "forbidden_permissions": PolicyText("it grants a forbidden permission", "forbidden: {limit}", "granted: {actual}"),
    "max_tokens_per_user": PolicyText("there are more tokens than are allowed", "limit {limit}", "found {actual}"),
    "max_age": PolicyText("it is older than is allowed", "limit {limit}", "created at {actual}"),
    "name_pattern": PolicyText("it is not named as it must be", "pattern {limit}"),
    "expired_not_removed": PolicyText("it has expired and is still there", "limit {limit}", "expired at {actual}"),
}

_REASONS = {
    "unauthorized": ReasonText(
        "the platform refuses the exporter's token",
        "if all users have it, the exporter's own token is wrong, revoked or has expired: create one (Personal "
        "Settings > Access Token, 个人设置 > 个人访问令牌) and put it into the token file; if only some have it, "
        "check their ids",
    ),
    "forbidden": ReasonText(
        "the exporter's token lacks a permission",
        "the exporter's token lacks a permission (for tokens: Organization Management / User / Read-only, "
        "组织管理 / 用户 / 只读, base_user_read), its owner is not an enterprise administrator, or the user is "
        "outside the organization",
    ),
    "not_found": ReasonText(
        "the platform does not know the user",
        "the platform does not know the user, or the endpoint does not have the call; check the user id",
    ),
    "bad_request": ReasonText(
        "the platform calls the request invalid",
        "the platform calls the request invalid (HTTP 400): a malformed user id, or a page beyond what it lists; "
        "check the id in the detail",
    ),
    "unsupported": ReasonText(
        "the platform does not offer the call",
        "this edition of the platform, or this kind of token, does not offer the call; only the Enterprise Dedicated "
        "Edition (企业专属版) does",
    ),
    "rate_limited": ReasonText(
        "the platform throttles requests",
        "the platform throttled requests; lower limits.requests_per_second or raise poll.interval",
    ),
    "server_error": ReasonText(
        "the platform answers with an error", "an error of the platform (HTTP 5xx); the next sweep tries again"
    ),
    "timeout": ReasonText("the platform does not answer in time", "no complete response within poll.timeout"),
    "connection": ReasonText(
        "the connection to the platform fails",
        "the connection failed or was interrupted; check address, DNS, firewall and proxy",
    ),
    "tls": ReasonText(
        "the TLS handshake fails",
        "the TLS handshake failed; check endpoint, the certificate, tls.ca_file and tls.server_name",
    ),
    "redirect": ReasonText(
        "the endpoint redirects to another address",
        "the endpoint redirects, often to a login page: the address is wrong or the token was refused; redirects are "
        "not followed, since they would forward the token",
    ),
    "invalid_response": ReasonText(
        "the response is not the API's",
        "the response is not the API's (a page of the console, of a login or of a proxy, invalid JSON); check endpoint",
    ),
    "internal": ReasonText(
        "a defect of the exporter", "a defect of the exporter; please report it with the traceback in the log"
    ),
}

CATALOGUE = Catalogue(
    units={"d": "d", "h": "h", "m": "m", "s": "s"},
    comma=", ",
    colon=": ",
    semicolon="; ",
    brackets=" ({})",
    space=" ",
    credentials={"token": "Token", "ssh_key": "SSH key"},
    expires="expires at {expires}, in {remaining}",
    expires_in="expires in {remaining}",
    expired="expired at {expires}, {remaining} ago",
    expired_ago="expired {remaining} ago",
    ago="{remaining} ago",
    where=" for {organization}",
    alerts=_ALERTS,
    policies=_POLICIES,
    reasons=_REASONS,
    unknown_reason="the reason is not known",
    losses=LossText(
        lost_at="lost at {time}",
        lost_since="lost since {time}",
        until="stays until {time} through other tokens",
        kept="stays through other tokens that never expire",
        unclear="unclear, since the expiry of other tokens is not known",
        more="and {count} more",
    ),
    page={"overview": "Overview", "runbooks": "Runbooks"},
)
