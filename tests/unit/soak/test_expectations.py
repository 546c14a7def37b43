from __future__ import annotations

from soak.expectations import FOREVER, Expectations


def test_nothing_is_calm_while_a_window_is_open() -> None:
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
    assert expected.gone_at("two") is None
    assert expected.gone_at("u2") is None
    assert expected.gone_at("u1") is None
    expected.configured(frozenset({"one", "two"}), frozenset({"u2"}), 5.0)
    assert expected.gone_at("u1") == 5.0


def test_a_daemon_must_answer_only_within_one_of_its_lives() -> None:
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


def test_what_was_removed_is_known_with_its_time() -> None:
    expected = Expectations()
    expected.configured(frozenset({"one", "two"}), frozenset({"u1"}), 0.0)
    expected.configured(frozenset({"two"}), frozenset({"u1", "u2"}), 30.0)
    assert expected.gone_at("one") == 30.0
    assert expected.gone_at("two") is None
    assert expected.gone_at("never heard of") == 0.0
    assert (expected.added_at("u1"), expected.added_at("u2")) == (0.0, 30.0)
