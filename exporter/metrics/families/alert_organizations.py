"""The families about organizations that alert rules are based on; see `exporter.metrics.families.alerts`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.config.alerting import PolicyAlerts
from exporter.config.deadlines import failing_after, polls_silent_until, stalled_after
from exporter.metrics.families.alerts import SOURCE
from exporter.metrics.families.base import Family, Kind, Sample
from exporter.model.labels import ORGANIZATION_LABEL_NAMES
from exporter.model.severity import Severity
from exporter.texts.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.metrics.families.base import AlertScope
    from exporter.metrics.policy_summary import PolicySummary
    from exporter.model.snapshot import OrganizationView
    from exporter.policies.base import Policy
    from exporter.policies.schema import Policies

_CURRENT = 1e10
"""Added to the rank of a process with current data: more than the difference of any two times of a start."""

SOURCE_RANK = Family(
    "yunxiao_alert_source_rank",
    Kind.GAUGE,
    (*ORGANIZATION_LABEL_NAMES, SOURCE),
    "Rank of this process among those that expose the organization: rules use the entries of the one with the highest. "
    "Processes whose last sweep completed in time rank above others, and those that started later above earlier ones.",
    "Always, unless `metrics.alerts` is off.",
    ("topk by (organization, shard) (1, yunxiao_alert_source_rank)", "whose entries rules use"),
    for_alerts=True,
)
UNREADABLE = Family(
    "yunxiao_organization_unreadable_since_timestamp_seconds",
    Kind.GAUGE,
    (*ORGANIZATION_LABEL_NAMES, SOURCE, "reason"),
    "Since when no user of the organization can be polled, in seconds since the epoch, with the reason of most of the "
    "failures; 0 for 15 minutes after that has ended.",
    "Only while no user can be polled: from a refusal of the token for all users, or from two intervals of failures.",
    ("yunxiao_organization_unreadable_since_timestamp_seconds > 0", "organizations about which nothing is known"),
    for_alerts=True,
)
SUPPRESSED = Family(
    "yunxiao_organization_poll_alerts_suppressed",
    Kind.GAUGE,
    (*ORGANIZATION_LABEL_NAMES, SOURCE),
    "1 while failing polls and stale data of single users cause no alert, since no user can be polled or none could be "
    "until a short time ago; 0 for 15 minutes after that.",
    "While no user can be polled, and for two intervals after that.",
    ("yunxiao_organization_poll_alerts_suppressed > 0", "where alerts about single users are held back"),
    for_alerts=True,
)
POLICY_ALERTS = Family(
    "yunxiao_policy_alert_violations",
    Kind.GAUGE,
    (*ORGANIZATION_LABEL_NAMES, "policy", "severity", SOURCE, "users", "worst"),
    "Violations of the policy that no entry of alerting.ignore silences. users is the number of users whose tokens "
    "these are, worst the names of those with the most; 0 for 15 minutes after that text has changed. With an empty "
    "policy: tokens and SSH keys that are not removed, and in worst the users whose tokens expired the longest ago.",
    "For each policy that is violated, and if tokens are not removed, with `alerting.policy_violations: per_policy`.",
    ("sum by (organization, policy) (yunxiao_policy_alert_violations)", "violations that cause an alert"),
    for_alerts=True,
)
ENDED_ENTRIES = Family(
    "yunxiao_exporter_ended_alert_entries",
    Kind.GAUGE,
    ("state",),
    "Entries for alert rules that ended within 15 minutes and are still exposed with the value 0 (state is kept), and "
    "those that have been dropped earlier since the start (dropped), because there were more than 50,000 of a family.",
    "Always, unless `metrics.alerts` is off.",
    (
        'yunxiao_exporter_ended_alert_entries{state="dropped"} > 0',
        "whether rules may see entries that have ended while scrapes are missed",
    ),
    for_alerts=True,
)
ORGANIZATION_ALERT_FAMILIES = (SOURCE_RANK, UNREADABLE, SUPPRESSED, POLICY_ALERTS)


def source_rank(view: OrganizationView, alerts: AlertScope, now: float) -> Iterable[Sample]:
    """The sample of `SOURCE_RANK`."""
    completed = None if view.sweep is None else view.sweep.last_completed
    current = completed is not None and now < completed + stalled_after(alerts.poll)
    yield (view.name, alerts.source), view.since + (_CURRENT if current else 0.0)


def unreadable(view: OrganizationView, alerts: AlertScope, now: float) -> Iterable[Sample]:
    """The sample of `UNREADABLE`, if no user can be polled."""
    outage = view.outage
    if outage is None or outage.ended_at is not None:
        return
    if outage.counts(failing_after(alerts.poll), now):
        yield (view.name, alerts.source, outage.reason.value), outage.since or 1.0


def suppressed(view: OrganizationView, alerts: AlertScope, now: float) -> Iterable[Sample]:
    """The sample of `SUPPRESSED`, while alerts about polls of single users are held back."""
    if now < polls_silent_until(view.outage, alerts.poll, now):
        yield (view.name, alerts.source), 1.0


def policy_alerts(
    view: OrganizationView,
    alerts: AlertScope,
    policies: Policies,
    summaries: Mapping[type[Policy] | None, PolicySummary],
) -> Iterable[Sample]:
    """The samples of `POLICY_ALERTS`, from the violations of the organization by policy."""
    if alerts.alerting.policy_violations is not PolicyAlerts.PER_POLICY:
        return
    comma = catalogue(alerts.alerting.language).comma
    for policy in policies.enabled:
        if (one := summaries.get(type(policy))) is not None:
            values = (view.name, policy.name, policy.severity.value, alerts.source, str(one.users), one.words(comma))
            yield values, one.violations
    if (one := summaries.get(None)) is not None:
        values = (view.name, "", Severity.INFO.value, alerts.source, str(one.users), one.words(comma))
        yield values, one.violations
