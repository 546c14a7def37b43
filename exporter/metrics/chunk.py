"""The text of some users of an organization, by family, compressed. A change of one user costs its chunk only."""

from __future__ import annotations

import functools
from array import array
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import accumulate, chain, pairwise
from operator import is_
from typing import TYPE_CHECKING, Protocol, TypeVar

from exporter.metrics.countdown import Countdown, countdown
from exporter.metrics.deflate import Segment, compressed
from exporter.metrics.policy_summary import summarized
from exporter.metrics.rendering import label_lines, label_names, render_outcome, render_user, same_holdings
from exporter.model.token import NEVER

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from exporter.metrics.families.base import UserFamily
    from exporter.metrics.policy_summary import Offences, PolicySummary
    from exporter.metrics.rendering import Plan, RenderedUser
    from exporter.model.state import UserState
    from exporter.policies.base import Policy

Value = TypeVar("Value")
_NEW = -1
"""In place of a position: the user has no text yet."""


class Failures(Protocol):
    """Reports users that cannot be rendered."""

    def __call__(self, organization: str, state: UserState, *, failed_before: bool, same_state: bool) -> None:
        """Called while the exception is handled.

        Args:
            organization: its name.
            state: the state of the user.
            failed_before: whether the user could not be rendered the last time either.
            same_state: whether that was the same state.
        """
        ...


def smallest_array(numbers: Sequence[int]) -> array[int]:
    """An array of numbers that are not negative, with as few bytes for each as all fit into."""
    largest = max(numbers, default=0)
    return array("B" if largest < 1 << 8 else "H" if largest < 1 << 16 else "I", numbers)


@dataclass(frozen=True, slots=True)
class Column:
    """The text of one family for the users of a chunk.

    Attributes:
        segment: the lines of all these users.
        lengths: for each user, the bytes of the lines. Must not be modified.
        counts: for each user, the number of lines. Must not be modified.
        series: the number of lines in total.
        countdown: the lines of the relative family that belongs to this one, if it is enabled.
    """

    segment: Segment
    lengths: array[int]
    counts: array[int]
    series: int
    countdown: Countdown | None

    @classmethod
    def of(cls, texts: Sequence[bytes], family: UserFamily, relative: UserFamily | None) -> Column:
        """A column from the text of each user.

        Args:
            texts: complete lines.
            family: their family.
            relative: the relative family that belongs to it, if it is enabled.
        """
        counts = [text.count(b"\n") for text in texts]
        text = b"".join(texts)
        return cls(
            compressed(text),
            smallest_array([len(text) for text in texts]),
            smallest_array(counts),
            sum(counts),
            None if relative is None or not text else countdown(text, family.name, relative.name),
        )

    def texts(self) -> list[bytes]:
        """The text of each user."""
        text = self.segment.text
        return [text[start:end] for start, end in pairwise(accumulate(self.lengths, initial=0))]


@dataclass(frozen=True, slots=True)
class Chunk:
    """The text of some users of an organization.

    Attributes:
        organization: its name.
        plan: what the text was rendered for.
        states: what it was rendered from.
        columns: one for each of the plan's columns.
        rendered_at: for each user, epoch seconds; the text is not used before them, in case the clock is set back.
        valid_until: for each user, epoch seconds from which the text may differ.
        polls_until: the same for the columns that depend on the outcome of polls only.
        broken: for each user, the violated policies, each once per violation.
        violations: the number of violations of each policy. Must not be modified.
        offences: for each user, the violations that count for alerts.
        summaries: these by policy; None for tokens that are not removed. Must not be modified.
        failed: the ids of users that cannot be rendered and have no lines.
        label_names: the names of the users' own labels.
        labels: the lines of `yunxiao_user_labels`, and the label names that they have; None if not rendered yet.
    """

    organization: str
    plan: Plan
    states: tuple[UserState, ...] = ()
    columns: tuple[Column, ...] = ()
    rendered_at: array[float] = field(default_factory=lambda: array("d"))
    valid_until: array[float] = field(default_factory=lambda: array("d"))
    polls_until: array[float] = field(default_factory=lambda: array("d"))
    broken: tuple[tuple[type[Policy], ...], ...] = ()
    violations: Counter[type[Policy]] = field(default_factory=Counter)
    offences: tuple[Offences, ...] = ()
    summaries: Mapping[type[Policy] | None, PolicySummary] = field(default_factory=dict)
    failed: frozenset[str] = frozenset()
    label_names: frozenset[str] = frozenset()
    labels: tuple[tuple[str, ...], Segment] | None = None

    def is_current(self, states: Sequence[UserState], now: float) -> bool:
        """Whether this is the text of these states at the time ``now``."""
        return (
            len(states) == len(self.states)
            and all(map(is_, states, self.states))
            and max(self.rendered_at, default=now) <= now < min(self.valid_until, default=NEVER)
            and now < min(self.polls_until, default=NEVER)
        )

    def updated(self, states: Sequence[UserState], now: float, failures: Failures) -> Chunk:
        """The chunk for these states at the time ``now``. Renders only what is missing, has changed or is outdated."""
        order = self._order(states)
        whole: dict[int, RenderedUser | None] = {}
        outcomes: dict[int, dict[int, bytes]] = {}
        polls_until: dict[int, float] = {}
        for position, (state, before) in enumerate(zip(states, order, strict=True)):
            if before == _NEW or not self._can_keep(before, state, now):
                whole[position] = self._rendered(state, before, now, failures)
            elif state is not self.states[before] or now >= self.polls_until[before]:
                try:
                    outcomes[position], polls_until[position] = render_outcome(self.organization, state, self.plan, now)
                except Exception:  # noqa: BLE001 - rendering the whole user fails as well, and reports it
                    whole[position] = self._rendered(state, before, now, failures)
        same_users = order == [*range(len(self.states))]
        if same_users and not whole:
            # What most polls change: the rest is kept as it is.
            next_polls, at = self.polls_until[:], self.rendered_at[:]
            for position, turn in polls_until.items():
                next_polls[position], at[position] = turn, now
            return replace(
                self,
                states=tuple(states),
                columns=self._columns(order, whole, outcomes),
                rendered_at=at,
                polls_until=next_polls,
            )
        failed = {
            state.user.user_id
            for at, state in enumerate(states)
            if (whole[at] is None if at in whole else state.user.user_id in self.failed)
        }
        results = [whole.get(at) for at in range(len(states))]
        kept = [old if at not in whole else None for at, old in enumerate(order)]
        rendered = [now if old is None or at in polls_until else self.rendered_at[old] for at, old in enumerate(kept)]
        broken = [
            self.broken[old] if old is not None else () if one is None else one.broken
            for old, one in zip(kept, results, strict=True)
        ]
        until = [
            self.valid_until[old] if old is not None else NEVER if one is None else one.valid_until
            for old, one in zip(kept, results, strict=True)
        ]
        for position, (old, one) in enumerate(zip(kept, results, strict=True)):
            if position not in polls_until:
                polls_until[position] = (
                    self.polls_until[old] if old is not None else NEVER if one is None else one.polls_until
                )
        offences = [
            self.offences[old] if old is not None else () if one is None else one.offences
            for old, one in zip(kept, results, strict=True)
        ]
        return replace(
            self,
            states=tuple(states),
            columns=self._columns(order, whole, outcomes),
            rendered_at=array("d", rendered),
            valid_until=array("d", until),
            polls_until=array("d", [polls_until[position] for position in range(len(states))]),
            offences=tuple(map(_once, offences)),
            summaries=summarized((state.user, some) for state, some in zip(states, offences, strict=True)),
            broken=tuple(map(_once, broken)),
            violations=Counter(chain.from_iterable(broken)),
            failed=frozenset(failed),
            label_names=frozenset([name for state in states if state.user.labels for name in label_names(state)]),
            labels=self.labels if self._keeps_labels(states, failed) else None,
        )

    def _order(self, states: Sequence[UserState]) -> list[int]:
        """For each state, the position of the same user here."""
        ids = [state.user.user_id for state in states]
        mine = [state.user.user_id for state in self.states]
        if ids == mine:
            return [*range(len(ids))]
        positions = {user_id: position for position, user_id in enumerate(mine)}
        return [positions.get(user_id, _NEW) for user_id in ids]

    def _can_keep(self, position: int, state: UserState, now: float) -> bool:
        """Whether the text of a user is valid for a state and time, but for what depends on the outcome of polls."""
        if not self.rendered_at[position] <= now < self.valid_until[position]:
            return False
        before = self.states[position]
        return state is before or (state.user.user_id not in self.failed and same_holdings(before, state))

    def _rendered(self, state: UserState, before: int, now: float, failures: Failures) -> RenderedUser | None:
        """Render one user; None if that fails: other users must not be affected."""
        try:
            return render_user(self.organization, state, self.plan, now)
        except Exception:  # noqa: BLE001 - one user must not fail the scrape; it is counted
            failures(
                self.organization,
                state,
                failed_before=state.user.user_id in self.failed,
                same_state=before != _NEW and self.states[before] is state,
            )
            return None

    def _columns(
        self,
        order: Sequence[int],
        whole: Mapping[int, RenderedUser | None],
        outcomes: Mapping[int, Mapping[int, bytes]],
    ) -> tuple[Column, ...]:
        same_users = list(order) == [*range(len(self.states))]
        relatives = {family.expiry: family for family in self.plan.families if family.relative}
        columns = []
        for number, family in enumerate(self.plan.columns):
            new = {position: b"" if one is None else one.lines[number] for position, one in whole.items()}
            if family.about_poll:
                new.update((position, lines[number]) for position, lines in outcomes.items())
            before = self.columns[number] if self.columns else None
            if before is not None and same_users and (not new or not (before.series or any(new.values()))):
                columns.append(before)
                continue
            old = [] if before is None else before.texts()
            texts = [new[at] if at in new else old[position] for at, position in enumerate(order)]
            columns.append(
                before
                if before is not None and texts == old
                else Column.of(texts, family, relatives.get(family.samples))
            )
        return tuple(columns)

    def _keeps_labels(self, states: Sequence[UserState], failed: Collection[str]) -> bool:
        return failed == self.failed and [one.user for one in states] == [one.user for one in self.states]

    def labelled(self, names: tuple[str, ...]) -> Chunk:
        """The chunk with the lines of `yunxiao_user_labels` with these label names; without lines if there are none."""
        if not names:
            return self if self.labels is None else replace(self, labels=None)
        if self.labels is not None and self.labels[0] == names:
            return self
        text = [
            label_lines(self.organization, state, names)
            for state in self.states
            if state.user.user_id not in self.failed
        ]
        return replace(self, labels=(names, compressed(b"".join(text))))

    def without_details(self, user_ids: Collection[str]) -> Chunk:
        """The chunk without the detail families of these users."""
        hidden = {at: b"" for at, state in enumerate(self.states) if state.user.user_id in user_ids}
        if not hidden:
            return self
        relatives = {family.expiry: family for family in self.plan.families if family.relative}
        columns = list(self.columns)
        for number, family in enumerate(self.plan.columns):
            if family.detail is not None:
                texts = [hidden.get(at, text) for at, text in enumerate(columns[number].texts())]
                columns[number] = Column.of(texts, family, relatives.get(family.samples))
        return replace(self, columns=tuple(columns))


@functools.lru_cache(maxsize=4096)
def _once(value: Value) -> Value:
    """The value, or an equal one from before: what users violate takes a few hundred different values."""
    return value
