"""Evaluates the conditions on the stored state; counts and logs what cannot be evaluated."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import structlog

from exporter.alerts.alert import ALL_USERS, Evaluation
from exporter.alerts.conditions import Conditions
from exporter.alerts.instant import Instant
from exporter.alerts.user_alerts import Difference, UserAlerts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.alerts.alert import Alert, Subject
    from exporter.config.schema import Config
    from exporter.model.snapshot import View
    from exporter.state.audit import LastEvents
    from exporter.state.store import Store

_log = structlog.get_logger(__name__)


class _Progress:
    """What one configuration has found so far, up to the time of the last evaluation.

    Attributes:
        config: the configuration.
        now: epoch seconds of the last evaluation.
        number: its number.
        unknown: the subjects that could not be evaluated in it.
    """

    def __init__(self, config: Config, failed: Callable[[], None]) -> None:
        self.config = config
        self.now = -math.inf
        self.number: int | None = None
        self.unknown: frozenset[Subject] = frozenset()
        self._conditions = Conditions.of(config)
        self._failed = failed
        self._users: dict[str, UserAlerts] = {}
        self._others: dict[Subject, tuple[Alert, ...]] = {}

    def advance(
        self, view: View, refused_since: float | None, now: float, last_events: LastEvents, difference: Difference
    ) -> None:
        """Evaluate what has changed; the arguments are those of `Conditions`."""
        at = Instant(now)
        self.now = now
        unknown: set[Subject] = set()
        widened = self._conditions.widened(last_events, now)
        others: dict[Subject, Iterator[Alert]] = {}
        for organization in view.organizations:
            name = organization.name
            if (users := self._users.get(name)) is None:
                users = self._users[name] = UserAlerts(name, self._conditions, self._failed)
            silent_until = self._conditions.polls_silent_until(organization, now)
            users.advance(organization.users, now, difference, silent_until)
            unknown.update((name, user_id) for user_id in users.unknown)
            if users.unknown:
                unknown.add((name, ALL_USERS))
            others[name, None] = self._conditions.about_organization(organization, widened.get(name), at)
            others[name, ALL_USERS] = self._conditions.about_all_users(name, users.tally.summaries(), at)
        others[None, None] = self._conditions.about_reload(refused_since, at)
        for name in self._users.keys() - {organization.name for organization in view.organizations}:
            self._users.pop(name).remove_all(difference)
        for subject in self._others.keys() - others.keys():
            difference.replace(self._others.pop(subject), ())
        for subject, alerts in others.items():
            found: list[Alert] = []
            try:
                found.extend(alerts)
            except Exception:  # noqa: BLE001 - a defect with one organization must not stop the alerts about others; counted
                self._failed()
                unknown.add(subject)
            self._others[subject] = difference.replace(self._others.get(subject, ()), found)
        self.unknown = frozenset(unknown)

    def alerts(self) -> Iterator[Alert]:
        """All alerts that fire."""
        for name, users in self._users.items():
            yield from self._others[name, None]
            yield from self._others[name, ALL_USERS]
            yield from users.alerts()
        yield from self._others[None, None]


class Evaluator:
    """Finds the alerts that fire. One thread at a time.

    An evaluation is about the users that have changed since the last one and those for which a point in time has come,
    such as an expiry. Organizations are few and evaluated each time. All users are evaluated with a new configuration,
    and after the clock was set back.

    Args:
        store: the state that the alerts are about.
        refused_since: since when reloads have been refused, in epoch seconds; None if the last one succeeded.
        last_events: when each change of tokens was last seen, by organization and change.
        internal_error: counts defects by place.
    """

    def __init__(
        self,
        store: Store,
        refused_since: Callable[[], float | None],
        last_events: Callable[[], LastEvents],
        internal_error: Callable[[str], None],
    ) -> None:
        self._store = store
        self._refused_since = refused_since
        self._last_events = last_events
        self._internal_error = internal_error
        self._numbers = itertools.count(1)
        self._failures = 0
        self._progress: _Progress | None = None

    def forget(self) -> None:
        """Free the memory. The next evaluation is about all users."""
        self._progress = None

    def evaluate(self, config: Config, now: float, applied: int | None = None) -> Evaluation:
        """The alerts that fire, or what has changed since the last evaluation.

        Args:
            config: the current configuration.
            now: epoch seconds.
            applied: the number of the last evaluation whose result was used. If a later one was not, or if something
                could not be evaluated, the result is complete.
        """
        # Not kept if an unexpected exception is raised below: the next evaluation then starts afresh.
        progress, self._progress = self._progress, None
        if progress is None or progress.config is not config or now < progress.now:
            progress = _Progress(config, self._failed)
        was_complete = progress.number is not None and progress.number == applied and not progress.unknown
        difference = Difference()
        self._failures = 0
        progress.advance(self._store.view(), self._refused_since(), now, self._last_events(), difference)
        progress.number = next(self._numbers)
        self._progress = progress
        if self._failures > 1:
            _log.error("alerts cannot be evaluated and stay as they were", users_or_organizations=self._failures)
        if was_complete and not progress.unknown:
            return Evaluation(
                tuple(difference.raised), complete=False, ended=tuple(difference.ended), number=progress.number
            )
        return Evaluation(tuple(progress.alerts()), progress.unknown, number=progress.number)

    def _failed(self) -> None:
        self._failures += 1
        self._internal_error("alerts")
        if self._failures == 1:
            _log.exception("the alerts of a user or organization cannot be evaluated and stay as they were")
