"""The ledgers in force, and a consistent snapshot of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.model.state import UserState
    from exporter.state.ledger import Ledger

from exporter.model.snapshot import Sweep, View


class Store:
    """The ledgers in force. A reload replaces them all at once; those of organizations that stay are the same ones."""

    def __init__(self) -> None:
        self._ledgers: tuple[Ledger, ...] = ()

    def replace(self, ledgers: Iterable[Ledger]) -> None:
        """Put other ledgers in force."""
        self._ledgers = tuple(ledgers)

    def take_state(self, organization: str, state: UserState, *, always: bool = False) -> None:
        """Take over what another replica knows of a user; `Ledger.take` says when."""
        for ledger in self._ledgers:
            if ledger.name == organization:
                ledger.take(state, always=always)

    def forget_unwatched(self, organization: str | None = None, user_ids: Iterable[str] | None = None) -> None:
        """Drop what was taken over about users who are not watched (yet); None stands for all."""
        for ledger in self._ledgers:
            if organization in {None, ledger.name}:
                ledger.forget_unwatched(user_ids)

    def take_sweep(self, organization: str, sweep: Sweep, *, always: bool = False) -> None:
        """Take over another replica's sweep; `Ledger.take_sweep` says when."""
        for ledger in self._ledgers:
            if ledger.name == organization:
                ledger.take_sweep(sweep, always=always)

    def view(self) -> View:
        """All organizations at this moment."""
        return View(tuple(ledger.view() for ledger in self._ledgers))
