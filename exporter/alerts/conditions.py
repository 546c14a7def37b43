"""What is worth an alert now: the state, the configuration and the time in, alerts out. No I/O, no memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.alerts.definitions import (
    CONFIG_RELOAD_FAILED,
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
from exporter.common.text import expiry_words, rough
from exporter.model.event import GRANTS_MORE
from exporter.model.labels import organization_labels, token_labels, user_labels
from exporter.model.token import NEVER, token_series
from exporter.model.user import Owner
from exporter.policies.evaluate import token_violations, user_violations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from exporter.config.alerting import Alerting, Ignore
    from exporter.config.schema import Config
    from exporter.model.snapshot import OrganizationView, View
    from exporter.model.state import UserState
    from exporter.model.token import Token
    from exporter.model.user import User
    from exporter.policies.schema import Policies
    from exporter.state.audit import LastEvents

Labels = tuple[tuple[str, str], ...]
"""Label names and values in the order of the names: the identity of an alert."""
Subject = tuple[str | None, str | None]
"""The organization and the user that an alert is about; None where it is about no single one."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that is worth telling now.

    Attributes:
        labels: its identity, `alertname` and `severity` included; nothing in it changes while the cause lasts.
        annotations: words for people; they may change from one time to the next.
        since: epoch seconds at which the cause began, as far as the state tells; never in the future. The same cause
            gives the same time after a restart.
    """

    labels: Labels
    annotations: Labels
    since: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one evaluation found.

    Attributes:
        alerts: everything that is worth an alert.
        unknown: what could not be evaluated; nothing is known about its alerts.
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
    """As `alerts`, but a defect costs the one user or organization that it was met at, and nobody else.

    Args:
        view: as in `alerts`.
        config: as in `alerts`.
        refused_since: as in `alerts`.
        now: as in `alerts`.
        last_events: as in `alerts`.
        failed: called while each such exception is handled; must count it.
    """
    found: list[Alert] = []
    unknown: set[Subject] = set()
    for subject, some in _by_subject(view, config, refused_since, now, last_events):
        try:
            found.extend(some)
        except Exception:  # noqa: BLE001 - a defect at one user must not silence the alerts about others; counted
            unknown.add(subject)
            failed()
    return Evaluation(tuple(found), frozenset(unknown))


def alerts(
    view: View, config: Config, refused_since: float | None, now: float, last_events: LastEvents | None = None
) -> Iterator[Alert]:
    """Everything that is worth an alert at the time ``now``.

    Args:
        view: what is known.
        config: the configuration in force.
        refused_since: epoch seconds of the first refused reload since the last good one; None if there is none.
        now: epoch seconds.
        last_events: when each change of tokens was last seen, by organization and change.

    A token is in at most one of expired, critical and warning. A failing poll changes nothing about the tokens last
    seen, so it resolves none of their alerts.
    """
    for _, some in _by_subject(view, config, refused_since, now, last_events):
        yield from some


def _by_subject(
    view: View, config: Config, refused_since: float | None, now: float, last_events: LastEvents | None
) -> Iterator[tuple[Subject, Iterable[Alert]]]:
    """The alerts in portions, each about one subject and evaluated while it is read."""
    maker = _Maker(config.alerting, now)
    ignored = [entry for entry in config.alerting.ignore if entry.holds(now)]
    widened = _widened(last_events or {}, now) if config.alerting.permissions_widened else {}
    for organization in view.organizations:
        name = organization.name
        yield (name, None), _about_organization(organization, widened.get(name), config, maker)
        for state in organization.users:
            yield (name, state.user.user_id), _about_state(name, state, config, ignored, maker)
    if refused_since is not None:
        yield (None, None), [maker.make(CONFIG_RELOAD_FAILED, {}, refused_since)]


def suited(token: Token, warning: float, critical: float) -> tuple[float, float]:
    """The thresholds for one token: not more than a third and a tenth of its whole life, where that is known."""
    if token.created_at is None or token.expires_at is None or token.expires_at == NEVER:
        return warning, critical
    life = token.expires_at - token.created_at
    if life <= 0:
        return warning, critical
    return min(warning, life / WARNING_SHARE), min(critical, life / CRITICAL_SHARE)


class _Maker:
    """Makes alerts with the labels and words that all of them share."""

    def __init__(self, alerting: Alerting, now: float) -> None:
        self.now = now
        self._labels = {name: value for name, value in alerting.labels.items() if value}
        self._owner_labels = alerting.owner_labels
        self._runbooks = alerting.runbook_base_url

    def make(
        self, definition: Definition, labels: dict[str, str], since: float, user: User | None = None, **words: str
    ) -> Alert:
        severity = {} if definition.severity is None else {"severity": definition.severity.value}
        own = {"alertname": definition.name} | severity | labels
        description = definition.description.format(**labels, **words)
        annotations = {
            "summary": definition.summary,
            "description": description,
            "runbook_url": definition.runbook(self._runbooks),
        }
        if user is not None and user.owner is not None:
            who = {"owner_email": user.owner.email, "owner_department": user.owner.department}
            annotations |= {name: value for name, value in who.items() if value is not None}
        return Alert(
            labels=tuple(sorted((self._labels | self._of(user) | own).items())),
            annotations=tuple(annotations.items()),
            since=min(since, self.now),
        )

    def _of(self, user: User | None) -> dict[str, str]:
        """The labels that an alert about a user carries; those of the user's entry win."""
        if user is None:
            return {}
        owner = Owner() if user.owner is None else user.owner
        found = {name: getattr(owner, name) for name in self._owner_labels}
        return {name: value for name, value in found.items() if value is not None} | dict(user.labels)


def _about_state(
    organization: str, state: UserState, config: Config, ignored: list[Ignore], maker: _Maker
) -> Iterator[Alert]:
    yield from _about_user(organization, state, config, maker)
    for token in token_series(state.tokens):
        if not any(entry.fits(state.user, token) for entry in ignored):
            yield from _about_token(organization, state.user, token, config.alerting, maker)
    yield from _about_policies(organization, state, config.policies, ignored, maker)


def _about_token(organization: str, user: User, token: Token, alerting: Alerting, maker: _Maker) -> Iterator[Alert]:
    expires_at = token.expires_at
    if expires_at is None:
        return
    if expires_at == NEVER:
        if not alerting.never_expires:
            return
        definition, since = TOKEN_NEVER_EXPIRES, token.created_at or maker.now
    else:
        warning, critical = suited(token, *alerting.in_force(user.thresholds))
        left = expires_at - maker.now
        if left <= 0:
            definition, since = TOKEN_EXPIRED, expires_at
        elif left < critical:
            definition, since = TOKEN_EXPIRING_CRITICAL, expires_at - critical
        elif left < warning:
            definition, since = TOKEN_EXPIRING_WARNING, expires_at - warning
        else:
            return
    labels = token_labels(organization, user, token)
    yield maker.make(definition, labels, since, user, words=expiry_words(expires_at, maker.now))


def _about_policies(
    organization: str, state: UserState, policies: Policies, ignored: list[Ignore], maker: _Maker
) -> Iterator[Alert]:
    user = state.user
    for one in token_violations(user, state.tokens, policies, maker.now):
        if (token := one.token) is None or any(entry.fits(user, token) for entry in ignored):
            continue
        labels = token_labels(organization, user, token)
        broken = {"policy": one.policy.value, "severity": one.severity.value}
        since = maker.now if one.since is None else one.since
        yield maker.make(TOKEN_POLICY_VIOLATION, labels | broken, since, user, words=one.policy.words)
    for one in user_violations(user, state.tokens, policies, maker.now, state.unexpired_left_out):
        broken = {"policy": one.policy.value, "severity": one.severity.value}
        yield maker.make(
            USER_POLICY_VIOLATION, user_labels(organization, user) | broken, maker.now, user, words=one.policy.words
        )


def _about_user(organization: str, state: UserState, config: Config, maker: _Maker) -> Iterator[Alert]:
    labels = user_labels(organization, state.user)
    if state.failing_since is not None:
        since = state.failing_since + failing_after(config.poll)
        if since <= maker.now:
            yield maker.make(USER_POLL_FAILING, labels, since, state.user)
    if state.last_success is not None:
        since = state.last_success + stale_after(config.poll)
        if since <= maker.now:
            age = rough(maker.now - state.last_success)
            yield maker.make(USER_DATA_STALE, labels, since, state.user, age=age)


def _about_organization(
    view: OrganizationView, widened: float | None, config: Config, maker: _Maker
) -> Iterator[Alert]:
    last = view.since if view.sweep is None else view.sweep.completed_at
    since = last + stalled_after(config.poll)
    if since <= maker.now:
        yield maker.make(SWEEP_STALLED, organization_labels(view.name), since, age=rough(maker.now - last))
    if view.discovery is not None and view.discovery.up is False:
        since = (view.discovery.last_success or view.since) + undiscovered_after(config.discover_intervals)
        if since <= maker.now:
            yield maker.make(DISCOVERY_FAILING, organization_labels(view.name), since)
    if view.own_expiry is not None:
        since = view.own_expiry - config.alerting.thresholds.warning
        if since < maker.now:
            words = expiry_words(view.own_expiry, maker.now)
            yield maker.make(EXPORTER_TOKEN_EXPIRING, organization_labels(view.name), since, words=words)
    if widened is not None:
        yield maker.make(TOKEN_PERMISSIONS_WIDENED, organization_labels(view.name), widened)


def _widened(last_events: LastEvents, now: float) -> dict[str, float]:
    """The organizations where a token was granted more within the last hour, and when."""
    since: dict[str, float] = {}
    for (organization, change), at in last_events.items():
        if change in GRANTS_MORE and now < at + WIDENED_FOR:
            since[organization] = min(since.get(organization, at), at)
    return since
