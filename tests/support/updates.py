"""Takes what ledgers publish apart, for tests that look at one kind of update."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from exporter.state.delivery import Changed, OwnExpiryChanged, Swept

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.snapshot import Sweep
    from exporter.model.state import UserState
    from exporter.state.delivery import Update


class Observer(Protocol):
    def changed(self, organization: str, before: UserState, state: UserState) -> None: ...

    def swept(self, organization: str, sweep: Sweep) -> None: ...

    def own_token(self, organization: str, expires_at: float | None) -> None: ...


def calls(observer: Observer) -> Callable[[Update], None]:
    """For a ledger's `publish`: each kind of update calls a method."""

    def publish(update: Update) -> None:
        match update:
            case Changed():
                observer.changed(update.organization, update.before, update.after)
            case Swept():
                observer.swept(update.organization, update.sweep)
            case OwnExpiryChanged():
                observer.own_token(update.organization, update.expires_at)
            case _:
                pass

    return publish
