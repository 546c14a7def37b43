from __future__ import annotations

from soak.expectations import FOREVER, Expectations


def test_a_daemon_is_affected_while_a_fault_lasts() -> None:
    expected = Expectations()
    window = expected.begin("redis", 10.0, ["a"])
    assert expected.calm_since("a", ("redis",)) == FOREVER
    assert expected.calm_since("alone", ("redis",)) == 0.0
    expected.end(window, 20.0, recovery=5.0)
    assert expected.calm_since("a", ("redis",)) == 25.0
    assert expected.calm_since("a", ("platform",)) == 0.0


def test_what_a_reload_is_about_to_add_may_be_shown_before_it_has_ended() -> None:
    expected = Expectations()
    expected.configured(frozenset({"one"}), frozenset({"u1"}), 0.0)
    expected.configuring(frozenset({"one", "two"}), frozenset({"u2"}))
    assert expected.removed_at("two") is None
    assert expected.removed_at("u2") is None
    assert expected.removed_at("u1") is None
    expected.configured(frozenset({"one", "two"}), frozenset({"u2"}), 5.0)
    assert expected.removed_at("u1") == 5.0


def test_a_daemon_must_answer_only_while_it_runs() -> None:
    expected = Expectations()
    expected.up("a", 5.0)
    expected.down("a", 10.0)
    expected.up("a", 12.0)
    assert expected.was_up("a", 6.0, 9.0)
    assert not expected.was_up("a", 6.0, 13.0)
    assert not expected.was_up("a", 10.5, 11.0)
    assert expected.up_since("a") == 12.0
    expected.down("a", 14.0)
    assert expected.up_since("a") is None


def test_removals_are_recorded_with_their_time() -> None:
    expected = Expectations()
    expected.configured(frozenset({"one", "two"}), frozenset({"u1"}), 0.0)
    expected.configured(frozenset({"two"}), frozenset({"u1", "u2"}), 30.0)
    assert expected.removed_at("one") == 30.0
    assert expected.removed_at("two") is None
    assert expected.removed_at("never configured") == 0.0
    assert (expected.added_at("u1"), expected.added_at("u2")) == (0.0, 30.0)
