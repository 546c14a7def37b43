from __future__ import annotations

from itertools import pairwise

from support.builders import NOW, a_failure, a_token
from support.updates import calls

from exporter.model import User, UserState
from exporter.store import Discovery, Ledger, Recorder, Store, Sweep, SweepResult

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
