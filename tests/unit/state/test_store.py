from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from support.builders import NOW, a_failure, a_token

from exporter.model.state import UserState
from exporter.model.user import User
from exporter.state.delivery import Changed
from exporter.state.ledger import Ledger
from exporter.state.store import Store

if TYPE_CHECKING:
    import pytest

    from exporter.state.delivery import Update


LI, WANG = User("1", "li.wei"), User("2", "wang.fang")


def test_a_replaced_ledger_is_ignored_and_its_state_is_kept() -> None:
    store = Store()
    old = Ledger("acme", [LI, WANG])
    old.succeeded("1", (a_token(),), NOW)
    store.replace([old])
    new = Ledger("acme", [LI], known=old.view())
    store.replace([new])
    old.succeeded("1", (), NOW + 1)
    assert store.view().organizations[0].users[0].tokens == (a_token(),)


def test_adopted_states_of_unwatched_users_are_bounded_and_can_be_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("exporter.state.ledger._MOST_UNWATCHED", 3)
    store, ledger = Store(), Ledger("acme", [LI])
    store.replace([ledger])
    for number in range(5):
        store.take_state("acme", UserState(User(f"x{number}", "x")))
    assert list(ledger._unwatched) == ["x2", "x3", "x4"]
    store.forget_unwatched("acme", ["x3", "nobody"])
    assert list(ledger._unwatched) == ["x2", "x4"]
    store.forget_unwatched("globex")
    assert list(ledger._unwatched) == ["x2", "x4"]
    store.forget_unwatched()
    assert list(ledger._unwatched) == []


def test_readers_do_not_wait_while_the_failure_of_all_users_is_published() -> None:
    seen: list[int] = []
    store = Store()

    def read() -> None:
        seen.append(sum(state.failure is not None for state in store.view().organizations[0].users))

    def publish(update: Update) -> None:
        if isinstance(update, Changed) and int(update.after.user.user_id) % 500 == 0:
            reader = threading.Thread(target=read)
            reader.start()
            reader.join(10)

    ledger = Ledger("acme", [User(str(number), "x") for number in range(2_000)], publish=publish)
    store.replace([ledger])
    ledger.all_failed(a_failure(), NOW)
    # Portion by portion: each is seen by readers as soon as its first change is published, and not before.
    assert seen == [500, 1_000, 1_500, 2_000]
