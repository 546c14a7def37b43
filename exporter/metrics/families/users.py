"""The families about users and their tokens."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from exporter.metrics.families.alerts import ALERT_FAMILIES
from exporter.metrics.families.base import Detail, Family, Kind, Sample, Scope, UserFamily, remaining, times
from exporter.metrics.families.ssh_keys import SSH_KEY_FAMILIES
from exporter.model.labels import TOKEN_LABEL_NAMES, USER_LABEL_NAMES, token_values, user_values
from exporter.model.permission import permission_expiry, permission_lost, permission_tokens
from exporter.model.token import token_series as distinct_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.model.state import UserState
    from exporter.model.token import Token

_OWN_CLOCK = (
    "Tokens are polled on the exporter's own clock, not at the scrape: see yunxiao_user_last_success_timestamp_seconds."
)
_LEVELS = "A token with X_read_write also grants X_read."
_BOTH_LEVELS = "`X_read` is included even if only `X_read_write` is listed."


def _user_tokens(organization: str, state: UserState, scope: Scope) -> Iterable[Sample]:
    if state.last_success is None:
        return
    values = user_values(organization, state.user)
    for token_state, count in state.counts(scope.now).items():
        yield (*values, token_state.value), count


def _tokens_left_out(organization: str, state: UserState, _: Scope) -> Iterable[Sample]:
    if count := state.tokens_left_out:
        yield user_values(organization, state.user), count


def _permission_tokens(organization: str, state: UserState, scope: Scope) -> Iterable[Sample]:
    values = user_values(organization, state.user)
    for permission, count in permission_tokens(state.tokens, scope.now).items():
        yield (*values, permission), count


def _permission_expiry(organization: str, state: UserState, scope: Scope) -> Iterable[Sample]:
    values = user_values(organization, state.user)
    for permission, expires_at in permission_expiry(state.tokens, scope.now).items():
        if scope.shows(expires_at):
            yield (*values, permission), expires_at


def _permission_lost(organization: str, state: UserState, scope: Scope) -> Iterable[Sample]:
    values = user_values(organization, state.user)
    for permission, lost_at in permission_lost(state.tokens, state.unexpired_left_out).items():
        if scope.shows(lost_at):
            yield (*values, permission), lost_at


def _tokens(state: UserState) -> Iterable[Token]:
    return distinct_tokens(state.tokens)


_token_expiry = times(_tokens, token_values, attrgetter("expires_at"))
_token_created = times(_tokens, token_values, attrgetter("created_at"))


def _user_up(organization: str, state: UserState, _: Scope) -> Iterable[Sample]:
    if state.polled:
        yield user_values(organization, state.user), float(state.failure is None)


def _last_success(organization: str, state: UserState, _: Scope) -> Iterable[Sample]:
    if state.last_success is not None:
        yield user_values(organization, state.user), state.last_success


def _user_failure(organization: str, state: UserState, _: Scope) -> Iterable[Sample]:
    if state.failure is not None:
        yield (*user_values(organization, state.user), state.failure.reason.value), 1


def _own_thresholds(organization: str, state: UserState, _: Scope) -> Iterable[Sample]:
    if (own := state.user.thresholds) is not None:
        for name, value in (("info", own.info), ("warning", own.warning), ("critical", own.critical)):
            if value is not None:
                yield (*user_values(organization, state.user), name), value


def _token_policies(organization: str, state: UserState, scope: Scope) -> Iterable[Sample]:
    for one in scope.violations(state):
        if (token := one.token) is not None:
            yield (*token_values(organization, state.user, token), one.policy.name, one.severity.value), 1


def _user_policies(organization: str, state: UserState, scope: Scope) -> Iterable[Sample]:
    for one in scope.violations(state):
        if one.token is None:
            yield (*user_values(organization, state.user), one.policy.name, one.severity.value), 1


USER_FAMILIES: tuple[UserFamily, ...] = (
    UserFamily(
        "yunxiao_user_tokens",
        Kind.GAUGE,
        (*USER_LABEL_NAMES, "state"),
        f"Tokens listed for the user, by state at the time of the scrape; each token is in one state. {_OWN_CLOCK}",
        "From the first successful poll of the user; all four states, 0 included.",
        ('sum by (organization) (yunxiao_user_tokens{state="never_expires"})', "tokens that never expire"),
        samples=_user_tokens,
    ),
    UserFamily(
        "yunxiao_user_tokens_left_out",
        Kind.GAUGE,
        USER_LABEL_NAMES,
        "Tokens of the user beyond metrics.max_tokens_per_user; they are included in yunxiao_user_tokens, in their "
        "state at the last successful poll, and in no other metric. Those that expire next are kept first.",
        "Only for users with more tokens than `metrics.max_tokens_per_user`.",
        ("yunxiao_user_tokens_left_out", "users with more tokens than are tracked one by one"),
        samples=_tokens_left_out,
    ),
    UserFamily(
        "yunxiao_user_permission_tokens",
        Kind.GAUGE,
        (*USER_LABEL_NAMES, "permission"),
        "Unexpired tokens that grant the permission, including those with an unreadable expiry; 0 if all have expired. "
        f"{_LEVELS}",
        f"For each permission that a listed token of the user grants; {_BOTH_LEVELS}",
        ("sum by (organization, permission) (yunxiao_user_permission_tokens)", "how many tokens grant each permission"),
        detail=Detail.PER_PERMISSION,
        samples=_permission_tokens,
    ),
    UserFamily(
        "yunxiao_user_permission_expiry_timestamp_seconds",
        Kind.GAUGE,
        (*USER_LABEL_NAMES, "permission"),
        "When the first of the user's unexpired tokens that grant the permission expires, in seconds since the epoch; "
        "when the last one did if all have expired; +Inf if only tokens that never expire grant it. Other tokens may "
        f"still grant it after that: see yunxiao_user_permission_lost_timestamp_seconds. {_LEVELS}",
        f"For each permission that a listed token with a readable expiry grants; {_BOTH_LEVELS}",
        (
            "0 < yunxiao_user_permission_expiry_timestamp_seconds - time() < 7 * 86400",
            "permissions for which a token of the user expires within a week",
        ),
        detail=Detail.PER_PERMISSION,
        samples=_permission_expiry,
    ),
    UserFamily(
        "yunxiao_user_permission_expires_in_seconds",
        Kind.GAUGE,
        (*USER_LABEL_NAMES, "permission"),
        "Seconds until the first of the user's unexpired tokens that grant the permission expires, computed at the "
        "scrape; negative if all have expired, +Inf if none ever does. Other tokens may still grant it after that. "
        "Rules should use yunxiao_user_permission_expiry_timestamp_seconds.",
        "As `yunxiao_user_permission_expiry_timestamp_seconds`, unless `metrics.relative` is off.",
        (
            "sort(yunxiao_user_permission_expires_in_seconds)",
            "the permissions whose tokens expire first",
        ),
        detail=Detail.PER_PERMISSION,
        relative=True,
        samples=remaining(_permission_expiry),
        expiry=_permission_expiry,
    ),
    UserFamily(
        "yunxiao_user_permission_lost_timestamp_seconds",
        Kind.GAUGE,
        (*USER_LABEL_NAMES, "permission"),
        "When the user loses or lost the permission, in seconds since the epoch: when the last of the user's tokens "
        f"that grant it expires; +Inf if one never does. Tokens with an unreadable expiry are ignored. {_LEVELS}",
        f"For each permission that a listed token with a readable expiry grants; {_BOTH_LEVELS} For users with "
        "unexpired tokens beyond `metrics.max_tokens_per_user`, which expire after the others, only if it is +Inf.",
        (
            "0 < yunxiao_user_permission_lost_timestamp_seconds - time() < 7 * 86400",
            "permissions that a user loses within a week",
        ),
        detail=Detail.PERMISSION_LOST,
        samples=_permission_lost,
    ),
    UserFamily(
        "yunxiao_token_expiry_timestamp_seconds",
        Kind.GAUGE,
        TOKEN_LABEL_NAMES,
        f"When the token expires, in seconds since the epoch; +Inf if never. {_OWN_CLOCK}",
        "For each listed token with a readable expiry, including expired ones.",
        (
            "0 < yunxiao_token_expiry_timestamp_seconds - time() < 14 * 86400",
            "tokens that expire within two weeks and have not yet",
        ),
        detail=Detail.PER_TOKEN,
        samples=_token_expiry,
    ),
    UserFamily(
        "yunxiao_token_expires_in_seconds",
        Kind.GAUGE,
        TOKEN_LABEL_NAMES,
        "Seconds until the token expires, computed at the scrape; negative after that, +Inf if never. "
        f"Rules should use yunxiao_token_expiry_timestamp_seconds. {_OWN_CLOCK}",
        "As `yunxiao_token_expiry_timestamp_seconds`, unless `metrics.relative` is off.",
        ("bottomk(10, yunxiao_token_expires_in_seconds > 0)", "the next ten to expire"),
        detail=Detail.PER_TOKEN,
        relative=True,
        samples=remaining(_token_expiry),
        expiry=_token_expiry,
    ),
    UserFamily(
        "yunxiao_token_created_timestamp_seconds",
        Kind.GAUGE,
        TOKEN_LABEL_NAMES,
        f"When the token was created, in seconds since the epoch. {_OWN_CLOCK}",
        "For each listed token with a readable creation date.",
        ("time() - yunxiao_token_created_timestamp_seconds > 365 * 86400", "tokens older than a year"),
        detail=Detail.PER_TOKEN,
        samples=_token_created,
    ),
    UserFamily(
        "yunxiao_user_up",
        Kind.GAUGE,
        USER_LABEL_NAMES,
        "1 if the last poll of the user succeeded, 0 if it failed. The last known tokens stay exposed.",
        "From the end of the first poll of the user, whether it succeeded or failed.",
        ("yunxiao_user_up == 0", "users whose data is not current"),
        samples=_user_up,
        about_poll=True,
    ),
    UserFamily(
        "yunxiao_user_last_success_timestamp_seconds",
        Kind.GAUGE,
        USER_LABEL_NAMES,
        "When the tokens of the user were last fetched from the platform, in seconds since the epoch.",
        "From the first successful poll of the user; stays while polls fail.",
        ("time() - yunxiao_user_last_success_timestamp_seconds > 3600", "users whose data is older than an hour"),
        samples=_last_success,
        about_poll=True,
    ),
    UserFamily(
        "yunxiao_user_failure",
        Kind.GAUGE,
        (*USER_LABEL_NAMES, "reason"),
        "1 if the last poll of the user failed, with the reason.",
        "Only while the last poll of the user failed.",
        ("count by (organization, reason) (yunxiao_user_failure)", "why users fail"),
        samples=_user_failure,
        about_poll=True,
    ),
    UserFamily(
        "yunxiao_user_alert_threshold_seconds",
        Kind.GAUGE,
        (*USER_LABEL_NAMES, "threshold"),
        "Remaining time, in seconds, below which the user's tokens cause an alert, if the user's entry sets its own; "
        "threshold is info, warning or critical.",
        "For each threshold in a user's entry.",
        ("yunxiao_user_alert_threshold_seconds", "users with thresholds of their own"),
        samples=_own_thresholds,
    ),
    UserFamily(
        "yunxiao_token_policy_violation",
        Kind.GAUGE,
        (*TOKEN_LABEL_NAMES, "policy", "severity"),
        "1 for each policy that the token violates at the time of the scrape, with the configured severity. Not "
        "limited by metrics.expiring_within.",
        "For each configured policy that a listed token violates without an exception.",
        (
            'count by (organization, user) (yunxiao_token_policy_violation{severity="critical"})',
            "users whose tokens violate critical policies",
        ),
        detail=Detail.PER_TOKEN,
        samples=_token_policies,
    ),
    UserFamily(
        "yunxiao_user_policy_violation",
        Kind.GAUGE,
        (*USER_LABEL_NAMES, "policy", "severity"),
        "1 for each policy that the user's tokens together violate, with the configured severity.",
        "For users with more tokens than `policies.max_tokens_per_user` allows.",
        ("yunxiao_user_policy_violation", "users who should delete tokens"),
        samples=_user_policies,
    ),
    *SSH_KEY_FAMILIES,
    *ALERT_FAMILIES,
)


USER_LABELS = Family(
    "yunxiao_user_labels",
    Kind.GAUGE,
    USER_LABEL_NAMES,
    "1, with the labels of the user's entry in the configuration, such as team or email.",
    "For every user, if any user's entry has `labels`. Each name used in an entry is a label of all series; its "
    "value is empty for users without it.",
    (
        'yunxiao_user_up == 0 and on (organization, user_id) yunxiao_user_labels{team="platform"}',
        "whether a team's users are polled",
    ),
)


def user_labels(organization: str, state: UserState, names: Iterable[str]) -> Sample:
    """The sample of `yunxiao_user_labels` for one user, with these label names beyond `USER_LABEL_NAMES`."""
    own = dict(state.user.labels)
    return (*user_values(organization, state.user), *(own.get(name, "") for name in names)), 1
