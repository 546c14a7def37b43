from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from support.builders import NOW

from exporter.config.alerting import Alerting
from exporter.config.schema import Poll
from exporter.metrics.families.alert_organizations import policy_alerts, source_rank, suppressed, unreadable
from exporter.metrics.families.base import AlertScope
from exporter.metrics.policy_summary import Offender, PolicySummary
from exporter.model.snapshot import OrganizationView, Outage, Sweep, SweepResult
from exporter.model.state import Reason
from exporter.policies.builtin import NeverExpires
from exporter.policies.schema import Policies

if TYPE_CHECKING:
    from exporter.policies.base import Policy

ALERTS = AlertScope("s", Alerting(), Poll(), {"acme": ZoneInfo("UTC")})
VIEW = OrganizationView("acme", (), Sweep(SweepResult.SUCCESS, 1.0, NOW), since=NOW - 60)
OUTAGE = Outage(NOW, Reason.TIMEOUT, "x", confirmed=False)


def rank(view: OrganizationView, now: float = NOW) -> float:
    ((_, value),) = source_rank(view, ALERTS, now)
    return value


def test_current_data_ranks_above_a_later_start() -> None:
    later = replace(VIEW, since=NOW)
    assert rank(later) > rank(VIEW)
    # Three intervals of 15 minutes and the 10 seconds of a request after the last sweep.
    assert rank(VIEW, NOW + 2709) > rank(replace(later, sweep=None)) > rank(VIEW, NOW + 2710)


def test_an_outage_counts_after_two_intervals_or_at_once_if_it_is_confirmed() -> None:
    view = replace(VIEW, outage=OUTAGE)
    assert [*unreadable(view, ALERTS, NOW + 1799)] == []
    assert [*unreadable(view, ALERTS, NOW + 1800)] == [(("acme", "s", "timeout"), NOW)]
    confirmed = replace(VIEW, outage=replace(OUTAGE, confirmed=True))
    for now in (NOW, NOW - 60):  # also after the clock was set back
        assert [*unreadable(confirmed, ALERTS, now)] == [(("acme", "s", "timeout"), NOW)]


def test_alerts_about_single_users_are_held_back_for_two_intervals_after_an_outage() -> None:
    over = replace(VIEW, outage=replace(OUTAGE, ended_at=NOW + 3600))
    assert [*unreadable(over, ALERTS, NOW + 3600)] == []
    assert [*suppressed(over, ALERTS, NOW + 5399)] == [(("acme", "s"), 1.0)]
    assert [*suppressed(over, ALERTS, NOW + 5400)] == []
    assert [*suppressed(VIEW, ALERTS, NOW)] == []


def test_violated_policies_and_tokens_not_removed_have_an_entry() -> None:
    summaries: dict[type[Policy] | None, PolicySummary] = {
        NeverExpires: PolicySummary(3, 2, [Offender(-2, "li.wei", "u1", "2")]),
        None: PolicySummary(7, 4, [Offender(NOW, "li.wei", "u1", "ci, 2026-06-01")]),
    }
    policies = Policies.model_validate({"never_expires": "forbid", "max_age": {"limit": "1d"}})
    assert [*policy_alerts(VIEW, ALERTS, policies, summaries)] == [
        (("acme", "never_expires", "warning", "s", "2", "li.wei (2)"), 3),
        (("acme", "", "info", "s", "4", "li.wei (ci, 2026-06-01)"), 7),
    ]
    chinese = replace(ALERTS, alerting=Alerting.model_validate({"language": "zh"}, strict=False))
    two: dict[type[Policy] | None, PolicySummary] = {
        None: PolicySummary(2, 2, [Offender(1, "li", "u1", "ci, x"), Offender(2, "wang", "u2", "cd, y")])
    }
    assert [values[-1] for values, _ in policy_alerts(VIEW, chinese, policies, two)] == ["li (ci, x)\u3001wang (cd, y)"]
    alone = replace(ALERTS, alerting=Alerting.model_validate({"policy_violations": "per_user"}))
    assert [*policy_alerts(VIEW, alone, policies, summaries)] == []
