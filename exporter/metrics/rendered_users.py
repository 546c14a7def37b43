"""Keeps the text of every user, in chunks, and renders what has changed since the last scrape."""

from __future__ import annotations

import secrets
import zlib
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

import structlog

from exporter.metrics.chunk import Chunk
from exporter.metrics.rendering import Plan, same_holdings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from exporter.common.clock import Clock
    from exporter.config.schema import Config
    from exporter.model.snapshot import OrganizationView
    from exporter.model.state import UserState

_log = structlog.get_logger(__name__)

CHUNK_USERS = 128
"""Users of a chunk, on average at most. Fewer cost a scrape more, more cost a change more."""
_SPARSE = CHUNK_USERS // 4
"""Users of a chunk, on average, below which fewer chunks are made."""
_PENDING = 32
"""Changed users of a chunk that wait for the next scrape at most."""

_user_id = attrgetter("user.user_id")


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which users are in which chunk: those with the same hash of their id, whoever is added or removed.

    Attributes:
        ids: the users of the organization in the order of the last scrape.
        members: for each chunk, the positions of its users in this order.
        chunks: the chunks; single entries are replaced.
        pending: for each chunk, changed states by user id that are not rendered yet.
    """

    ids: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]
    chunks: list[Chunk]
    pending: list[dict[str, UserState]]

    def number(self, user_id: str) -> int:
        """The chunk of a user."""
        return _hash(user_id) % len(self.chunks)


class _Organization:
    """The chunks of one organization.

    `note` and `forget` may be called by any thread, `refresh` by one at a time. There is no lock: a chunk is a frozen
    value with the states that it was rendered from, so whatever thread replaces it last, `refresh` finds what is
    outdated.

    Args:
        name: the organization.
        plan: what to render.
        clock: the time to render for.
        internal_error: counts users that cannot be rendered.
    """

    def __init__(self, name: str, plan: Plan, clock: Clock, internal_error: Callable[[str], None]) -> None:
        self.plan = plan
        self._clock = clock
        self._internal_error = internal_error
        self._layout = _Layout((), ((),), [Chunk(name, plan)], [{}])

    def __len__(self) -> int:
        return sum(len(chunk.states) for chunk in self._layout.chunks)

    def note(self, state: UserState) -> None:
        """Record that a user's state has changed. Renders the chunk if enough of its users have changed."""
        layout = self._layout
        number = layout.number(state.user.user_id)
        pending = layout.pending[number]
        pending[state.user.user_id] = state
        if len(pending) < _PENDING:
            return
        layout.pending[number] = {}
        chunk = layout.chunks[number]
        # What depends on the outcome of polls only changes with every poll: that is left to the next scrape.
        states = [
            after if (after := pending.get(_user_id(before))) and not same_holdings(before, after) else before
            for before in chunk.states
        ]
        if any(after is not before for before, after in zip(chunk.states, states, strict=True)):
            layout.chunks[number] = chunk.updated(states, self._clock.now(), self._failed)

    def forget(self, user_ids: Iterable[str]) -> None:
        """Drop the text of these users; there may be no scrapes."""
        layout, removed = self._layout, set(user_ids)
        for number in {layout.number(user_id) for user_id in removed}:
            chunk = layout.chunks[number]
            for user_id in removed & layout.pending[number].keys():
                layout.pending[number].pop(user_id, None)
            remaining = [state for state in chunk.states if _user_id(state) not in removed]
            layout.chunks[number] = chunk.updated(remaining, self._clock.now(), self._failed)

    def refresh(self, users: Sequence[UserState], now: float) -> list[Chunk]:
        """The chunks for these states at the time ``now``; renders what is missing or outdated."""
        layout = self._arranged(users)
        current = []
        for number, members in enumerate(layout.members):
            states = [users[position] for position in members]
            chunk = layout.chunks[number]
            if not chunk.is_current(states, now):
                chunk = layout.chunks[number] = chunk.updated(states, now, self._failed)
            current.append(chunk)
        return current

    def labelled(self, chunks: Sequence[Chunk], names: tuple[str, ...]) -> list[Chunk]:
        """Chunks of `refresh`, with the users' own labels under these names."""
        kept = self._layout.chunks
        labelled = [chunk.labelled(names) for chunk in chunks]
        for number, (before, after) in enumerate(zip(chunks, labelled, strict=True)):
            if after is not before and kept[number] is before:
                kept[number] = after
        return labelled

    def _arranged(self, users: Sequence[UserState]) -> _Layout:
        """The layout for these users."""
        before, ids = self._layout, tuple(map(_user_id, users))
        if ids == before.ids:
            return before
        size = len(before.chunks)
        while len(ids) > CHUNK_USERS * size:
            size *= 2
        while size > 1 and len(ids) < _SPARSE * size:
            size //= 2
        members: list[list[int]] = [[] for _ in range(size)]
        for position, user_id in enumerate(ids):
            members[_hash(user_id) % size].append(position)
        # If their number doubles, each is divided, and both halves find their text in it.
        chunks = [before.chunks[number % len(before.chunks)] for number in range(size)]
        self._layout = _Layout(ids, tuple([tuple(one) for one in members]), chunks, [{} for _ in range(size)])
        return self._layout

    def _failed(self, organization: str, state: UserState, *, failed_before: bool, same_state: bool) -> None:
        if not failed_before or not same_state:
            self._internal_error("render")
        if not failed_before:
            _log.exception(
                "a user's series cannot be rendered and are left out until the user's state changes",
                organization=organization,
                user_id=state.user.user_id,
            )


def _hash(user_id: str) -> int:
    return zlib.crc32(user_id.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The text for a plan that is not in use yet.

    Attributes:
        plan: the plan.
        organizations: their chunks by name; taken out when they come into use.
    """

    plan: Plan
    organizations: dict[str, _Organization]


class RenderedUsers:
    """Keeps the text of every user.

    `update` and `forget` may be called by any thread at any time, `prepare` by one at a time, and all else by one at a
    time.

    Args:
        clock: the time to render for.
        internal_error: counts users that cannot be rendered.
    """

    def __init__(self, clock: Clock, internal_error: Callable[[str], None]) -> None:
        self._clock = clock
        self._internal_error = internal_error
        self.source = secrets.token_hex(4)
        """Identifies this process in entries for alert rules."""
        self._plan: Plan | None = None
        self._prepared: _Prepared | None = None
        # Not guarded: entries are replaced or dropped as a whole.
        self._organizations: dict[str, _Organization] = {}

    def __len__(self) -> int:
        return sum(len(one) for one in self._organizations.copy().values())

    def plan_for(self, config: Config) -> Plan:
        """The plan for a configuration: the same object until something changes."""
        if self._plan is None or not self._plan.matches(config):
            prepared = self._prepared
            self._plan = (
                prepared.plan if prepared is not None and prepared.plan.matches(config) else self._new_plan(config)
            )
        return self._plan

    def _new_plan(self, config: Config) -> Plan:
        return Plan.of(config, self.source)

    def prepare(self, config: Config, organizations: Iterable[OrganizationView], now: float) -> None:
        """Render users for a configuration that may come into effect, without touching what is in use.

        Args:
            config: the configuration.
            organizations: its organizations as they are now.
            now: epoch seconds.
        """
        self._prepared = None
        if self._plan is None or self._plan.matches(config):
            return
        plan, prepared = self._new_plan(config), {}
        for view in organizations:
            prepared[view.name] = organization = self._new_organization(view.name, plan)
            organization.refresh(view.users, now)
        self._prepared = _Prepared(plan, prepared)

    def _new_organization(self, name: str, plan: Plan) -> _Organization:
        prepared = self._prepared
        found = prepared.organizations.pop(name, None) if prepared is not None and prepared.plan is plan else None
        return _Organization(name, plan, self._clock, self._internal_error) if found is None else found

    def update(self, organization: str, state: UserState) -> None:
        """Record that a user's state has changed; renders it now and then, so that the next scrape has little to do."""
        if (found := self._organizations.get(organization)) is not None:
            found.note(state)

    def forget(self, organization: str, user_ids: Iterable[str] | None = None) -> None:
        """Drop the text of these users, or of all users of an organization."""
        if user_ids is None:
            self._organizations.pop(organization, None)
        elif (found := self._organizations.get(organization)) is not None:
            found.forget(user_ids)

    def current(self, organizations: Iterable[OrganizationView], plan: Plan, now: float) -> list[Chunk]:
        """The text of all users at the time ``now``; renders what is missing or outdated and drops removed users."""
        current: list[tuple[_Organization, list[Chunk]]] = []
        names = set()
        for view in organizations:
            names.add(view.name)
            found = self._organizations.get(view.name)
            if found is None or found.plan is not plan:
                found = self._organizations[view.name] = self._new_organization(view.name, plan)
            current.append((found, found.refresh(view.users, now)))
        for name in self._organizations.keys() - names:
            self._organizations.pop(name, None)
        if (prepared := self._prepared) is not None and prepared.plan is plan:
            self._prepared = None
        labels = tuple(sorted({label for _, chunks in current for chunk in chunks for label in chunk.label_names}))
        return [chunk for one, chunks in current for chunk in one.labelled(chunks, labels)]
