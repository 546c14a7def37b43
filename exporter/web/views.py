"""Documents about the whole state, rendered at most once a second, without users that cannot be rendered."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from exporter.model.snapshot import View

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.common.clock import Clock
    from exporter.model.snapshot import OrganizationView
    from exporter.model.state import UserState
    from exporter.state.store import Store
    from exporter.web.refusals import Refusals

_log = structlog.get_logger(__name__)


class CachedView:
    """A document about the state, cached for a second or until the state changes. For one thread at a time.

    Args:
        store: the state.
        clock: the current time.
        refusals: counts users that cannot be rendered.
        render: makes the document from the state and the time in epoch seconds.
    """

    def __init__(self, store: Store, clock: Clock, refusals: Refusals, render: Callable[[View, float], bytes]) -> None:
        self._store = store
        self._clock = clock
        self._refusals = refusals
        self._render = render
        self._made_from: tuple[int, tuple[OrganizationView, ...]] | None = None
        self._body = b""
        # States that could not be rendered, by organization and user id; retried when the state changes.
        self._failed: dict[tuple[str, str], UserState] = {}

    def body(self) -> bytes:
        """The document."""
        now, view = self._clock.now(), self._store.view()
        if not self._is_current(int(now), view):
            self._body = self._rendered(view, now)
            self._made_from = (int(now), view.organizations)
        return self._body

    def _is_current(self, second: int, view: View) -> bool:
        # A snapshot of an organization is the same object until its state changes, so compare identities.
        return (
            self._made_from is not None
            and self._made_from[0] == second
            and len(self._made_from[1]) == len(view.organizations)
            and all(mine is theirs for mine, theirs in zip(self._made_from[1], view.organizations, strict=True))
        )

    def _rendered(self, view: View, now: float) -> bytes:
        renderable = self._without_failed(view)
        try:
            return self._render(renderable, now)
        except Exception as error:
            found = [user for one in renderable.organizations for user in self._search(one, one.users, now)]
            if not found:
                raise
            before = self._failed
            self._failed = {}
            for key, state in [*before.items(), *found]:
                self._failed[key] = state
            for key, _ in found:
                self._refusals.internal_error("render")
                if key not in before:
                    _log.error(
                        "a user cannot be rendered and is left out of the page or the API until its state changes",
                        organization=key[0],
                        user_id=key[1],
                        exc_info=error,
                    )
            return self._render(self._without_failed(view), now)

    def _without_failed(self, view: View) -> View:
        if not self._failed:
            return view
        still: dict[tuple[str, str], UserState] = {}
        organizations = []
        for one in view.organizations:
            users = []
            for state in one.users:
                key = (one.name, state.user.user_id)
                if self._failed.get(key) is state:
                    still[key] = state
                else:
                    users.append(state)
            organizations.append(one if len(users) == len(one.users) else replace(one, users=tuple(users)))
        self._failed = still
        return View(tuple(organizations))

    def _search(
        self, organization: OrganizationView, users: tuple[UserState, ...], now: float
    ) -> list[tuple[tuple[str, str], UserState]]:
        """The users that cannot be rendered, found by bisection."""
        try:
            self._render(View((replace(organization, users=users),)), now)
        except Exception:  # noqa: BLE001 - finds the users that fail; the caller counts them
            if len(users) == 1:
                return [((organization.name, users[0].user.user_id), users[0])]
            if not users:
                return []
            half = len(users) // 2
            return self._search(organization, users[:half], now) + self._search(organization, users[half:], now)
        return []
