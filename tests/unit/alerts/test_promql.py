"""The expressions that the rules are made of."""

from __future__ import annotations

import datetime as dt

import promql_parser
import pytest

from exporter.alerts.promql import latest, seconds, unless_silenced, with_user_labels
from exporter.config.alerting import Silence

UNTIL = dt.date(1970, 1, 1)


@pytest.mark.parametrize(
    ("value", "text"), [(1209600.0, "1209600"), (1.5, "1.5"), (0.001, "0.001"), (1e21, "1000000000000000000000")]
)
def test_seconds_have_no_exponent_and_no_trailing_zeros(value: float, text: str) -> None:
    assert seconds(value) == text


def test_the_latest_series_look_back_ten_minutes() -> None:
    assert latest("organization", "up") == "max by (organization) (last_over_time(up[10m]))"
    assert latest("organization", "up", '{job="y"}') == 'max by (organization) (last_over_time(up{job="y"}[10m]))'


def test_users_that_are_exposed_have_no_series_from_the_past() -> None:
    assert latest("user_id", "a", present="b") == (
        "(\n  max by (user_id) (a)\n  or\n"
        "  (max by (user_id) (last_over_time(a[10m])) unless on (organization, user_id) b)\n)"
    )


def test_a_silence_ends_with_its_day_and_its_user_may_be_an_id_or_a_name() -> None:
    by_name = Silence(user="li.wei", name="sandbox-.*", reason="x", until=UNTIL)
    # 1970-01-01 ends 86,400 s after the epoch
    assert unless_silenced("e", [by_name], "s") == (
        'e\nunless (s{user_id="li.wei", token=~"sandbox-.*"} and on () vector(time()) < 86400)'
        '\nunless (s{user="li.wei", token=~"sandbox-.*"} and on () vector(time()) < 86400)'
    )
    by_id = Silence(token_id="pt-1", reason="x", until=UNTIL)
    assert unless_silenced("e", [by_id], "s") == 'e\nunless (s{token_id="pt-1"} and on () vector(time()) < 86400)'


def test_user_labels_are_joined_and_users_without_labels_stay() -> None:
    assert with_user_labels("up == 0", []) == "up == 0"
    joined = with_user_labels("up == 0", ["email", "team"])
    promql_parser.parse(joined)
    assert "* on (organization, user_id) group_left (email, team) yunxiao:user_labels" in joined
    assert joined.endswith("or on (organization, user_id, user, token_id, token) (up == 0)")
