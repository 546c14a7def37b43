from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from structlog.testing import capture_logs
from support.builders import DAY, NOW, a_failure, a_key, a_token, a_user
from support.updates import calls

from exporter.model.snapshot import Discovery, Sweep, SweepResult
from exporter.model.state import UserState
from exporter.model.user import User
from exporter.state.delivery import Changed, OrganizationRemoved, UsersRemoved
from exporter.state.ledger import Ledger, Recorder
from exporter.state.store import Store

if TYPE_CHECKING:
    from exporter.state.delivery import Update


LI, WANG = User("1", "li.wei"), User("2", "wang.fang")


def test_removed_users_are_dropped_and_remaining_users_keep_their_state() -> None:
    ledger = Ledger("acme", [LI, WANG])
    ledger.succeeded("1", (a_token(),), NOW)
    ledger.watch([User("1", "li.wei.new")])
    (state,) = ledger.view().users
    assert (state.user.name, state.tokens, state.last_success) == ("li.wei.new", (a_token(),), NOW)


def test_results_for_unwatched_users_are_dropped() -> None:
    ledger = Ledger("acme", [LI])
    ledger.succeeded("7", (a_token(),), NOW)
    ledger.failed("7", a_failure(), NOW)
    assert [state.user for state in ledger.view().users] == [LI]


def test_tokens_that_have_not_changed_stay_the_same_objects() -> None:
    ledger = Ledger("acme", [LI])
    ledger.succeeded("1", (a_token(),), NOW, (a_key(),))
    (before,) = ledger.view().users
    ledger.succeeded("1", (a_token(),), NOW + 1, (a_key(),))
    # From another replica as well, which has its own objects.
    ledger.take(UserState(User("1", "li.wei")).succeeded((a_token(),), NOW + 2, ssh_keys=(a_key(),)))
    (after,) = ledger.view().users
    assert after.last_success == NOW + 2
    assert (after.user is before.user, after.tokens is before.tokens, after.ssh_keys is before.ssh_keys) == (True,) * 3
    ledger.succeeded("1", (a_token("pt-new"), a_token()), NOW + 3, (a_key("502"), a_key()))
    (changed,) = ledger.view().users
    assert changed.tokens == (a_token("pt-new"), a_token())
    assert changed.tokens[1] is before.tokens[0]


class Observed:
    """Collects the states before and after each change."""

    def __init__(self) -> None:
        self.changes: list[tuple[UserState, UserState]] = []

    def changed(self, organization: str, before: UserState, state: UserState) -> None:
        assert organization == "acme"
        self.changes.append((before, state))

    def swept(self, organization: str, sweep: Sweep) -> None:
        pass

    def own_token(self, organization: str, expires_at: float | None) -> None:
        pass


def test_changes_are_published_with_the_state_before_and_after_until_the_ledger_is_closed() -> None:
    observed = Observed()
    ledger = Ledger("acme", [LI], publish=calls(observed))
    states = [ledger.state("1")]
    for record in (
        lambda: ledger.succeeded("1", (a_token(),), NOW),
        lambda: ledger.failed("1", a_failure(), NOW),
        lambda: ledger.all_failed(a_failure(), NOW),
    ):
        record()
        states.append(ledger.state("1"))
    assert observed.changes == list(pairwise(states))
    ledger.close()
    last = ledger.view()
    ledger.succeeded("1", (), NOW)
    ledger.failed("1", a_failure(), NOW)
    ledger.all_failed(a_failure(), NOW)
    ledger.swept(Sweep(SweepResult.SUCCESS, 1, NOW))
    assert len(observed.changes) == 3
    assert ledger.view() is last


def test_the_state_from_another_replica_is_not_published_as_a_change() -> None:
    observed = Observed()
    ledger = Ledger("acme", [LI], publish=calls(observed))
    ledger.succeeded("1", (a_token(),), NOW)
    adopted = ledger.view().users[0].succeeded((), NOW + 60)
    ledger.take(adopted)
    assert ledger.state("1") == adopted
    assert observed.changes[1:] == [(adopted, adopted)]
    ledger.take(adopted.succeeded((a_token(),), NOW + 30))  # older than what is known
    assert ledger.state("1") == adopted


def test_a_new_recorder_does_not_find_the_last_change_of_a_closed_one_again() -> None:
    observed = Observed()
    ledger = Ledger("acme", [LI, WANG], publish=calls(observed))
    old, new = Recorder(ledger), Recorder(ledger)
    old.succeeded("1", (a_token(),), NOW)
    old.swept(Sweep(SweepResult.PARTIAL, 1, NOW))
    old.close()
    new.watch([User("1", "renamed"), User("3", "x")])
    state, newcomer = new.view().users
    assert (state.user.name, state.tokens, newcomer.polled) == ("renamed", (a_token(),), False)
    assert new.view().sweep == Sweep(SweepResult.PARTIAL, 1, NOW)
    new.succeeded("1", (a_token(),), NOW)
    before, after = observed.changes[-1]
    assert before.tokens == after.tokens


def test_a_snapshot_does_not_change_afterwards() -> None:
    ledger = Ledger("acme", [LI])
    before = ledger.view()
    ledger.succeeded("1", (a_token(),), NOW)
    assert before.users[0].tokens == ()


def test_a_snapshot_stays_the_same_object_until_something_changes() -> None:
    ledger = Ledger("acme", [LI])
    seen = [ledger.view()]
    for record in (
        lambda: ledger.succeeded("1", (a_token(),), NOW),
        lambda: ledger.failed("1", a_failure(), NOW),
        lambda: ledger.all_failed(a_failure(), NOW),
        lambda: ledger.swept(Sweep(SweepResult.SUCCESS, 1, NOW)),
        lambda: ledger.watch([LI, WANG]),
    ):
        ledger.failed("7", a_failure(), NOW)
        assert ledger.view() is seen[-1]
        record()
        assert all(ledger.view() is not view for view in seen)
        seen.append(ledger.view())
    assert [len(view.users) for view in seen] == [1, 1, 1, 1, 1, 2]


class Published:
    """Collects the updates that a ledger publishes."""

    def __init__(self) -> None:
        self.updates: list[Update] = []

    def __call__(self, update: Update) -> None:
        self.updates.append(update)

    def taken(self) -> list[Update]:
        updates, self.updates = self.updates, []
        return updates


def test_only_removed_users_are_published_as_removed() -> None:
    published = Published()
    ledger = Ledger("acme", [LI, WANG], publish=published)
    assert published.taken() == []
    ledger.watch([WANG, User("3", "x")])
    assert published.taken() == [UsersRemoved("acme", ("1",))]
    ledger.watch([WANG, User("3", "x")])
    assert published.taken() == []


def test_unwatched_users_of_an_earlier_run_are_published_as_removed() -> None:
    published = Published()
    earlier = Ledger("acme", [LI, WANG])
    ledger = Ledger("acme", [WANG], earlier.view(), publish=published)
    assert published.taken() == []
    ledger.publish_pending()
    assert published.taken() == [UsersRemoved("acme", ("1",))]


def test_the_users_of_an_earlier_run_are_not_kept_beside_equal_ones() -> None:
    earlier = Ledger("acme", [LI, WANG])
    earlier.succeeded(LI.user_id, (a_token(),), NOW)
    users = [replace(LI), replace(WANG, name="other")]
    ledger = Ledger("acme", users, earlier.view())
    assert all(one.user is user for one, user in zip(ledger.view().users, users, strict=True))
    assert ledger.view().users[0] == earlier.view().users[0]
    # Later lists of the same users change no state, which would have to be rendered again.
    before = ledger.view().users
    ledger.watch([replace(user) for user in users])
    assert all(one is other for one, other in zip(ledger.view().users, before, strict=True))


def test_the_removal_of_the_organization_is_the_last_update() -> None:
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


def test_a_closed_recorder_is_ignored() -> None:
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


def test_a_poll_without_changes_keeps_the_same_token_objects() -> None:
    ledger = Ledger("acme", [LI])
    ledger.succeeded("1", (a_token(), a_token("pt-2")), NOW)
    kept = ledger.view().users[0].tokens
    ledger.succeeded("1", (a_token(), a_token("pt-2")), NOW + 60)
    state = ledger.view().users[0]
    assert state.tokens is kept
    assert state.last_success == NOW + 60


def test_concurrent_polls_are_published_in_the_order_of_the_ledger() -> None:
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
        # Each change starts from the result of the previous one, so none was published out of order.
        assert update.before is last.get(update.after.user.user_id) or not update.before.polled
        last[update.after.user.user_id] = update.after
    assert last == {state.user.user_id: state for state in ledger.view().users}
    assert len(published.updates) == 400 + 10 * 4


def test_a_standby_follows_the_replica_that_polls_though_its_own_times_lie_ahead() -> None:
    # The polling replica's clock was six hours ahead and has been set right since.
    store, ledger = Store(), Ledger("acme", [LI])
    store.replace([ledger])
    ahead = UserState(LI).succeeded((a_token("pt-old"),), NOW + 21_600)
    now = UserState(LI).succeeded((a_token("pt-new"),), NOW)
    store.take_state("acme", ahead)
    store.take_sweep("acme", Sweep(SweepResult.SUCCESS, 1.0, NOW + 21_600))
    store.take_state("acme", now)
    store.take_sweep("acme", Sweep(SweepResult.SUCCESS, 1.0, NOW))
    assert ledger.view().users[0] == ahead
    store.take_state("acme", now, always=True)
    store.take_sweep("acme", Sweep(SweepResult.SUCCESS, 1.0, NOW), always=True)
    assert ledger.view().users[0] == now
    assert ledger.view().sweep == Sweep(SweepResult.SUCCESS, 1.0, NOW)


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


def test_a_token_that_an_unreadable_entry_may_be_is_kept_by_ledger_and_recorder() -> None:
    ledger = Ledger("acme", (LI,))
    ledger.succeeded("1", (a_token("a"), a_token("b")), NOW)
    with capture_logs() as lines:
        ledger.succeeded("1", (a_token("a"),), NOW + 1, unreadable=1)
        ledger.succeeded("1", (a_token("a"),), NOW + 1, unreadable=1)
    assert [(line["log_level"], line["user_id"], line["unreadable"], line["kept"]) for line in lines] == [
        ("warning", "1", 1, 1)  # once
    ]
    assert [token.token_id for token in ledger.view().users[0].tokens] == ["a", "b"]
    Recorder(ledger).succeeded("1", (a_token("b"),), NOW + 2, unreadable=2)
    assert [token.token_id for token in ledger.view().users[0].tokens] == ["b", "a"]
    Recorder(ledger).succeeded("1", (a_token("b"),), NOW + 3)
    assert [token.token_id for token in ledger.view().users[0].tokens] == ["b"]


def test_keys_are_kept_up_to_the_limit_and_as_the_same_objects() -> None:
    ledger = Ledger("acme", [a_user()], most_tokens=1)
    with capture_logs() as logs:
        ledger.succeeded("u1", (), NOW, (a_key("1", expires_in=9 * DAY), a_key("2")))
        first = ledger.state("u1")
        ledger.succeeded("u1", (), NOW + 1, (a_key("1", expires_in=9 * DAY), a_key("2")))
    (warning,) = logs
    assert warning["event"] == "a user has more SSH keys than metrics.max_tokens_per_user, the rest is not watched"
    assert (warning["ssh_keys"], warning["kept"]) == (2, 1)
    second = ledger.state("u1")
    assert first is not None
    assert second is not None
    assert first.ssh_keys == (a_key("2"),)
    assert first.ssh_keys is second.ssh_keys
