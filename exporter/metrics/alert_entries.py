"""The families for alert rules in one scrape: the current entries, and those that ended a short time ago."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.metrics.deflate import compressed
from exporter.metrics.ended import EndedEntries
from exporter.metrics.families.alert_organizations import (
    ENDED_ENTRIES,
    POLICY_ALERTS,
    SOURCE_RANK,
    SUPPRESSED,
    UNREADABLE,
    policy_alerts,
    source_rank,
    suppressed,
    unreadable,
)
from exporter.metrics.families.organizations import by_shard
from exporter.metrics.lines import block, head, lines
from exporter.metrics.policy_summary import merged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exporter.metrics.chunk import Chunk
    from exporter.metrics.deflate import Segment
    from exporter.metrics.families.base import AlertScope, Family, Sample
    from exporter.metrics.policy_summary import PolicySummary
    from exporter.metrics.rendering import Plan
    from exporter.model.snapshot import OrganizationView
    from exporter.policies.base import Policy
    from exporter.policies.schema import Policies


class AlertEntries:
    """Renders the families for alert rules. One thread at a time."""

    def __init__(self) -> None:
        self._ended = EndedEntries()

    def user_segments(
        self, plan: Plan, chunks: Sequence[Chunk], organizations: Sequence[OrganizationView], now: float, ticks: float
    ) -> tuple[dict[str, list[Segment]], list[Segment]]:
        """The lines of the families about users, by name and without their heads, and the families about organizations.

        Args:
            plan: what to render.
            chunks: the text of all users.
            organizations: their snapshots.
            now: epoch seconds.
            ticks: monotonic seconds.
        """
        if not plan.switches.alerts:
            self._ended.update({}, ticks)
            return {}, []
        found = {
            family.name: [
                chunk.columns[source].segment for chunk in chunks if chunk.columns and chunk.columns[source].series
            ]
            for family, source in zip(plan.families, plan.sources, strict=True)
            if family.for_alerts
        }
        about = [
            (family, lines(family, *samples))
            for family, samples in about_organizations(
                organizations, plan.alerts, plan.policies, _summaries(chunks), now
            )
        ]
        text = {family.name: [compressed(some)] for family, some in about}
        ended = self._ended.update(found | text, ticks)
        by_user = {name: [*segments, ended[name]] for name, segments in found.items()}
        rest = []
        for family, _ in about:
            rest += [compressed(head(family)), *text[family.name], ended[family.name]]
        kept, dropped = self._ended.counts()
        rest.append(compressed(block(ENDED_ENTRIES, ((("kept",), kept), (("dropped",), dropped)))))
        return by_user, rest


def about_organizations(
    organizations: Sequence[OrganizationView],
    alerts: AlertScope,
    policies: Policies,
    summaries: Mapping[str, Mapping[type[Policy] | None, PolicySummary]],
    now: float,
) -> Iterator[tuple[Family, tuple[list[Sample], tuple[str, ...]]]]:
    """The families about organizations for alert rules, each with its samples and the names of labels added.

    Args:
        organizations: their snapshots.
        alerts: what the families depend on.
        policies: the configured policies.
        summaries: the violations that count for alerts, by organization and policy.
        now: epoch seconds.
    """
    for family, samples in ((SOURCE_RANK, source_rank), (UNREADABLE, unreadable), (SUPPRESSED, suppressed)):
        yield family, by_shard((one, sample) for one in organizations for sample in samples(one, alerts, now))
    yield (
        POLICY_ALERTS,
        by_shard(
            (one, sample)
            for one in organizations
            for sample in policy_alerts(one, alerts, policies, summaries.get(one.name, {}))
        ),
    )


def _summaries(chunks: Sequence[Chunk]) -> dict[str, dict[type[Policy] | None, PolicySummary]]:
    """The violations that count for alerts, by organization and policy."""
    parts: dict[str, dict[type[Policy] | None, list[PolicySummary]]] = {}
    for chunk in chunks:
        if chunk.summaries:
            of_organization = parts.setdefault(chunk.organization, {})
            for policy, one in chunk.summaries.items():
                of_organization.setdefault(policy, []).append(one)
    return {name: {policy: merged(some) for policy, some in one.items()} for name, one in parts.items()}
