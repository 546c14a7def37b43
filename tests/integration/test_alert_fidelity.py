"""Random histories of tokens through both ways of alerts, against an oracle written from the documentation.

`python scripts/alert_histories.py` plays more of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support.alert_history import DAY, HOUR, MINUTE, USERS, world
from support.alert_history_check import Check
from support.alert_history_oracle import NEVER, NOT_REMOVED, Entry, Listed, Shares, Terms, believed, stage
from support.alert_history_rules import promtool_values

if TYPE_CHECKING:
    from pathlib import Path

    from support.alert_history_play import Mismatch
    from support.alert_history_process import Process

HISTORIES = 2000
PER_TEST = 5
_SUPPRESSED = re.compile(r"^yunxiao_organization_poll_alerts_suppressed.*\n", re.MULTILINE)
_COUNTED = re.compile(
    r'^yunxiao_(policy_alert_violations|user_alert_policy_violations)\{.*policy="",.*\n', re.MULTILINE
)
_RANK = re.compile(r"^(yunxiao_alert_source_rank\{.*\}) .*$", re.MULTILINE)
_ENDED = re.compile(r"^yunxiao_token_alert\S*\{.*\} 0\.0\n", re.MULTILINE)


@pytest.mark.parametrize("first", range(0, HISTORIES // USERS, PER_TEST))
def test_what_fires_is_what_the_documentation_says(first: int, promtool: str, tmp_path: Path) -> None:
    worlds = [world(number) for number in range(first, first + PER_TEST)]
    check = Check(promtool, tmp_path)
    if mismatches := check.mismatches(worlds):
        pytest.fail(check.report(mismatches, worlds), pytrace=False)


def ways(mismatches: list[Mismatch]) -> set[str]:
    return {one.way for one in mismatches}


def test_a_quarter_of_the_lifetime_instead_of_a_third_is_noticed(promtool: str, tmp_path: Path) -> None:
    found = Check(promtool, tmp_path, shares=Shares(warning=4)).mismatches([world(0)])
    assert ways(found) == {"direct", "rules"}


def test_a_twelfth_of_the_lifetime_instead_of_a_tenth_is_noticed(promtool: str, tmp_path: Path) -> None:
    found = Check(promtool, tmp_path, shares=Shares(critical=12)).mismatches([world(1)])
    assert ways(found) == {"direct", "rules"}


def test_entries_that_are_not_kept_after_their_end_are_noticed(promtool: str, tmp_path: Path) -> None:
    found = Check(promtool, tmp_path, edit=lambda body: _ENDED.sub("", body)).mismatches([world(5)])
    assert ways(found) == {"rules"}


def test_tokens_not_removed_that_are_not_counted_are_noticed(promtool: str, tmp_path: Path) -> None:
    by_organization, by_user = world(1), world(7)
    assert [by_organization.terms.one_by, by_user.terms.one_by] == ["per_policy", "per_user"]
    for one in (by_organization, by_user):
        found = Check(promtool, tmp_path, edit=lambda body: _COUNTED.sub("", body)).mismatches([one])
        assert ways(found) == {"rules"}
        assert {key[0] for mismatch in found for key in mismatch.missing} == {NOT_REMOVED}


def test_alerts_about_users_that_are_not_held_back_in_an_outage_are_noticed(promtool: str, tmp_path: Path) -> None:
    found = Check(promtool, tmp_path, edit=lambda body: _SUPPRESSED.sub("", body)).mismatches([world(5)])
    assert ways(found) == {"rules"}


def test_a_replica_that_counts_although_another_one_knows_more_is_noticed(promtool: str, tmp_path: Path) -> None:
    found = Check(promtool, tmp_path, edit=lambda body: _RANK.sub(r"\1 1", body)).mismatches([world(8)])
    assert ways(found) == {"rules"}


def test_a_reload_that_drops_what_has_just_ended_is_noticed(promtool: str, tmp_path: Path) -> None:
    def drop(process: Process) -> None:
        process.forget_resolved()

    found = Check(promtool, tmp_path, before_reload=drop).mismatches([world(0), world(15)])
    assert ways(found) == {"direct"}


def test_a_failure_is_cut_to_one_user_and_what_it_needs(promtool: str, tmp_path: Path) -> None:
    check, worlds = Check(promtool, tmp_path, shares=Shares(warning=4)), [world(0)]
    report = check.report(check.mismatches(worlds)[:1], worlds)
    assert len(re.findall(r": create \(seed \d+", report)) == 1, report
    assert "reload" not in report


def test_stages_of_the_oracle_by_hand() -> None:
    def at(now: float, created: float | None = None, expires: float = 0.0) -> str | None:
        return stage(Listed("pt-1", "ci", created, expires), Entry("li.wei"), Terms(info=30 * DAY), now, Shares())

    assert [at(-31 * DAY), at(-30 * DAY), at(-30 * DAY + 1)] == [None, None, "ExpiringInfo"]
    assert [at(-14 * DAY), at(-14 * DAY + 1), at(-3 * DAY), at(-3 * DAY + 1)] == [
        "ExpiringInfo", "ExpiringWarning", "ExpiringWarning", "ExpiringCritical",
    ]  # fmt: skip
    assert [at(-1), at(0), at(7 * DAY - 1), at(7 * DAY)] == ["ExpiringCritical", "Expired", "Expired", "NotRemoved"]
    # a lifetime of three hours: a warning in the last hour, critical in the last 18 minutes
    assert [at(-HOUR, -3 * HOUR), at(-HOUR + 1, -3 * HOUR)] == ["ExpiringInfo", "ExpiringWarning"]
    assert [at(-18 * MINUTE, -3 * HOUR), at(-18 * MINUTE + 1, -3 * HOUR)] == ["ExpiringWarning", "ExpiringCritical"]
    assert at(0, expires=NEVER) is None


def test_the_oracle_keeps_a_known_date_over_an_unreadable_one() -> None:
    known = (Listed("pt-1", "ci", None, 100.0), Listed("pt-2", "ci", None, 200.0))
    answer = [Listed("pt-1", "new", None, None), Listed("pt-3", "ci", None, None)]
    assert believed(known, answer) == (Listed("pt-1", "new", None, 100.0), Listed("pt-3", "ci", None, None))


def test_samples_in_the_notation_of_promtool() -> None:
    samples = {1: 5.0, 2: 5.0, 3: float("nan"), 6: NEVER, 7: NEVER, 8: 1.5}
    assert promtool_values(samples) == "_x1 5.0x1 stale _x2 +Inf +Inf 1.5"
