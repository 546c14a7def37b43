"""The ledgers of all organizations, and consistent snapshots of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.model.snapshot import View

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.model.snapshot import Sweep
    from exporter.model.state import UserState
    from exporter.state.ledger import Ledger


class Store:
    """The ledgers in use. A reload replaces all at once; organizations that remain keep their ledger."""

    def __init__(self) -> None:
        self._ledgers: tuple[Ledger, ...] = ()

    def replace(self, ledgers: Iterable[Ledger]) -> None:
        """Use these ledgers from now on."""
        self._ledgers = tuple(ledgers)

    def take_state(self, organization: str, state: UserState, *, always: bool = False) -> None:
        """Adopt the state of a user from another replica; `Ledger.take` says when."""
        for ledger in self._ledgers:
            if ledger.name == organization:
                ledger.take(state, always=always)

    def forget_unwatched(self, organization: str | None = None, user_ids: Iterable[str] | None = None) -> None:
        """Drop adopted states of users that are not watched (yet); None stands for all."""
        for ledger in self._ledgers:
            if organization in {None, ledger.name}:
                ledger.forget_unwatched(user_ids)

    def take_sweep(self, organization: str, sweep: Sweep, *, always: bool = False) -> None:
        """Adopt the last sweep of another replica; `Ledger.take_sweep` says when."""
        for ledger in self._ledgers:
            if ledger.name == organization:
                ledger.take_sweep(sweep, always=always)

    def view(self) -> View:
        """A snapshot of all organizations."""
        return View(tuple(ledger.view() for ledger in self._ledgers))
