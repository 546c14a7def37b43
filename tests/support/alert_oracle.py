"""All alerts of a state, evaluated from scratch each time: simple and slow. The daemon must find the same."""

from __future__ import annotations

import datetime as dt
import heapq
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec import structs

from exporter.alerts.alert import ALL_USERS, Evaluation
from exporter.alerts.conditions import Conditions
from exporter.alerts.instant import Instant
from exporter.alerts.notification import Notification, Prepared
from exporter.alerts.offences import PolicySummary
from exporter.alerts.tracker import LEASE, RESOLVED_CAPACITY, resolved_kept, subject_of
from exporter.config.alerting import PolicyAlerts
from exporter.model.kept_alert import KeptAlert
from exporter.model.severity import Severity
from exporter.model.token import token_series
from exporter.policies.base import UserPolicy, expiry
from exporter.policies.evaluate import violations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from exporter.alerts.alert import Alert, Labels, Subject
    from exporter.alerts.notification import Moment
    from exporter.alerts.tracker import Tracker
    from exporter.config.schema import Config
    from exporter.model.snapshot import OrganizationView, View
    from exporter.model.state import UserState
    from exporter.state.audit import LastEvents


def alerts(
    view: View, config: Config, refused_since: float | None, now: float, last_events: LastEvents | None = None
) -> Iterator[Alert]:
    """The alerts that fire at `now`."""
    for _, some in _by_subject(view, config, refused_since, now, last_events):
        yield from some


def evaluate(
    view: View,
    config: Config,
    refused_since: float | None,
    now: float,
    last_events: LastEvents | None,
    failed: Callable[[], None],
) -> Evaluation:
    """As `alerts`, but an exception affects only the user or organization at which it was raised."""
    found: list[Alert] = []
    unknown: set[Subject] = set()
    for subject, some in _by_subject(view, config, refused_since, now, last_events):
        try:
            found.extend(some)
        except Exception:  # noqa: BLE001 - as in the daemon
            unknown |= {subject, (subject[0], ALL_USERS)} if subject[1] else {subject}
            failed()
    return Evaluation(tuple(found), frozenset(unknown))


def _by_subject(
    view: View, config: Config, refused_since: float | None, now: float, last_events: LastEvents | None
) -> Iterator[tuple[Subject, Iterable[Alert]]]:
    conditions, at = Conditions.of(config), Instant(now)
    widened = conditions.widened(last_events or {}, now)
    for organization in view.organizations:
        name = organization.name
        yield (name, None), conditions.about_organization(organization, widened.get(name), at)
        silent_until = _silent_until(organization, config, now)
        evaluated: list[UserState] = []
        for state in organization.users:
            yield (name, state.user.user_id), _about_user(conditions, name, state, at, silent_until, evaluated)
        summaries = _summaries(name, evaluated, config, now)
        yield (name, ALL_USERS), conditions.about_all_users(name, summaries, at)
    yield (None, None), conditions.about_reload(refused_since, at)


def _about_user(
    conditions: Conditions, name: str, state: UserState, at: Instant, silent_until: float, evaluated: list[UserState]
) -> Iterator[Alert]:
    if at.now >= silent_until:
        yield from conditions.about_polls(name, state, at, silent_until)
    else:
        conditions.maker.begin(at.now)
    yield from conditions.about_tokens(name, state, at)
    evaluated.append(state)


def _silent_until(organization: OrganizationView, config: Config, now: float) -> float:
    """While no user can be polled, and for two intervals after that, no user's polls cause an alert."""
    outage, patience = organization.outage, 2 * config.poll.interval
    if outage is None:
        return 0.0
    lasted = (now if outage.ended_at is None else outage.ended_at) - outage.since
    if not outage.confirmed and lasted < patience:
        return 0.0
    return now + 1 if outage.ended_at is None else outage.ended_at + patience


def _summaries(name: str, states: list[UserState], config: Config, now: float) -> Iterator[PolicySummary]:
    """What each policy's alert says, from all violations of all users."""
    if config.alerting.policy_violations is not PolicyAlerts.PER_POLICY:
        return
    for policy in config.policies.enabled:
        rows = []
        for state in states:
            user = state.user
            mine = [
                one
                for one in violations(user, state.tokens, config.policies, now, state.unexpired_left_out)
                if one.policy is type(policy)
                and not (
                    one.token is not None
                    and any(
                        silence.active(now) and silence.matches(user, one.token) for silence in config.alerting.ignore
                    )
                )
            ]
            if not mine:
                continue
            amount = len(mine)
            if isinstance(policy, UserPolicy):
                unexpired = [one for one in state.tokens if now < expiry(one) and not policy.exempts(user, one, now)]
                amount = len(unexpired) + state.unexpired_left_out
            rows.append(
                (-amount, user.name, user.user_id, len(mine), [one.since for one in mine if one.since is not None])
            )
        if rows:
            rows.sort()
            since = [at for row in rows for at in row[4]]
            yield PolicySummary(
                type(policy),
                policy.severity,
                sum(row[3] for row in rows),
                len(rows),
                tuple((row[1], str(-row[0])) for row in rows[:5]),
                min(since, default=None),
            )
    if (summary := _not_removed(name, states, config, now)) is not None:
        yield summary


def _not_removed(name: str, states: list[UserState], config: Config, now: float) -> PolicySummary | None:
    """What the alert about tokens that are not removed says."""
    zone = ZoneInfo({one.name: one.timezone for one in config.organizations}.get(name, "UTC"))
    count, oldest = 0, []
    for state in states:
        ends = []
        reported = any(policy.name == "expired_not_removed" for policy in config.policies.enabled)
        for some in (() if reported else state.tokens, state.ssh_keys or ()):
            for one in token_series(some):
                if one.expires_at is None or one.expires_at + config.alerting.expired_for > now:
                    continue
                if any(entry.active(now) and entry.matches(state.user, one) for entry in config.alerting.ignore):
                    continue
                ends.append((one.expires_at, one.name))
        if ends:
            count += len(ends)
            oldest.append((min(ends)[0], state.user.name, state.user.user_id, min(ends)[1]))
    if not oldest:
        return None
    oldest.sort()
    worst = tuple(
        [(user, f"{token}, {dt.datetime.fromtimestamp(end, zone).date()}") for end, user, _, token in oldest[:5]]
    )
    since = oldest[0][0] + config.alerting.expired_for
    return PolicySummary(None, Severity.INFO, count, len(oldest), worst, since)


def due(
    tracker: Tracker, fire: Iterable[Alert], at: Moment, resend: float, unknown: frozenset[Subject] = frozenset()
) -> list[Notification]:
    """What a tracker sends if exactly these alerts fire, and its queue has room for everything."""
    tracker.update(Evaluation(tuple(fire), unknown), at, resend)
    return tracker.due(at, resend)


@dataclass(frozen=True, slots=True)
class _Tracked:
    notification: Notification
    # None if it has not been sent in this run.
    sent: Moment | None
    # The interval at that time: a longer one after a reload applies from the next time on.
    interval: float = 0.0

    def due(self, at: Moment, resend: float) -> bool:
        """Whether it must be sent again: after the resend interval on either clock.

        While a virtual machine is suspended, only wall-clock time goes on, as in Alertmanager. A clock that
        was set back has changed the times to send.
        """
        if self.sent is None:
            return True
        resend = min(resend, self.interval)
        passed = at.wall - self.sent.wall
        return at.monotonic - self.sent.monotonic >= resend or not 0 <= passed < resend


class FullTracker:
    """A tracker that goes through all alerts each time."""

    def __init__(self, resolved_capacity: int = RESOLVED_CAPACITY) -> None:
        self._tracked: dict[Labels, _Tracked] = {}
        self._resolved_capacity = resolved_capacity

    def restore(self, kept: Iterable[KeptAlert], at: Moment, resend: float) -> None:
        """Continue with the alerts of an earlier run; each is due at once."""
        for one in kept:
            out_of_date_at = at.monotonic
            if one.ends_at is not None:
                out_of_date_at += resolved_kept(resend) - max(0.0, at.wall - one.ends_at)
                if out_of_date_at <= at.monotonic:
                    continue
            notification = Notification(one.labels, one.annotations, one.starts_at, out_of_date_at, one.ends_at)
            self._tracked[one.labels] = _Tracked(notification, sent=None)

    def due(
        self, alerts: Iterable[Alert], at: Moment, resend: float, unknown: frozenset[Subject] = frozenset()
    ) -> list[Notification]:
        """The notifications to send now: of new alerts, of alerts due again, of resolved alerts.

        Args:
            alerts: all alerts that fire; of two with the same labels the first counts.
            at: the current time.
            resend: seconds after which an alert is sent again.
            unknown: the subjects that could not be evaluated; their firing alerts keep firing unchanged.
        """
        firing: dict[Labels, Alert] = {}
        for alert in alerts:
            firing.setdefault(alert.labels, alert)
        due = [notification for alert in firing.values() if (notification := self._fire(alert, at, resend)) is not None]
        for labels in [labels for labels in self._tracked if labels not in firing]:
            step = self._renew if self._held(labels, unknown) else self._end
            if (notification := step(labels, at, resend)) is not None:
                due.append(notification)
        self._forget_surplus()
        return due

    @property
    def firing(self) -> list[Notification]:
        """The alerts that are firing."""
        return [tracked.notification for tracked in self._tracked.values() if tracked.notification.firing]

    @property
    def kept(self) -> tuple[KeptAlert, ...]:
        """The alerts to keep over a restart: firing ones, and resolved ones that are still sent."""
        notifications = (tracked.notification for tracked in self._tracked.values())
        return tuple(KeptAlert(one.labels, one.annotations, one.starts_at, one.ends_at) for one in notifications)

    def _fire(self, alert: Alert, at: Moment, resend: float) -> Notification | None:
        before = self._tracked.get(alert.labels)
        starts_at = alert.since
        if before is not None:
            if before.notification.ends_at is not None:
                # It fires again: a new alert, which must not start before the previous one ended.
                starts_at = max(alert.since, before.notification.ends_at)
            elif before.due(at, resend):
                starts_at = before.notification.starts_at
            else:
                newer = structs.replace(before.notification, annotations=alert.annotations, prepared=Prepared())
                self._tracked[alert.labels] = replace(before, notification=newer)
                return None
        return self._send(alert.labels, alert.annotations, starts_at, at, resend)

    def _renew(self, labels: Labels, at: Moment, resend: float) -> Notification | None:
        before = self._tracked[labels]
        if not before.due(at, resend):
            return None
        return self._send(labels, before.notification.annotations, before.notification.starts_at, at, resend)

    def _send(self, labels: Labels, annotations: Labels, starts_at: float, at: Moment, resend: float) -> Notification:
        notification = Notification(labels, annotations, min(starts_at, at.wall), at.monotonic + LEASE * resend)
        self._tracked[labels] = _Tracked(notification, at, resend)
        return notification

    def _end(self, labels: Labels, at: Moment, resend: float) -> Notification | None:
        before = self._tracked[labels]
        ends_at = before.notification.ends_at
        if ends_at is None:
            until = at.monotonic + resolved_kept(resend)
            notification = structs.replace(before.notification, ends_at=at.wall, out_of_date_at=until)
        elif before.notification.out_of_date(at):
            del self._tracked[labels]
            return None
        elif before.due(at, resend):
            notification = structs.replace(before.notification, ends_at=min(ends_at, at.wall))
        else:
            return None
        self._tracked[labels] = _Tracked(notification, at, resend)
        return notification

    def _held(self, labels: Labels, unknown: frozenset[Subject]) -> bool:
        return bool(unknown) and self._tracked[labels].notification.firing and subject_of(dict(labels)) in unknown

    def _forget_surplus(self) -> None:
        resolved = [
            (tracked.notification.out_of_date_at, labels)
            for labels, tracked in self._tracked.items()
            if not tracked.notification.firing
        ]
        for _, labels in heapq.nsmallest(len(resolved) - self._resolved_capacity, resolved):
            del self._tracked[labels]
