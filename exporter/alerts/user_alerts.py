"""The alerts about the users of one organization, evaluated again only when a user changes or time has an effect."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import compress
from operator import is_not
from typing import TYPE_CHECKING

from exporter.alerts.instant import Instant
from exporter.alerts.offences import Tally
from exporter.common.turns import give_way
from exporter.model.token import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from exporter.alerts.alert import Alert, Labels
    from exporter.alerts.conditions import Conditions
    from exporter.alerts.offences import Offence
    from exporter.model.state import UserState

_FEW = 1000
_TURN = 8
"""Users that are evaluated in one turn: less than half a millisecond. Giving way takes as long as evaluating one."""


@dataclass(slots=True)
class Difference:
    """What an evaluation has changed.

    Attributes:
        raised: alerts that are new, or have other annotations.
        ended: the labels of alerts that no longer fire.
    """

    raised: list[Alert] = field(default_factory=list)
    ended: list[Labels] = field(default_factory=list)

    def replace(self, before: tuple[Alert, ...], after: Iterable[Alert]) -> tuple[Alert, ...]:
        """Record the difference between two results for the same user or organization.

        Returns:
            The result after it, with the same objects for alerts that are unchanged.
        """
        fired = {alert.labels: alert for alert in before}
        found: dict[Labels, Alert] = {}
        for alert in after:
            if alert.labels in found:
                continue
            known = fired.pop(alert.labels, None)
            if known is not None and known.annotations == alert.annotations:
                found[alert.labels] = known
            else:
                found[alert.labels] = alert
                self.raised.append(alert)
        self.ended.extend(fired)
        return tuple(found.values())


class _Known:
    """What is known about one user.

    Attributes:
        state: the state that was evaluated; None before the first time, and once the user has been removed.
        alerts: the alerts that it raises.
        about_polls: how many of them, the first ones, are about polls.
        offences: what the alerts about policies count of the user.
        tokens_until: until when time alone does not change those about tokens, but for their words, in epoch seconds.
        until: until when time alone changes nothing.
        queued: when the entry in the queue is due; `NEVER` if it has none. Never later than `until`.
    """

    __slots__ = ("about_polls", "alerts", "offences", "queued", "state", "tokens_until", "until")

    def __init__(self) -> None:
        self.state: UserState | None = None
        self.alerts: tuple[Alert, ...] = ()
        self.about_polls = 0
        self.offences: tuple[Offence, ...] = ()
        self.tokens_until = self.until = -NEVER
        self.queued = NEVER

    def __lt__(self, other: _Known) -> bool:
        """Any order will do among entries of the queue with the same time."""
        return self.queued < other.queued


class UserAlerts:
    """Keeps what each user of an organization raises and when that changes by itself. One thread at a time.

    Time may not go backwards from one call to the next.

    Args:
        organization: the name.
        conditions: the conditions to evaluate.
        failed: called while an exception of the conditions is handled; must count it.
    """

    def __init__(self, organization: str, conditions: Conditions, failed: Callable[[], None]) -> None:
        self._organization = organization
        self._conditions = conditions
        self._failed = failed
        self._known: dict[str, _Known] = {}
        self._seen: tuple[UserState, ...] = ()
        # A heap of times. Entries whose time is not that in `queued` are outdated.
        self._queue: list[tuple[float, _Known]] = []
        # Until when the conditions raise no alerts about polls, as of the last call.
        self._silent_until = -NEVER
        self.tally = Tally()
        """Violations of policies and tokens not removed, of all users but those that could not be evaluated."""
        self.unknown: set[str] = set()
        """The ids of the users that could not be evaluated. They are evaluated again each time."""

    def alerts(self) -> Iterator[Alert]:
        """All alerts that fire; of users that could not be evaluated those that were found."""
        for known in self._known.values():
            yield from known.alerts

    def advance(
        self, states: tuple[UserState, ...], now: float, difference: Difference, silent_until: float = -NEVER
    ) -> None:
        """Evaluate the users that have changed, that are due by time, or that could not be evaluated last time.

        Args:
            states: the states of all users; the same tuple as before if none has changed.
            now: epoch seconds.
            difference: records what has changed.
            silent_until: until when no alert about the polls of these users is raised, in epoch seconds.
        """
        due = {known.state.user.user_id: known for known in self._due(now) if known.state is not None}
        for user_id in self.unknown:
            due[user_id] = self._known[user_id]
        if silent_until != self._silent_until:
            self._silent_until = silent_until
            due |= self._known
        changed = self._changed(states, difference)
        for number, (known, state) in enumerate(self._to_evaluate(changed, due), 1):
            if number % _TURN == 0:
                # After a start there are many, and scrapes must not wait for them.
                give_way()
            self._evaluate(known, state, now, difference)
        if len(self._queue) > 2 * len(self._known) + _FEW:
            self._queue = [(known.queued, known) for known in self._known.values() if known.queued != NEVER]
            heapq.heapify(self._queue)

    def remove_all(self, difference: Difference) -> None:
        """Forget all users: their alerts end."""
        for known in self._known.values():
            difference.replace(known.alerts, ())
        self._known.clear()
        self.tally = Tally()

    def _due(self, now: float) -> Iterator[_Known]:
        """The users that must be evaluated because of the time."""
        while self._queue and self._queue[0][0] <= now:
            at, known = heapq.heappop(self._queue)
            if at != known.queued:
                continue
            known.queued = NEVER
            if known.until <= now:
                yield known
            else:
                self._enqueue(known)

    def _enqueue(self, known: _Known) -> None:
        # An entry that comes too early is cheaper than a new one after each poll.
        if known.until < known.queued:
            known.queued = known.until
            heapq.heappush(self._queue, (known.queued, known))

    def _changed(self, states: tuple[UserState, ...], difference: Difference) -> list[UserState]:
        """The states that are not those of the last call; forgets removed users.

        States are compared by identity, all in one call of C code: this takes a millisecond for 100,000 users, and no
        change can be missed.
        """
        seen, self._seen = self._seen, states
        if states is seen:
            return []
        if len(states) == len(seen):
            differs = list(map(is_not, states, seen))
            changed, before = list(compress(states, differs)), compress(seen, differs)
            if all(one.user.user_id == other.user.user_id for one, other in zip(changed, before, strict=True)):
                return changed
        # The list of users has changed.
        for user_id in self._known.keys() - {state.user.user_id for state in states}:
            known = self._known.pop(user_id)
            difference.replace(known.alerts, ())
            self.tally.replace(known.offences, ())
            known.state, known.queued = None, NEVER
            self.unknown.discard(user_id)
        known_states = {user_id: known.state for user_id, known in self._known.items()}
        return [state for state in states if known_states.get(state.user.user_id) is not state]

    def _to_evaluate(self, changed: Iterable[UserState], due: dict[str, _Known]) -> Iterator[tuple[_Known, UserState]]:
        """The users that have changed and those that are due, each once, with their current states."""
        for state in changed:
            user_id = state.user.user_id
            if (known := self._known.get(user_id)) is None:
                known = self._known[user_id] = _Known()
            due.pop(user_id, None)
            yield known, state
        for known in due.values():
            if known.state is not None:
                yield known, known.state

    def _evaluate(self, known: _Known, state: UserState, now: float, difference: Difference) -> None:
        """Evaluate one user. After a defect, the alerts found before it count, and the user is unknown."""
        before, known.state = known.state, state
        of_tokens = known.alerts[known.about_polls :]
        tokens_until = known.tokens_until
        about_polls = 0
        offences: tuple[Offence, ...] = ()
        found: list[Alert] = []
        polls, tokens = Instant(now), Instant(now)
        try:
            found.extend(self._conditions.about_polls(self._organization, state, polls, self._silent_until))
            about_polls = len(found)
            if before is not None and now < tokens_until and _same_tokens(before, state):
                found.extend([self._conditions.reworded(alert, tokens) for alert in of_tokens])
                offences = known.offences
            else:
                found.extend(self._conditions.about_tokens(self._organization, state, tokens))
                offences = self._conditions.offences(self._organization, state, tokens)
                tokens_until = tokens.until
        except Exception:  # noqa: BLE001 - a defect with one user must not stop the alerts about others; counted
            self._failed()
            self.unknown.add(state.user.user_id)
            tokens_until, polls.until = -NEVER, NEVER
        else:
            self.unknown.discard(state.user.user_id)
        known.alerts = difference.replace(known.alerts, found)
        known.about_polls = about_polls
        self.tally.replace(known.offences, offences)
        known.offences = offences
        known.tokens_until = tokens_until
        known.until = polls.until
        if state.user.user_id not in self.unknown:
            words = [alert.words.until for alert in known.alerts if alert.words is not None]
            known.until = min(polls.until, tokens_until, *words)
        self._enqueue(known)


def _same_tokens(before: UserState, after: UserState) -> bool:
    """Whether the alerts about tokens are the same. A poll without changes keeps these objects."""
    return (
        before.tokens is after.tokens
        and before.ssh_keys is after.ssh_keys
        and before.user is after.user
        and before.left_out == after.left_out
    )
