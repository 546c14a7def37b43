from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING

from support.builders import NOW, a_failure, a_token
from support.updates import calls

from exporter.model.snapshot import Discovery, Sweep, SweepResult
from exporter.model.state import UserState
from exporter.model.user import User
from exporter.state.delivery import Changed, OrganizationRemoved, UsersRemoved
from exporter.state.ledger import Ledger, Recorder
from exporter.state.store import Store

if TYPE_CHECKING:
    import pytest

    from exporter.state.delivery import Update

LI, WANG = User("1", "li.wei"), User("2", "wang.fang")


def test_who_is_gone_is_forgotten_and_who_stays_keeps_what_is_known() -> None:
    ledger = Ledger("acme", [LI, WANG])
    ledger.succeeded("1", (a_token(),), NOW)
    ledger.watch([User("1", "li.wei.new")])
    (state,) = ledger.view().users
    assert (state.user.name, state.tokens, state.last_success) == ("li.wei.new", (a_token(),), NOW)


def test_outcomes_of_strangers_are_dropped() -> None:
    ledger = Ledger("acme", [LI])
    ledger.succeeded("7", (a_token(),), NOW)
    ledger.failed("7", a_failure(), NOW)
    assert [state.user for state in ledger.view().users] == [LI]


class Heard:
    """Stands where the daemon is told of what changes."""

    def __init__(self) -> None:
        self.changes: list[tuple[UserState, UserState]] = []

    def changed(self, organization: str, before: UserState, state: UserState) -> None:
        assert organization == "acme"
        self.changes.append((before, state))

    def swept(self, organization: str, sweep: Sweep) -> None:
        pass

    def own_token(self, organization: str, expires_at: float | None) -> None:
        pass


def test_who_listens_hears_the_state_before_and_after_until_the_ledger_is_closed() -> None:
    heard = Heard()
    ledger = Ledger("acme", [LI], publish=calls(heard))
    states = [ledger.state("1")]
    for note in (
        lambda: ledger.succeeded("1", (a_token(),), NOW),
        lambda: ledger.failed("1", a_failure(), NOW),
        lambda: ledger.all_failed(a_failure(), NOW),
    ):
        note()
        states.append(ledger.state("1"))
    assert heard.changes == list(pairwise(states))
    ledger.close()
    last = ledger.view()
    ledger.succeeded("1", (), NOW)
    ledger.failed("1", a_failure(), NOW)
    ledger.all_failed(a_failure(), NOW)
    ledger.swept(Sweep(SweepResult.SUCCESS, 1, NOW))
    assert len(heard.changes) == 3
    assert ledger.view() is last


def test_what_another_replica_polled_is_no_change_here() -> None:
    heard = Heard()
    ledger = Ledger("acme", [LI], publish=calls(heard))
    ledger.succeeded("1", (a_token(),), NOW)
    elsewhere = ledger.view().users[0].succeeded((), NOW + 60)
    ledger.take(elsewhere)
    assert ledger.state("1") == elsewhere
    assert heard.changes[1:] == [(elsewhere, elsewhere)]
    ledger.take(elsewhere.succeeded((a_token(),), NOW + 30))  # older than what is known
    assert ledger.state("1") == elsewhere


def test_what_a_closed_recorder_recorded_last_is_not_found_again() -> None:
    heard = Heard()
    ledger = Ledger("acme", [LI, WANG], publish=calls(heard))
    old, new = Recorder(ledger), Recorder(ledger)
    old.succeeded("1", (a_token(),), NOW)
    old.swept(Sweep(SweepResult.PARTIAL, 1, NOW))
    old.close()
    new.watch([User("1", "renamed"), User("3", "x")])
    state, newcomer = new.view().users
    assert (state.user.name, state.tokens, newcomer.polled) == ("renamed", (a_token(),), False)
    assert new.view().sweep == Sweep(SweepResult.PARTIAL, 1, NOW)
    new.succeeded("1", (a_token(),), NOW)
    before, after = heard.changes[-1]
    assert before.tokens == after.tokens


def test_a_view_does_not_change_afterwards() -> None:
    ledger = Ledger("acme", [LI])
    before = ledger.view()
    ledger.succeeded("1", (a_token(),), NOW)
    assert before.users[0].tokens == ()


def test_a_view_stays_the_same_object_until_something_is_noted() -> None:
    ledger = Ledger("acme", [LI])
    seen = [ledger.view()]
    for note in (
        lambda: ledger.succeeded("1", (a_token(),), NOW),
        lambda: ledger.failed("1", a_failure(), NOW),
        lambda: ledger.all_failed(a_failure(), NOW),
        lambda: ledger.swept(Sweep(SweepResult.SUCCESS, 1, NOW)),
        lambda: ledger.watch([LI, WANG]),
    ):
        ledger.failed("7", a_failure(), NOW)
        assert ledger.view() is seen[-1]
        note()
        assert all(ledger.view() is not view for view in seen)
        seen.append(ledger.view())
    assert [len(view.users) for view in seen] == [1, 1, 1, 1, 1, 2]


def test_a_reload_keeps_what_is_known_and_ignores_the_old_ledger_from_then_on() -> None:
    store = Store()
    old = Ledger("acme", [LI, WANG])
    old.succeeded("1", (a_token(),), NOW)
    store.replace([old])
    new = Ledger("acme", [LI], known=old.view())
    store.replace([new])
    old.succeeded("1", (), NOW + 1)
    assert store.view().organizations[0].users[0].tokens == (a_token(),)


def test_ready_once_each_organization_has_been_swept() -> None:
    store = Store()
    first, second = Ledger("a", []), Ledger("b", [])
    store.replace([first, second])
    first.swept(Sweep(SweepResult.FAILED, 1, NOW))
    assert not store.view().ready
    second.swept(Sweep(SweepResult.SUCCESS, 1, NOW))
    assert store.view().ready


def test_where_users_are_discovered_it_is_ready_once_there_is_a_list() -> None:
    ledger = Ledger("a", [])
    ledger.discovered(Discovery(up=False))
    ledger.swept(Sweep(SweepResult.SUCCESS, 1, NOW))
    assert not ledger.view().ready
    ledger.discovered(Discovery(up=True, last_success=NOW, users=0))
    assert ledger.view().ready


class Published:
    """Keeps what a ledger publishes."""

    def __init__(self) -> None:
        self.updates: list[Update] = []

    def __call__(self, update: Update) -> None:
        self.updates.append(update)

    def taken(self) -> list[Update]:
        updates, self.updates = self.updates, []
        return updates


def test_users_who_are_removed_are_published_and_those_who_stay_are_not() -> None:
    published = Published()
    ledger = Ledger("acme", [LI, WANG], publish=published)
    assert published.taken() == []
    ledger.watch([WANG, User("3", "x")])
    assert published.taken() == [UsersRemoved("acme", ("1",))]
    ledger.watch([WANG, User("3", "x")])
    assert published.taken() == []


def test_users_of_an_earlier_run_who_are_not_watched_any_more_are_published_as_removed() -> None:
    published = Published()
    earlier = Ledger("acme", [LI, WANG])
    ledger = Ledger("acme", [WANG], earlier.view(), publish=published)
    assert published.taken() == []
    ledger.publish_pending()
    assert published.taken() == [UsersRemoved("acme", ("1",))]


def test_the_removal_of_the_organization_is_the_last_that_is_published() -> None:
    published = Published()
    ledger = Ledger("acme", [LI], publish=published)
    ledger.succeeded("1", (), NOW)
    ledger.remove()
    ledger.remove()
    ledger.succeeded("1", (a_token(),), NOW)
    ledger.failed("1", a_failure(), NOW)
    ledger.all_failed(a_failure(), NOW)
    ledger.swept(Sweep(SweepResult.SUCCESS, 1, NOW))
    ledger.own_token(NOW)
    ledger.watch(())
    ledger.take(UserState(LI).succeeded((a_token(),), NOW + 60))
    ledger.take_sweep(Sweep(SweepResult.SUCCESS, 1, NOW + 60))
    assert [type(update) for update in published.taken()] == [Changed, OrganizationRemoved]


def test_nothing_comes_through_a_closed_recorder() -> None:
    published = Published()
    ledger = Ledger("acme", [LI], publish=published)
    recorder = Recorder(ledger)
    recorder.close()
    before = ledger.view()
    recorder.succeeded("1", (a_token(),), NOW)
    recorder.failed("1", a_failure(), NOW)
    recorder.all_failed(a_failure(), NOW)
    recorder.swept(Sweep(SweepResult.SUCCESS, 1, NOW))
    recorder.discovered(Discovery(up=True, users=0))
    recorder.own_token(NOW)
    recorder.watch(())
    assert ledger.view() is before
    assert published.taken() == []


def test_a_poll_that_finds_nothing_new_keeps_the_very_same_tokens() -> None:
    ledger = Ledger("acme", [LI])
    ledger.succeeded("1", (a_token(), a_token("pt-2")), NOW)
    kept = ledger.view().users[0].tokens
    ledger.succeeded("1", (a_token(), a_token("pt-2")), NOW + 60)
    state = ledger.view().users[0]
    assert state.tokens is kept
    assert state.last_success == NOW + 60


def test_what_replicas_report_of_unwatched_users_is_bounded_and_can_be_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.state.ledger._MOST_ELSEWHERE", 3)
    store, ledger = Store(), Ledger("acme", [LI])
    store.replace([ledger])
    for number in range(5):
        store.take_state("acme", UserState(User(f"x{number}", "x")))
    assert list(ledger._elsewhere) == ["x2", "x3", "x4"]
    store.forget_unwatched("acme", ["x3", "nobody"])
    assert list(ledger._elsewhere) == ["x2", "x4"]
    store.forget_unwatched("globex")
    assert list(ledger._elsewhere) == ["x2", "x4"]
    store.forget_unwatched()
    assert list(ledger._elsewhere) == []


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


def test_polls_from_many_threads_reach_the_listeners_in_the_ledgers_order() -> None:
    users = [User(str(number), "x") for number in range(4)]
    published = Published()
    ledger = Ledger("acme", users, publish=published)

    def poll(number: int) -> None:
        for turn in range(100):
            if number == 0 and turn % 10 == 0:
                ledger.all_failed(a_failure(), NOW)
            ledger.succeeded(str(turn % 4), (a_token(f"pt-{number}-{turn}"),), NOW)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(poll, range(4)))
    last: dict[str, UserState] = {user.user_id: UserState(user) for user in users}
    for update in published.updates:
        assert isinstance(update, Changed)
        # Each change begins with the state that the one before ended with: so none was overtaken.
        assert update.before is last.get(update.after.user.user_id) or not update.before.polled
        last[update.after.user.user_id] = update.after
    assert last == {state.user.user_id: state for state in ledger.view().users}
    assert len(published.updates) == 400 + 10 * 4


def test_a_reload_keeps_sweep_start_and_the_expiry_of_the_exporters_own_token() -> None:
    old = Ledger("acme", [LI], since=NOW - 60)
    old.swept(Sweep(SweepResult.SUCCESS, 1, NOW))
    old.own_token(NOW + 900)
    new = Ledger("acme", [LI], old.view(), since=NOW).view()
    assert (new.sweep, new.since, new.own_expiry) == (Sweep(SweepResult.SUCCESS, 1, NOW), NOW - 60, NOW + 900)


def test_what_another_replica_polled_is_seen_by_readers_at_once_under_the_name_configured_here() -> None:
    ledger = Ledger("acme", [LI, WANG])
    assert ledger.view().users[0].last_success is None  # readers have a view
    ledger.take(UserState(User("1", "name there")).succeeded((a_token(),), NOW))
    (state, _) = ledger.view().users
    assert (state.user, state.tokens, state.last_success) == (LI, (a_token(),), NOW)
    ledger.take_sweep(Sweep(SweepResult.SUCCESS, 1, NOW))
    assert ledger.view().sweep == Sweep(SweepResult.SUCCESS, 1, NOW)
    ledger.take_sweep(Sweep(SweepResult.FAILED, 1, NOW - 1))  # an older one
    assert ledger.view().sweep == Sweep(SweepResult.SUCCESS, 1, NOW)


def test_every_recorded_change_is_seen_by_readers_at_once() -> None:
    ledger = Ledger("acme", [LI])
    ledger.view()
    ledger.own_token(NOW)
    assert ledger.view().own_expiry == NOW
    ledger.discovered(Discovery(up=True, users=1))
    assert ledger.view().discovery == Discovery(up=True, users=1)


def test_a_failure_of_all_users_does_not_count_as_one_of_any_user() -> None:
    ledger = Ledger("acme", [LI, WANG])
    ledger.failed("1", a_failure(), NOW)
    for _ in range(5):
        ledger.all_failed(a_failure(), NOW + 1)
    assert [state.failures for state in ledger.view().users] == [1, 0]
    assert [state.failing_since for state in ledger.view().users] == [NOW, NOW + 1]
