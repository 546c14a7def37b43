"""The conditions of alerts as pure functions: state, configuration and time in, firing alerts out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.alerts.definitions import (
    CONFIG_RELOAD_FAILED,
    CREDENTIAL_WORDS,
    DISCOVERY_FAILING,
    EXPORTER_TOKEN_EXPIRING,
    SWEEP_STALLED,
    TOKEN_EXPIRED,
    TOKEN_EXPIRING_CRITICAL,
    TOKEN_EXPIRING_WARNING,
    TOKEN_NEVER_EXPIRES,
    TOKEN_PERMISSIONS_WIDENED,
    TOKEN_POLICY_VIOLATION,
    USER_DATA_STALE,
    USER_POLICY_VIOLATION,
    USER_POLL_FAILING,
    Definition,
)
from exporter.alerts.thresholds import (
    CRITICAL_SHARE,
    WARNING_SHARE,
    WIDENED_FOR,
    failing_after,
    stale_after,
    stalled_after,
    undiscovered_after,
)
from exporter.common.text import expiry_words, printable, rough_duration
from exporter.model.event import GRANTS_MORE
from exporter.model.labels import organization_labels, token_labels, user_labels
from exporter.model.loss import Losses
from exporter.model.token import NEVER, CredentialKind, token_series
from exporter.model.user import Owner
from exporter.policies.evaluate import token_violations, user_violations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from exporter.config.alerting import Alerting, Silence
    from exporter.config.schema import Config
    from exporter.model.snapshot import OrganizationView, View
    from exporter.model.state import UserState
    from exporter.model.token import Token
    from exporter.model.user import User
    from exporter.policies.evaluate import Violation
    from exporter.policies.schema import Policies
    from exporter.state.audit import LastEvents

Labels = tuple[tuple[str, str], ...]
"""Label names and values, sorted by name: the identity of an alert."""
Subject = tuple[str | None, str | None]
"""The organization and the user that an alert is about; None if it is not about a single one."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that fires.

    Attributes:
        labels: its identity, including `alertname` and `severity`; constant while the condition holds.
        annotations: texts for people; they may change between evaluations.
        since: epoch seconds at which the condition began, as far as the state shows; never in the future. The same
            condition has the same time after a restart.
    """

    labels: Labels
    annotations: Labels
    since: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of one evaluation.

    Attributes:
        alerts: the alerts that fire.
        unknown: the subjects that could not be evaluated; whether their alerts fire is unknown.
    """

    alerts: tuple[Alert, ...]
    unknown: frozenset[Subject] = frozenset()


def evaluate(
    view: View,
    config: Config,
    refused_since: float | None,
    now: float,
    last_events: LastEvents | None,
    failed: Callable[[], None],
) -> Evaluation:
    """As `alerts`, but an unexpected exception affects only the user or organization at which it was raised.

    Args:
        view: as in `alerts`.
        config: as in `alerts`.
        refused_since: as in `alerts`.
        now: as in `alerts`.
        last_events: as in `alerts`.
        failed: called while each exception is handled; must count it.
    """
    found: list[Alert] = []
    unknown: set[Subject] = set()
    for subject, some in _by_subject(view, config, refused_since, now, last_events):
        try:
            found.extend(some)
        except Exception:  # noqa: BLE001 - a defect with one user must not stop the alerts about others; counted
            unknown.add(subject)
            failed()
    return Evaluation(tuple(found), frozenset(unknown))


def alerts(
    view: View, config: Config, refused_since: float | None, now: float, last_events: LastEvents | None = None
) -> Iterator[Alert]:
    """The alerts that fire at ``now``.

    Args:
        view: the state of all users.
        config: the current configuration.
        refused_since: epoch seconds of the first refused reload since the last good one; None if there is none.
        now: epoch seconds.
        last_events: when each change of tokens was last seen, by organization and change.

    At most one of the alerts expired, critical and warning fires for a token. A failing poll does not change the
    tokens last seen, so it resolves none of their alerts.
    """
    for _, some in _by_subject(view, config, refused_since, now, last_events):
        yield from some


def _by_subject(
    view: View, config: Config, refused_since: float | None, now: float, last_events: LastEvents | None
) -> Iterator[tuple[Subject, Iterable[Alert]]]:
    """The alerts by subject, evaluated lazily."""
    maker = _Maker(config.alerting, now)
    silences = [entry for entry in config.alerting.ignore if entry.active(now)]
    widened = _widened(last_events or {}, now) if config.alerting.permissions_widened else {}
    for organization in view.organizations:
        name = organization.name
        yield (name, None), _about_organization(organization, widened.get(name), config, maker)
        for state in organization.users:
            yield (name, state.user.user_id), _about_state(name, state, config, silences, maker)
    if refused_since is not None:
        yield (None, None), [maker.make(CONFIG_RELOAD_FAILED, {}, refused_since)]


def thresholds_of(token: Token, warning: float, critical: float) -> tuple[float, float]:
    """The thresholds for one token: at most a third and a tenth of its lifetime, if that is known."""
    if token.created_at is None or token.expires_at is None or token.expires_at == NEVER:
        return warning, critical
    lifetime = token.expires_at - token.created_at
    if lifetime <= 0:
        return warning, critical
    return min(warning, lifetime / WARNING_SHARE), min(critical, lifetime / CRITICAL_SHARE)


class _Maker:
    """Makes alerts with the labels and annotations that all alerts have."""

    def __init__(self, alerting: Alerting, now: float) -> None:
        self.now = now
        self._labels = {name: value for name, value in alerting.labels.items() if value}
        self._owner_labels = alerting.owner_labels
        self._runbooks = alerting.runbook_base_url

    def make(
        self,
        definition: Definition,
        labels: dict[str, str],
        since: float,
        user: User | None = None,
        token: Token | None = None,
        *,
        permissions: str = "",
        **texts: str,
    ) -> Alert:
        """An alert.

        Args:
            definition: name, severity and texts.
            labels: those that identify what it is about.
            since: epoch seconds at which the condition began.
            user: the user that it is about.
            token: the token or SSH key that it is about.
            permissions: the annotation `permissions`, which says what the user loses; "" for none.
            texts: what to put into the description, beyond the labels.
        """
        severity = {} if definition.severity is None else {"severity": definition.severity.value}
        own = {"alertname": definition.name} | severity | labels
        words = CREDENTIAL_WORDS[CredentialKind.TOKEN if token is None else token.kind]
        description = definition.description.format(**labels, **words, **texts)
        annotations = {
            "summary": definition.summary.format(**words),
            "description": description,
            "runbook_url": definition.runbook(self._runbooks),
        }
        if token is not None and token.description:
            annotations["token_description"] = printable(token.description)
        if user is not None and user.owner is not None:
            contact = {"owner_email": user.owner.email, "owner_department": user.owner.department}
            annotations |= {name: value for name, value in contact.items() if value is not None}
        if permissions:
            annotations["permissions"] = permissions
        return Alert(
            labels=tuple(sorted((self._labels | self._of(user) | own).items())),
            annotations=tuple(annotations.items()),
            since=min(since, self.now),
        )

    def _of(self, user: User | None) -> dict[str, str]:
        """The labels of an alert about a user; labels of the user's entry override those from discovery."""
        if user is None:
            return {}
        owner = Owner() if user.owner is None else user.owner
        found = {name: getattr(owner, name) for name in self._owner_labels}
        return {name: value for name, value in found.items() if value is not None} | dict(user.labels)


def _about_state(
    organization: str, state: UserState, config: Config, silences: list[Silence], maker: _Maker
) -> Iterator[Alert]:
    yield from _about_user(organization, state, config, maker)
    losses = Losses(state)
    for token in (*token_series(state.tokens), *token_series(state.ssh_keys or ())):
        if not any(entry.matches(state.user, token) for entry in silences):
            yield from _about_token(organization, state.user, token, losses, config.alerting, maker)
    yield from _about_policies(organization, state, config.policies, silences, maker)


def _about_token(
    organization: str, user: User, token: Token, losses: Losses, alerting: Alerting, maker: _Maker
) -> Iterator[Alert]:
    expires_at = token.expires_at
    permissions = ""
    if expires_at is None:
        return
    if expires_at == NEVER:
        if not alerting.never_expires:
            return
        definition, since = TOKEN_NEVER_EXPIRES, token.created_at or maker.now
    else:
        warning, critical = thresholds_of(token, *alerting.effective(user.thresholds))
        left = expires_at - maker.now
        if left <= 0:
            definition, since = TOKEN_EXPIRED, expires_at
        elif left < critical:
            definition, since = TOKEN_EXPIRING_CRITICAL, expires_at - critical
        elif left < warning:
            definition, since = TOKEN_EXPIRING_WARNING, expires_at - warning
        else:
            return
        permissions = losses.words(token, maker.now)
    labels = token_labels(organization, user, token)
    detail = expiry_words(expires_at, maker.now)
    yield maker.make(definition, labels, since, user, token, permissions=permissions, detail=detail)


def _about_policies(
    organization: str, state: UserState, policies: Policies, silences: list[Silence], maker: _Maker
) -> Iterator[Alert]:
    user = state.user
    of_user = user_labels(organization, user)
    for one in token_violations(user, state.tokens, policies, maker.now):
        if (token := one.token) is None or any(entry.matches(user, token) for entry in silences):
            continue
        labels = token_labels(organization, user, token) | _policy_labels(one)
        since = maker.now if one.since is None else one.since
        yield maker.make(TOKEN_POLICY_VIOLATION, labels, since, user, token, detail=one.policy.words)
    for one in user_violations(user, state.tokens, policies, maker.now, state.unexpired_left_out):
        labels = of_user | _policy_labels(one)
        yield maker.make(USER_POLICY_VIOLATION, labels, maker.now, user, detail=one.policy.words)


def _about_user(organization: str, state: UserState, config: Config, maker: _Maker) -> Iterator[Alert]:
    labels = user_labels(organization, state.user)
    if state.failing_since is not None:
        since = state.failing_since + failing_after(config.poll)
        if since <= maker.now:
            yield maker.make(USER_POLL_FAILING, labels, since, state.user)
    if state.last_success is not None:
        since = state.last_success + stale_after(config.poll)
        if since <= maker.now:
            age = rough_duration(maker.now - state.last_success)
            yield maker.make(USER_DATA_STALE, labels, since, state.user, age=age)


def _about_organization(
    view: OrganizationView, widened: float | None, config: Config, maker: _Maker
) -> Iterator[Alert]:
    last = view.since if view.sweep is None else view.sweep.completed_at
    since = last + stalled_after(config.poll)
    if since <= maker.now:
        yield maker.make(SWEEP_STALLED, organization_labels(view.name), since, age=rough_duration(maker.now - last))
    if view.discovery is not None and view.discovery.up is False:
        since = (view.discovery.last_success or view.since) + undiscovered_after(config.discover_intervals)
        if since <= maker.now:
            yield maker.make(DISCOVERY_FAILING, organization_labels(view.name), since)
    if view.own_expiry is not None:
        since = view.own_expiry - config.alerting.thresholds.warning
        if since < maker.now:
            detail = expiry_words(view.own_expiry, maker.now)
            yield maker.make(EXPORTER_TOKEN_EXPIRING, organization_labels(view.name), since, detail=detail)
    if widened is not None:
        yield maker.make(TOKEN_PERMISSIONS_WIDENED, organization_labels(view.name), widened)


def _widened(last_events: LastEvents, now: float) -> dict[str, float]:
    """When a token was granted more permissions, by organization, for those where that was within the last hour."""
    since: dict[str, float] = {}
    for (organization, change), at in last_events.items():
        if change in GRANTS_MORE and now < at + WIDENED_FOR:
            since[organization] = min(since.get(organization, at), at)
    return since


def _policy_labels(violation: Violation) -> dict[str, str]:
    return {"policy": violation.policy.name, "severity": violation.severity.value}
