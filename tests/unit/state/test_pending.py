from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from support.builders import NOW

from exporter.model.event import Change, Event
from exporter.model.kept_alert import KeptAlert, KeptChanges
from exporter.model.state import UserState
from exporter.model.token import CredentialKind
from exporter.model.user import User
from exporter.state.pending import Pending


def an_event(number: int, organization: str = "acme") -> Event:
    return Event(NOW + number, organization, "1", "a", Change.CREATED, f"pt-{number}", "ci")


def a_state(number: int) -> UserState:
    return UserState(User("1", "a"), last_success=float(number), polled=True)


def test_only_the_last_thousand_events_wait_and_others_are_counted() -> None:
    pending = Pending()
    pending.add_events(an_event(number) for number in range(1200))
    assert [event.time for event in pending.events] == [NOW + number for number in range(200, 1200)]
    assert pending.dropped == 200
    # What is said of the last event of each kind is bounded by itself and survives.
    assert pending.last_events == {("acme", Change.CREATED): NOW + 1199}


def test_changes_since_a_failed_write_win_over_the_batch_put_back() -> None:
    failed, since = Pending(), Pending()
    failed.users = {("acme", "1"): a_state(1), ("acme", "2"): None}
    failed.add_events(an_event(number) for number in range(600))
    since.users = {("acme", "1"): a_state(2)}
    since.add_events(an_event(number) for number in range(600, 1100))
    since.put_back(failed)
    assert since.users == {("acme", "1"): a_state(2), ("acme", "2"): None}
    assert [event.time for event in since.events] == [NOW + number for number in range(100, 1100)]
    assert since.dropped == 100


def test_a_batch_put_back_loses_organizations_removed_since() -> None:
    failed, since = Pending(), Pending()
    failed.users = {("acme", "1"): a_state(1), ("globex", "1"): a_state(1)}
    failed.own_tokens = {"acme": NOW}
    failed.add_events([an_event(1), an_event(2, "globex")])
    since.remove_organization("acme")
    since.put_back(failed)
    assert since.users == {("globex", "1"): a_state(1)}
    assert since.own_tokens == {}
    assert list(since.events) == [an_event(2, "globex")]
    assert since.last_events == {("globex", Change.CREATED): NOW + 2}
    assert since.removed == {"acme"}


def write(batch: Pending, rows: dict[tuple[str, str], UserState]) -> None:
    """What the file does with a batch: organizations are removed first."""
    for key in [key for key in rows if key[0] in batch.removed]:
        del rows[key]
    for key, state in batch.users.items():
        if state is None:
            rows.pop(key, None)
        else:
            rows[key] = state


ORGANIZATIONS = st.sampled_from(["acme", "globex"])
STEPS = st.one_of(
    st.tuples(st.just("note"), ORGANIZATIONS, st.integers(1, 3)),
    st.tuples(st.just("remove"), ORGANIZATIONS, st.integers(1, 3)),
    st.tuples(st.just("remove organization"), ORGANIZATIONS, st.just(0)),
    st.tuples(st.just("write"), st.just(""), st.just(0)),
    st.tuples(st.just("fail"), st.just(""), st.just(0)),
)


@given(st.lists(STEPS, max_size=40))
def test_whenever_batches_are_written_or_fail_the_file_ends_as_if_each_step_had_been_written(
    steps: list[tuple[str, str, int]],
) -> None:
    expected: dict[tuple[str, str], UserState] = {}
    rows: dict[tuple[str, str], UserState] = {}
    pending = Pending()

    for number, (step, organization, user) in enumerate(steps):
        key = (organization, str(user))
        if step == "note":
            pending.users[key] = expected[key] = a_state(number)
        elif step == "remove":
            pending.users[key] = None
            expected.pop(key, None)
        elif step == "remove organization":
            pending.remove_organization(organization)
            expected = {one: state for one, state in expected.items() if one[0] != organization}
        elif step == "write":
            batch, pending = pending, Pending()
            write(batch, rows)
        else:
            batch, pending = pending, Pending()
            pending.put_back(batch)
    write(pending, rows)
    assert rows == expected


def test_the_last_events_are_those_of_tokens() -> None:
    batch = Pending()
    batch.add_events([replace(an_event(1), kind=CredentialKind.SSH_KEY)])
    assert (len(batch.events), batch.last_events) == (1, {})


def test_alerts_of_a_failed_batch_are_kept_unless_newer_changes_replace_them() -> None:
    old, new, other = (KeptAlert((("alertname", name),), (), at) for name, at in (("a", 1.0), ("a", 2.0), ("b", 1.0)))
    failed, pending = Pending(), Pending()
    failed.keep_alerts(KeptChanges((old, other), complete=True))
    pending.keep_alerts(KeptChanges((new,), (other.labels,)))
    pending.put_back(failed)
    assert (pending.alerts, pending.all_alerts) == ({new.labels: new, other.labels: None}, True)
    pending.keep_alerts(KeptChanges((other,), complete=True))
    pending.put_back(failed)
    assert (pending.alerts, pending.all_alerts) == ({other.labels: other}, True)
    assert pending
