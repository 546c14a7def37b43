"""The families that alert rules are based on: entries for the tokens and users in or near an alert, and only for them.

The exporter does the work of the rules once: it knows thresholds, lifetimes, silences and owners, and says from when a
stage holds, so that a rule is a comparison with the time. An entry whose value is `ENDED` no longer counts:
`exporter.metrics.ended` keeps it for a while, so that rules that bridge missed scrapes do not fall back on what was
there before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.config.alerting import PolicyAlerts
from exporter.config.deadlines import stale_after
from exporter.metrics.families.base import Kind, Sample, Scope, UserFamily
from exporter.model.labels import KIND, TOKEN_LABEL_NAMES, USER_LABEL_NAMES, token_values, user_values
from exporter.model.loss import Losses
from exporter.model.not_removed import not_removed
from exporter.model.severity import Severity
from exporter.model.stages import Stage, stages
from exporter.model.token import NEVER, CredentialKind, token_series
from exporter.model.token_texts import (
    NEVER_EXPIRES,
    OWNER_TEXTS,
    TOKEN_ALERTS,
    TOKEN_TEXTS,
    owner_texts,
    token_texts,
)
from exporter.policies.builtin import ExpiredNotRemoved, NeverExpires
from exporter.texts.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.metrics.families.base import AlertScope
    from exporter.model.not_removed import NotRemoved
    from exporter.model.state import UserState
    from exporter.model.token import Token
    from exporter.model.user import User
    from exporter.policies.evaluate import Violation

ENDED = 0.0
"""The value of an entry that no longer counts."""
SOURCE = "alert_source"
"""The process that exposes an entry. Its value is random and changes with each start."""
STAGE = "alert_stage"
_WITHOUT_PERMISSIONS = frozenset({NEVER_EXPIRES, Stage.NOT_REMOVED.value})
"""The stages whose texts do not say which permissions are lost."""
WINDOW = 3600.0
"""Seconds before a stage begins from which its entry is exposed: more than rules look back, or scrapes are apart."""
_STALE_WINDOW = 900.0
"""The same, for data that is about to be stale."""
_TICK = 0.001
"""A stage that does not hold in the second of its begin holds this many seconds later: the resolution of Prometheus."""
POLL_FAILING, DATA_STALE = "poll_failing", "data_stale"
_IDENTITY = (*TOKEN_LABEL_NAMES, KIND, STAGE, SOURCE)


def stage_times(user: User, token: Token, alerts: AlertScope) -> list[tuple[Stage, float]]:
    """The stages of a token, and the epoch seconds from which each holds, inclusively."""
    begins = stages(token.created_at, token.expires_at, alerts.alerting.expiry_thresholds(user.thresholds))
    return [(stage, begin if stage.includes_begin else begin + _TICK) for stage, begin in begins]


def next_alert_change(state: UserState, scope: Scope) -> float:
    """Epoch seconds until which time alone changes no entry about the tokens of a user. May be earlier, never later."""
    alerts, now = scope.alerts, scope.now
    if alerts is None:
        return NEVER
    turns = []
    for token in _credentials(state):
        if _is_far(state.user, token, alerts, now):
            turns.append(_earliest(state.user, token, alerts) - WINDOW)
        else:
            turns += [turn for _, due in stage_times(state.user, token, alerts) for turn in (due - WINDOW, due)]
        turns += [one.ends_at for one in alerts.alerting.ignore if one.active(now) and one.matches(state.user, token)]
    for policy in () if scope.policies is None else scope.policies.enabled:
        turns += [
            one.ends_at for one in policy.exceptions if any(one.matches(state.user, token) for token in state.tokens)
        ]
    return min((turn for turn in turns if turn > now), default=NEVER)


def next_poll_change(state: UserState, scope: Scope) -> float:
    """The same for the entries about the polls of a user."""
    if scope.alerts is None or state.last_success is None:
        return NEVER
    turn = state.last_success + stale_after(scope.alerts.poll) - _STALE_WINDOW
    return turn if turn > scope.now else NEVER


def alerted_violations(state: UserState, scope: Scope) -> Iterator[Violation]:
    """The violations of policies that no silence covers."""
    if scope.policies is None or not scope.policies.enabled:
        return
    for one in scope.violations(state):
        if one.token is None or not _silenced(state.user, one.token, scope):
            yield one


def _credentials(state: UserState) -> Iterator[Token]:
    yield from token_series(state.tokens)
    yield from token_series(state.ssh_keys or ())


def _earliest(user: User, token: Token, alerts: AlertScope) -> float:
    """When the first stage of a token begins, if its lifetime delays none."""
    thresholds = alerts.alerting.expiry_thresholds(user.thresholds)
    expires_at = NEVER if token.expires_at is None else token.expires_at
    return expires_at - (thresholds.warning if thresholds.info is None else thresholds.info)


def _is_far(user: User, token: Token, alerts: AlertScope, now: float) -> bool:
    """Whether a token, as most do, certainly has no entries."""
    return _earliest(user, token, alerts) - WINDOW > now


def _silenced(user: User, token: Token, scope: Scope) -> bool:
    entries = () if scope.alerts is None else scope.alerts.alerting.ignore
    return any(entry.active(scope.now) and entry.matches(user, token) for entry in entries)


def _stages_shown(state: UserState, token: Token, scope: Scope, alerts: AlertScope) -> Iterator[tuple[Stage, float]]:
    """The stage that holds, and those that begin soon; with the time from which each holds."""
    current = None
    for stage, due in stage_times(state.user, token, alerts):
        if due <= scope.now:
            current = (stage, due)
        else:
            if current is not None:
                yield current
                current = None
            if due <= scope.now + WINDOW:
                yield stage, due
    if current is not None:
        yield current


def _expiry(organization: str, state: UserState, scope: Scope) -> Iterable[Sample]:
    if (alerts := scope.alerts) is None:
        return
    zone, losses = alerts.zone(organization), None
    words = catalogue(alerts.alerting.language)
    for token in _credentials(state):
        expires_at = token.expires_at
        if expires_at is None or (expires_at != NEVER and _is_far(state.user, token, alerts, scope.now)):
            continue
        found = (
            [NEVER_EXPIRES]
            if expires_at == NEVER
            else [stage.value for stage, _ in _stages_shown(state, token, scope, alerts)]
        )
        for stage in found:
            if _is_told(state.user, token, stage, scope, alerts) and not _silenced(state.user, token, scope):
                permissions = ""
                if stage not in _WITHOUT_PERMISSIONS:
                    losses = losses or Losses(state, alerts.alerting.language, zone)
                    permissions = losses.words(token, scope.now)
                texts = token_texts(TOKEN_ALERTS[stage], organization, state.user, token, permissions, words, zone)
                kind = "" if token.kind is CredentialKind.TOKEN else token.kind.value
                values = (*token_values(organization, state.user, token), kind, stage, alerts.source)
                # A date at the epoch itself would look like an entry that has ended.
                yield (*values, *texts), expires_at or 1.0


def _is_told(user: User, token: Token, stage: str, scope: Scope, alerts: AlertScope) -> bool:
    """Whether there is an alert for a token in a stage: what a policy says about a token is not said again.

    No policy is about SSH keys.
    """
    policies = scope.policies.enabled if scope.policies is not None and token.kind is CredentialKind.TOKEN else ()
    if stage == NEVER_EXPIRES:
        forbidden = any(
            isinstance(policy, NeverExpires) and not policy.exempts(user, token, scope.now) for policy in policies
        )
        return alerts.alerting.never_expires and not forbidden
    one_by_one = alerts.alerting.policy_violations is PolicyAlerts.PER_TOKEN
    return stage != Stage.NOT_REMOVED or (one_by_one and not _left_to_policy(token, scope))


def _left_to_policy(token: Token, scope: Scope) -> bool:
    """Whether a policy reports the token if it is not removed. No policy is about SSH keys."""
    policies = () if scope.policies is None or token.kind is not CredentialKind.TOKEN else scope.policies.enabled
    return any(isinstance(policy, ExpiredNotRemoved) for policy in policies)


def counted_not_removed(state: UserState, scope: Scope, mode: PolicyAlerts) -> NotRemoved | None:
    """The tokens that are not removed, if `alerting.policy_violations` is this one."""
    if (alerts := scope.alerts) is None or alerts.alerting.policy_violations is not mode:
        return None

    def counts(token: Token) -> bool:
        return not _left_to_policy(token, scope) and not _silenced(state.user, token, scope)

    return not_removed(state, alerts.alerting.expired_for, scope.now, counts)


def _due(organization: str, state: UserState, scope: Scope) -> Iterable[Sample]:
    if (alerts := scope.alerts) is None:
        return
    for token in _credentials(state):
        if token.expires_at is None or _is_far(state.user, token, alerts, scope.now):
            continue
        for stage, due in _stages_shown(state, token, scope, alerts):
            if due > scope.now and not _silenced(state.user, token, scope):
                kind = "" if token.kind is CredentialKind.TOKEN else token.kind.value
                yield (*token_values(organization, state.user, token), kind, stage.value, alerts.source), due


def _since(organization: str, state: UserState, scope: Scope) -> Iterable[Sample]:
    if (alerts := scope.alerts) is None:
        return
    values, owner = user_values(organization, state.user), tuple(owner_texts(state.user).values())
    reason = "" if state.failure is None else state.failure.reason.value
    if state.failing_since is not None:
        yield (*values, POLL_FAILING, alerts.source, reason, *owner), state.failing_since or 1.0
    if state.last_success is not None and state.last_success + stale_after(alerts.poll) - _STALE_WINDOW <= scope.now:
        yield (*values, DATA_STALE, alerts.source, reason, *owner), state.last_success or 1.0


def _violations(organization: str, state: UserState, scope: Scope) -> Iterable[Sample]:
    if (alerts := scope.alerts) is None or (mode := alerts.alerting.policy_violations.value) == "per_policy":
        return
    owner = tuple(owner_texts(state.user).values())
    counts: dict[tuple[str, str, str, str], int] = {}
    for one in alerted_violations(state, scope):
        token = None if mode == "per_user" else one.token
        token_id, name = ("", "") if token is None else (token.token_id, token.name)
        key = (token_id, name, one.policy.name, one.severity.value)
        counts[key] = counts.get(key, 0) + 1
    if (some := counted_not_removed(state, scope, PolicyAlerts.PER_USER)) is not None:
        counts["", "", "", Severity.INFO.value] = some.count
    for key, count in counts.items():
        yield (*user_values(organization, state.user), *key, alerts.source, *owner), count


_ENTRY = (
    f"Rules use only the entries whose {SOURCE} has the highest yunxiao_alert_source_rank. 0 for 15 minutes after an "
    "entry has ended or its labels have changed."
)
_TEXTS = "the other labels are texts for annotations and those of the user's entry"

ALERT_FAMILIES: tuple[UserFamily, ...] = (
    UserFamily(
        "yunxiao_token_alert_expiry_timestamp_seconds",
        Kind.GAUGE,
        (*_IDENTITY, *TOKEN_TEXTS),
        "When a token or SSH key that an alert is about expires, in seconds since the epoch; +Inf if never. "
        f"{STAGE} is info, warning, critical, expired, not_removed or never_expires; {_TEXTS}. {_ENTRY}",
        "For each token and SSH key that no entry of `alerting.ignore` silences: for the stage that it is in, and for "
        "those that begin within an hour.",
        (
            'count by (organization) (yunxiao_token_alert_expiry_timestamp_seconds{alert_stage="expired"} > 0)',
            "tokens that have expired a short time ago",
        ),
        samples=_expiry,
        for_alerts=True,
        labelled=True,
    ),
    UserFamily(
        "yunxiao_token_alert_due_timestamp_seconds",
        Kind.GAUGE,
        _IDENTITY,
        f"From when a stage of a token or SSH key holds, in seconds since the epoch. {_ENTRY}",
        "For the stages that begin within an hour.",
        ("yunxiao_token_alert_due_timestamp_seconds - time() > 0", "which alerts begin or change within an hour"),
        samples=_due,
        for_alerts=True,
    ),
    UserFamily(
        "yunxiao_user_alert_since_timestamp_seconds",
        Kind.GAUGE,
        (*USER_LABEL_NAMES, "alert", SOURCE, "reason", *OWNER_TEXTS),
        "Since when polls of the user fail (alert is poll_failing), or when the last one succeeded (data_stale), "
        f"in seconds since the epoch; {_TEXTS}. {_ENTRY}",
        "For users whose last poll failed, and for users whose data is stale or will be within 15 minutes.",
        (
            'count by (organization, reason) (yunxiao_user_alert_since_timestamp_seconds{alert="poll_failing"} > 0)',
            "why users fail",
        ),
        samples=_since,
        about_poll=True,
        for_alerts=True,
        labelled=True,
    ),
    UserFamily(
        "yunxiao_user_alert_policy_violations",
        Kind.GAUGE,
        (*USER_LABEL_NAMES, "token_id", "token", "policy", "severity", SOURCE, *OWNER_TEXTS),
        "Violations of a policy that no entry of alerting.ignore silences, by user, and by token with "
        f"alerting.policy_violations: per_token. With an empty policy: tokens and SSH keys that are not "
        f"removed; {_TEXTS}. {_ENTRY}",
        "Only with `alerting.policy_violations: per_user` or `per_token`, where a policy is violated or, with the "
        "first, tokens are not removed.",
        ("sum by (organization, policy) (yunxiao_user_alert_policy_violations)", "violations that cause alerts"),
        samples=_violations,
        for_alerts=True,
        labelled=True,
    ),
)
