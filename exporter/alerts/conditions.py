"""The conditions of alerts: state, configuration and time in, firing alerts out. No I/O.

Times are compared through an `Instant`, which records until when the result holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.alerts.alert import POLICY, SEVERITY, Alert, AlertMaker
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
from exporter.common.text import expiry_words, rough_duration
from exporter.model.event import GRANTS_MORE
from exporter.model.labels import organization_labels, token_labels, user_labels
from exporter.model.loss import Losses
from exporter.model.token import NEVER, token_series
from exporter.policies.evaluate import next_change, token_violations, user_violations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.alerts.instant import Instant
    from exporter.config.schema import Config
    from exporter.model.snapshot import OrganizationView
    from exporter.model.state import UserState
    from exporter.model.token import Token
    from exporter.model.user import User
    from exporter.policies.evaluate import Violation
    from exporter.state.audit import LastEvents


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of one configuration. One thread at a time.

    At most one of the alerts expired, critical and warning fires for a token. A failing poll does not change the
    tokens last seen, so it resolves none of their alerts.

    Attributes:
        config: the configuration.
        maker: makes the alerts.
    """

    config: Config
    maker: AlertMaker

    @classmethod
    def of(cls, config: Config) -> Conditions:
        """The conditions of a configuration."""
        return cls(config, AlertMaker(config.alerting))

    def about_polls(self, organization: str, state: UserState, at: Instant) -> Iterator[Alert]:
        """The alerts about the polls of a user."""
        self.maker.begin()
        poll, user = self.config.poll, state.user
        if state.failing_since is not None and at.reached(since := state.failing_since + failing_after(poll)):
            yield self.maker.make(USER_POLL_FAILING, user_labels(organization, user), since, user)
        if state.last_success is not None and at.reached(since := state.last_success + stale_after(poll)):
            at.words_about(state.last_success)
            age = rough_duration(at.now - state.last_success)
            yield self.maker.make(USER_DATA_STALE, user_labels(organization, user), since, user, age=age)

    def about_tokens(self, organization: str, state: UserState, at: Instant) -> Iterator[Alert]:
        """The alerts about the tokens and SSH keys of a user. They depend on these and on the user, not on polls.

        Call `about_polls` for the same user first.
        """
        losses = Losses(state)
        for token in (*token_series(state.tokens), *token_series(state.ssh_keys or ())):
            if not self._silenced(state.user, token, at):
                yield from _about_token(organization, state, token, losses, self, at)
        if self.config.policies.enabled:
            yield from self._about_policies(organization, state, at)

    def about_organization(self, view: OrganizationView, widened: float | None, at: Instant) -> Iterator[Alert]:
        """The alerts about an organization as a whole.

        Args:
            view: its state; the users do not matter.
            widened: since when a token has had more permissions, in epoch seconds; None if none was granted more.
            at: the time.
        """
        self.maker.begin()
        poll, labels = self.config.poll, organization_labels(view.name)
        last = view.since if view.sweep is None else view.sweep.completed_at
        if at.reached(since := last + stalled_after(poll)):
            yield self.maker.make(SWEEP_STALLED, labels, since, age=rough_duration(at.now - last))
        if view.discovery is not None and view.discovery.up is False:
            since = (view.discovery.last_success or view.since) + undiscovered_after(self.config.discover_intervals)
            if at.reached(since):
                yield self.maker.make(DISCOVERY_FAILING, labels, since)
        if view.own_expiry is not None:
            since = view.own_expiry - self.config.alerting.thresholds.warning
            if at.passed(since):
                detail = expiry_words(view.own_expiry, at.now)
                yield self.maker.make(EXPORTER_TOKEN_EXPIRING, labels, since, detail=detail)
        if widened is not None:
            yield self.maker.make(TOKEN_PERMISSIONS_WIDENED, labels, min(widened, at.now))

    def about_reload(self, refused_since: float | None, at: Instant) -> Iterator[Alert]:
        """The alert about refused reloads, since the time in epoch seconds; None if the last one succeeded."""
        if refused_since is not None:
            yield self.maker.make(CONFIG_RELOAD_FAILED, {}, min(refused_since, at.now))

    def widened(self, last_events: LastEvents, now: float) -> dict[str, float]:
        """When a token was granted more permissions, by organization, for those where that was within the last hour.

        Args:
            last_events: when each change of tokens was last seen, by organization and change.
            now: epoch seconds.
        """
        since: dict[str, float] = {}
        if not self.config.alerting.permissions_widened:
            return since
        for (organization, change), at in last_events.items():
            if change in GRANTS_MORE and now < at + WIDENED_FOR:
                since[organization] = min(since.get(organization, at), at)
        return since

    def _about_policies(self, organization: str, state: UserState, at: Instant) -> Iterator[Alert]:
        user, policies = state.user, self.config.policies
        at.check_again(next_change(state.tokens, policies, at.now))
        for one in token_violations(user, state.tokens, policies, at.now):
            if (token := one.token) is None or self._silenced(user, token, at):
                continue
            labels = token_labels(organization, user, token) | _policy_labels(one)
            since = at.now if one.since is None else min(one.since, at.now)
            yield self.maker.make(TOKEN_POLICY_VIOLATION, labels, since, user, token, detail=one.policy.words)
        for one in user_violations(user, state.tokens, policies, at.now, state.unexpired_left_out):
            labels = user_labels(organization, user) | _policy_labels(one)
            yield self.maker.make(USER_POLICY_VIOLATION, labels, at.now, user, detail=one.policy.words)

    def _silenced(self, user: User, token: Token, at: Instant) -> bool:
        # The cheap check first. Only a silence that matches makes it necessary to evaluate this user again at its end.
        return any(
            entry.active(at.now) and entry.matches(user, token) and not at.reached(entry.ends_at)
            for entry in self.config.alerting.ignore
        )


def thresholds_of(token: Token, warning: float, critical: float) -> tuple[float, float]:
    """The thresholds for one token: at most a third and a tenth of its lifetime, if that is known."""
    if token.created_at is None or token.expires_at is None or token.expires_at == NEVER:
        return warning, critical
    lifetime = token.expires_at - token.created_at
    if lifetime <= 0:
        return warning, critical
    return min(warning, lifetime / WARNING_SHARE), min(critical, lifetime / CRITICAL_SHARE)


def _about_token(
    organization: str, state: UserState, token: Token, losses: Losses, conditions: Conditions, at: Instant
) -> Iterator[Alert]:
    alerting, expires_at, user = conditions.config.alerting, token.expires_at, state.user
    permissions = ""
    if expires_at is None:
        return
    if expires_at == NEVER:
        if not alerting.never_expires:
            return
        definition: Definition = TOKEN_NEVER_EXPIRES
        since = min(token.created_at or at.now, at.now)
    else:
        warning, critical = thresholds_of(token, *alerting.effective(user.thresholds))
        if at.reached(expires_at):
            definition, since = TOKEN_EXPIRED, expires_at
        elif at.passed(expires_at - critical):
            definition, since = TOKEN_EXPIRING_CRITICAL, expires_at - critical
        elif at.passed(expires_at - warning):
            definition, since = TOKEN_EXPIRING_WARNING, expires_at - warning
        else:
            return
        at.words_about(expires_at)
        permissions = losses.words(token, at.now)
        # Until then a permission stays through another token.
        at.check_again(
            min((turn for other in state.tokens if (turn := other.expires_at or 0.0) > at.now), default=NEVER)
        )
    labels = token_labels(organization, user, token)
    detail = expiry_words(expires_at, at.now)
    yield conditions.maker.make(definition, labels, since, user, token, permissions=permissions, detail=detail)


def _policy_labels(violation: Violation) -> dict[str, str]:
    return {POLICY: violation.policy.name, SEVERITY: violation.severity.value}
