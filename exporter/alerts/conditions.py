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
    EXPORTER_TOKEN_EXPIRING_CRITICAL,
    NOT_REMOVED_FORMS,
    ORGANIZATION_UNREADABLE,
    POLICY_VIOLATION,
    SWEEP_STALLED,
    TOKEN_EXPIRED,
    TOKEN_EXPIRING_CRITICAL,
    TOKEN_EXPIRING_INFO,
    TOKEN_EXPIRING_WARNING,
    TOKEN_NEVER_EXPIRES,
    TOKEN_NOT_REMOVED,
    TOKEN_PERMISSIONS_WIDENED,
    TOKEN_POLICY_VIOLATION,
    USER_DATA_STALE,
    USER_POLICY_VIOLATION,
    USER_POLL_FAILING,
    Definition,
)
from exporter.alerts.offences import Offence, offence_of_not_removed, offences_of
from exporter.alerts.thresholds import (
    WIDENED_FOR,
    failing_after,
    polls_silent_until,
    stale_after,
    stalled_after,
    undiscovered_after,
)
from exporter.common.text import printable
from exporter.config.alerting import PolicyAlerts
from exporter.model.event import GRANTS_MORE
from exporter.model.labels import SHARD, organization_labels, token_labels, user_labels
from exporter.model.not_removed import not_removed
from exporter.model.stages import Stage, stages
from exporter.model.state import Reason
from exporter.model.token import NEVER, CredentialKind, token_series
from exporter.policies.builtin import ExpiredNotRemoved, NeverExpires
from exporter.policies.evaluate import counted, next_change, violations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.alerts.instant import Instant
    from exporter.alerts.offences import PolicySummary
    from exporter.config.schema import Config
    from exporter.model.loss import Losses
    from exporter.model.not_removed import NotRemoved
    from exporter.model.snapshot import OrganizationView
    from exporter.model.state import UserState
    from exporter.model.token import Token
    from exporter.model.user import User
    from exporter.policies.evaluate import Violation
    from exporter.state.audit import LastEvents

_OF_STAGES = {
    Stage.INFO: TOKEN_EXPIRING_INFO,
    Stage.WARNING: TOKEN_EXPIRING_WARNING,
    Stage.CRITICAL: TOKEN_EXPIRING_CRITICAL,
    Stage.EXPIRED: TOKEN_EXPIRED,
    Stage.NOT_REMOVED: TOKEN_NOT_REMOVED,
}


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of one configuration. One thread at a time.

    At most one of the alerts about its stages fires for a token. A failing poll does not change the tokens last seen,
    so it resolves none of their alerts.

    Attributes:
        config: the configuration.
        maker: makes the alerts.
    """

    config: Config
    maker: AlertMaker

    @classmethod
    def of(cls, config: Config) -> Conditions:
        """The conditions of a configuration."""
        return cls(config, AlertMaker.of(config))

    def polls_silent_until(self, view: OrganizationView, now: float) -> float:
        """Until when `about_polls` raises nothing for the users of an organization, in epoch seconds."""
        return polls_silent_until(view.outage, self.config.poll, now)

    def about_polls(
        self, organization: str, state: UserState, at: Instant, silent_until: float = -NEVER
    ) -> Iterator[Alert]:
        """The alerts about the polls of a user.

        Args:
            organization: its name.
            state: the user's state.
            at: the time.
            silent_until: the result of `polls_silent_until`.
        """
        self.maker.begin(at.now)
        poll, user = self.config.poll, state.user
        if state.failing_since is not None:
            since = max(state.failing_since + failing_after(poll), silent_until)
            if at.reached(since):
                reason = Reason.INTERNAL if state.failure is None else state.failure.reason
                labels = user_labels(organization, user)
                yield self.maker.make(USER_POLL_FAILING, labels, since, user, began=state.failing_since, reason=reason)
        if state.last_success is not None:
            since = max(state.last_success + stale_after(poll), silent_until)
            if not at.reached(since):
                return
            at.words_about(state.last_success)
            labels, age = user_labels(organization, user), at.now - state.last_success
            yield self.maker.make(USER_DATA_STALE, labels, since, user, last_success=state.last_success, age=age)

    def about_tokens(self, organization: str, state: UserState, at: Instant) -> Iterator[Alert]:
        """The alerts about the tokens and SSH keys of a user. They depend on these and on the user, not on polls.

        How much time they say is left changes by itself: see `reworded`. Call `about_polls` for the same user first.
        """
        losses = self.maker.losses(organization, state)
        for token in (*token_series(state.tokens), *token_series(state.ssh_keys or ())):
            if not self._silenced(state.user, token, at):
                yield from _about_token(organization, state, token, losses, self, at)
        if self._mode is PolicyAlerts.PER_USER and (some := self._not_removed(state, at)) is not None:
            labels = user_labels(organization, state.user)
            since = some.expired_at + self.config.alerting.expired_for
            yield self.maker.make(NOT_REMOVED_FORMS[self._mode], labels, since, state.user, count=some.count)
        if self.config.policies.enabled and self._mode is not PolicyAlerts.PER_POLICY:
            yield from self._about_policies(organization, state, at)

    def reworded(self, alert: Alert, at: Instant) -> Alert:
        """An alert of `about_tokens` with the time that is left, or has passed, now; the same object if that holds."""
        words = alert.words
        if words is None or at.now < words.until:
            return alert
        return self.maker.reworded(alert, words, at.now, at.words_until(words.expires_at))

    def offences(self, organization: str, state: UserState, at: Instant) -> tuple[Offence, ...]:
        """What the alerts about all users of an organization count of one; nothing if users have alerts of their own.

        Call `about_tokens` for the same user first: it finds when a token that is not removed begins to count.
        """
        if self._mode is not PolicyAlerts.PER_POLICY:
            return ()
        found: list[Offence] = []
        if self.config.policies.enabled:
            found += offences_of(state.user, self._violations(state, at), state, self.config.policies, at.now)
        if (some := self._not_removed(state, at)) is not None:
            zone = self.maker.zone(organization)
            found.append(offence_of_not_removed(state.user, some, self.config.alerting.expired_for, zone))
        return tuple(found)

    def about_all_users(self, organization: str, summaries: Iterable[PolicySummary], at: Instant) -> Iterator[Alert]:
        """The alerts about the policies that an organization violates, one a policy, and about tokens not removed."""
        self.maker.begin(at.now)
        for one in summaries:
            labels = organization_labels(organization)
            definition = NOT_REMOVED_FORMS[self._mode]
            if one.policy is not None:
                definition = POLICY_VIOLATION
                labels |= {POLICY: one.policy.name, SEVERITY: one.severity.value}
            since = at.now if one.since is None else min(one.since, at.now)
            worst = self.maker.listed([f"{printable(name)} ({shown})" for name, shown in one.worst])
            count, users = one.violations, one.users
            yield self.maker.make(definition, labels, since, count=count, users=users, worst=worst)

    @property
    def _mode(self) -> PolicyAlerts:
        return self.config.alerting.policy_violations

    def _not_removed(self, state: UserState, at: Instant) -> NotRemoved | None:
        """The tokens and SSH keys of a user that count as not removed."""

        def counts(token: Token) -> bool:
            return not _left_to_policy(token, self.config) and not self._silenced(state.user, token, at)

        return not_removed(state, self.config.alerting.expired_for, at.now, counts)

    def about_organization(self, view: OrganizationView, widened: float | None, at: Instant) -> Iterator[Alert]:
        """The alerts about an organization as a whole.

        Args:
            view: its state; the users do not matter.
            widened: since when a token has had more permissions, in epoch seconds; None if none was granted more.
            at: the time.
        """
        self.maker.begin(at.now)
        poll, labels = self.config.poll, organization_labels(view.name)
        completed = None if view.sweep is None else view.sweep.last_completed
        last = view.since if completed is None else completed
        if at.reached(since := last + stalled_after(poll)):
            yield self.maker.make(SWEEP_STALLED, labels, since, age=at.now - last)
        if view.discovery is not None and view.discovery.up is False:
            since = (view.discovery.last_success or view.since) + undiscovered_after(self.config.discover_intervals)
            if at.reached(since):
                yield self.maker.make(DISCOVERY_FAILING, labels, since)
        yield from self._about_own_token(view, at)
        yield from self._about_outage(view, at)
        if widened is not None:
            yield self.maker.make(TOKEN_PERMISSIONS_WIDENED, labels, min(widened, at.now))

    def _about_own_token(self, view: OrganizationView, at: Instant) -> Iterator[Alert]:
        if view.own_expiry is None:
            return
        thresholds = self.config.alerting.thresholds
        critical, warning = view.own_expiry - thresholds.critical, view.own_expiry - thresholds.warning
        if at.passed(critical):
            definition, since = EXPORTER_TOKEN_EXPIRING_CRITICAL, critical
        elif at.passed(warning):
            definition, since = EXPORTER_TOKEN_EXPIRING, warning
        else:
            return
        yield self.maker.make(definition, organization_labels(view.name), since, expires=view.own_expiry)

    def _about_outage(self, view: OrganizationView, at: Instant) -> Iterator[Alert]:
        outage = view.outage
        if outage is None or outage.ended_at is not None:
            return
        since = outage.begins_to_count(failing_after(self.config.poll))
        if at.reached(since) or outage.confirmed:
            labels = organization_labels(view.name) | ({SHARD: view.shard} if view.shard else {})
            yield self.maker.make(
                ORGANIZATION_UNREADABLE,
                labels,
                min(since, at.now),
                began=outage.since,
                reason=outage.reason,
                detail=outage.message,
            )

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

    def _violations(self, state: UserState, at: Instant) -> Iterator[Violation]:
        """The violations of a user that no silence covers."""
        user, policies = state.user, self.config.policies
        at.check_again(next_change(state.tokens, policies, at.now, state.user))
        for one in violations(user, state.tokens, policies, at.now, state.unexpired_left_out):
            if one.token is None or not self._silenced(user, one.token, at):
                yield one

    def _about_policies(self, organization: str, state: UserState, at: Instant) -> Iterator[Alert]:
        user = state.user
        per_user = self._mode is PolicyAlerts.PER_USER
        of_user: dict[str, list[tuple[Violation, float]]] = {}
        for one in self._violations(state, at):
            since = at.now if one.since is None else min(one.since, at.now)
            if one.token is None or per_user:
                of_user.setdefault(one.policy.name, []).append((one, since))
                continue
            labels = token_labels(organization, user, one.token) | _policy_labels(one)
            yield self.maker.make(TOKEN_POLICY_VIOLATION, labels, since, user, one.token)
        for some in of_user.values():
            one, since = some[0][0], min(since for _, since in some)
            labels = user_labels(organization, user) | _policy_labels(one)
            if one.token is None:
                found = len(counted(user, state.tokens, self.config.policies, at.now)) + state.unexpired_left_out
                yield self.maker.make(USER_POLICY_VIOLATION, labels, since, user, found=found)
            else:
                names = [printable(each.token.name) for each, _ in some if each.token is not None]
                yield self.maker.make(USER_POLICY_VIOLATION, labels, since, user, worst=self.maker.listed(names))

    def _silenced(self, user: User, token: Token, at: Instant) -> bool:
        # The cheap check first. Only a silence that matches makes it necessary to evaluate this user again at its end.
        return any(
            entry.active(at.now) and entry.matches(user, token) and not at.reached(entry.ends_at)
            for entry in self.config.alerting.ignore
        )


def _about_token(
    organization: str, state: UserState, token: Token, losses: Losses, conditions: Conditions, at: Instant
) -> Iterator[Alert]:
    found = _stage(state.user, token, conditions.config, at)
    if found is None:
        return
    definition, since = found
    permissions, words_until = "", None
    if definition is not TOKEN_NEVER_EXPIRES:
        words_until = at.words_until(token.expires_at or 0.0)
        permissions = losses.words(token, at.now)
        # Until then a permission stays through another token.
        at.check_again(
            min((turn for other in state.tokens if (turn := other.expires_at or 0.0) > at.now), default=NEVER)
        )
    labels = token_labels(organization, state.user, token)
    yield conditions.maker.make(
        definition, labels, since, state.user, token, permissions=permissions, words_until=words_until
    )


def _stage(user: User, token: Token, config: Config, at: Instant) -> tuple[Definition, float] | None:
    """The alert about the expiry of a token, and since when; None if there is none.

    What a policy says about a token is not said again: that it never expires, or is still there after its expiry. Nor
    is what one alert says of all tokens that are not removed.
    """
    if token.expires_at == NEVER:
        if not config.alerting.never_expires or _forbidden(user, token, config, at):
            return None
        return TOKEN_NEVER_EXPIRES, min(token.created_at or at.now, at.now)
    found = None
    for stage, begin in stages(token.created_at, token.expires_at, config.alerting.expiry_thresholds(user.thresholds)):
        if not (at.reached(begin) if stage.includes_begin else at.passed(begin)):
            break
        found = stage, begin
    if found is None:
        return None
    stage, begin = found
    one_by_one = config.alerting.policy_violations is PolicyAlerts.PER_TOKEN
    if stage is Stage.NOT_REMOVED and (not one_by_one or _left_to_policy(token, config)):
        return None
    return _OF_STAGES[stage], begin


def _left_to_policy(token: Token, config: Config) -> bool:
    """Whether a policy reports the token if it is not removed. No policy is about SSH keys."""
    return token.kind is CredentialKind.TOKEN and ExpiredNotRemoved in config.policies.configured


def _forbidden(user: User, token: Token, config: Config, at: Instant) -> bool:
    """Whether the policy against tokens that never expire applies to this one. No policy is about SSH keys."""
    return token.kind is CredentialKind.TOKEN and any(
        isinstance(policy, NeverExpires) and not policy.exempts(user, token, at.now)
        for policy in config.policies.enabled
    )


def _policy_labels(violation: Violation) -> dict[str, str]:
    return {POLICY: violation.policy.name, SEVERITY: violation.severity.value}
