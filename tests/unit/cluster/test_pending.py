"""Which changes wait to be published, and what becomes of those that could not be."""

from __future__ import annotations

from exporter.cluster.pending import PendingChanges
from exporter.model.snapshot import Sweep, SweepResult
from exporter.model.state import UserState
from exporter.model.user import User

FIRST, SECOND = UserState(User("u1", "first")), UserState(User("u1", "second"))
SWEEP = Sweep(SweepResult.SUCCESS, 1.0, 100.0)


def publishing() -> PendingChanges:
    pending = PendingChanges()
    assert pending.set_publishing(True)
    return pending


def test_a_standby_collects_nothing() -> None:
    pending = PendingChanges()
    pending.changed(b"u1", FIRST)
    pending.swept("acme", SWEEP)
    assert pending.removed([b"u2"])
    changes = pending.take()
    assert (changes.states, changes.sweeps, changes.removed, changes.first) == ({}, {}, set(), False)


def test_only_the_first_changes_after_a_change_of_roles_are_first() -> None:
    pending = publishing()
    assert not pending.set_publishing(True)
    assert [pending.take().first, pending.take().first] == [True, False]
    pending.set_publishing(False)
    pending.set_publishing(True)
    assert pending.take().first


def test_the_last_state_counts_and_a_removal_drops_it() -> None:
    pending = publishing()
    pending.changed(b"u1", FIRST)
    pending.changed(b"u1", SECOND)
    pending.swept("acme", SWEEP)
    changes = pending.take()
    assert (changes.states, changes.sweeps) == ({b"u1": SECOND}, {"acme": SWEEP})
    pending.changed(b"u1", FIRST)
    pending.removed([b"u1"])
    changes = pending.take()
    assert (changes.states, changes.removed) == ({}, {b"u1"})


def test_what_is_put_back_gives_way_to_later_changes() -> None:
    pending = publishing()
    pending.changed(b"u1", FIRST)
    pending.changed(b"u2", FIRST)
    pending.removed([b"u3", b"u4"])
    failed = pending.take()
    pending.changed(b"u1", SECOND)
    pending.changed(b"u3", SECOND)
    pending.removed([b"u2"])
    pending.put_back(failed)
    changes = pending.take()
    assert changes.states == {b"u1": SECOND, b"u3": SECOND}
    assert changes.removed == {b"u2", b"u4"}
    assert changes.first


def test_nothing_is_put_back_after_the_role_was_lost() -> None:
    pending = publishing()
    pending.changed(b"u1", FIRST)
    failed = pending.take()
    pending.set_publishing(False)
    pending.put_back(failed)
    assert pending.take().states == {}


def test_too_many_removed_users_are_not_remembered_one_by_one() -> None:
    pending = publishing()
    assert pending.removed(str(number).encode() for number in range(10_000))
    assert not pending.removed([b"one more"])
    assert pending.take().removed == set()


def test_the_sweep_of_a_removed_organization_is_dropped() -> None:
    pending = publishing()
    pending.swept("acme", SWEEP)
    pending.organization_removed("acme")
    assert pending.take().sweeps == {}
