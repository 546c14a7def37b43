"""Whether any user of an organization can be polled, kept up to date with each poll."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from exporter.model.snapshot import Outage
from exporter.model.state import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.model.state import UserState

_ENOUGH = 20
"""Users in a row that fail without a success in between, from which on no user can be polled. A slow sweep may take
longer than the time after which failing polls cause alerts, and would only then have reached all users."""
_ORDER = {reason: position for position, reason in enumerate(Reason)}


class Reachability:
    """Follows the polls of one organization. Not thread-safe: its owner holds a lock.

    The work of a poll does not depend on the number of users.
    """

    def __init__(self) -> None:
        self._working = 0
        # The users whose last poll failed, and those of them that began to fail after the last success of any user,
        # with the time of the first failure.
        self._failing: set[str] = set()
        self._lately: dict[str, float] = {}
        # Whether the platform has refused the token for all users since the last success.
        self._refused = False
        self._ended: Outage | None = None

    def restart(self, states: Iterable[UserState]) -> None:
        """Begin again with these users. The end of an earlier outage stays known."""
        users = list(states)
        failing = {state.user.user_id: state for state in users if state.failure is not None}
        last = max((state.last_success for state in users if state.last_success is not None), default=0.0)
        self._working = sum(state.works for state in users)
        self._failing = set(failing)
        self._lately = {
            user_id: state.failing_since
            for user_id, state in failing.items()
            if state.failing_since is not None and state.failing_since >= last
        }
        self._refused = not self._working and (self._refused or any(state.refused_with_all for state in users))

    def replace(self, before: UserState, after: UserState, states: Mapping[str, UserState]) -> None:
        """Record that the state of a user has changed.

        Args:
            before: the state before.
            after: the state after.
            states: the states of all users before this change.
        """
        user_id = after.user.user_id
        # Another replica may have polled more than once since.
        if before.last_success != after.last_success or (after.works and not before.works):
            self._succeeded(after.last_success, states)
        self._working += after.works - before.works
        if after.failure is None:
            self._failing.discard(user_id)
            self._lately.pop(user_id, None)
        else:
            self._failing.add(user_id)
            if before.failing_since != after.failing_since and after.failing_since is not None:
                self._lately[user_id] = after.failing_since
            self._refused = self._refused or after.refused_with_all

    def refuse(self) -> None:
        """Record that the platform refuses the token, before the states of all users say so."""
        self._refused = True

    def _succeeded(self, at: float | None, states: Mapping[str, UserState]) -> None:
        if (outage := self.outage(states)) is not None and outage.ended_at is None:
            self._ended = replace(outage, ended_at=at)
        self._lately.clear()
        self._refused = False

    def outage(self, states: Mapping[str, UserState]) -> Outage | None:
        """The outage that lasts, or else the last one; None if there has been none.

        Args:
            states: the states of all users.
        """
        everyone = self._working == 0 and bool(self._failing)
        if not everyone and len(self._lately) < _ENOUGH:
            return self._ended
        failing = [states[user_id] for user_id in self._failing if user_id in states]
        since = min(self._lately.values(), default=None)
        if since is None:
            # The last user that could be polled has been removed.
            since = max((state.failing_since or 0.0 for state in failing), default=0.0)
        failures = [state.failure for state in failing if state.failure is not None]
        if not failures:
            return self._ended
        counts = Counter(failure.reason for failure in failures)
        reason = min(counts, key=lambda one: (-counts[one], _ORDER[one]))
        message = min(failure.message for failure in failures if failure.reason is reason)
        return Outage(since, reason, message, confirmed=everyone and self._refused)
