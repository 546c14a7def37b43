"""A second implementation of the families about state, on prometheus_client: the exposition is checked against it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from exporter.config.alerting import PolicyAlerts
from exporter.metrics.alert_entries import about_organizations
from exporter.metrics.families.alert_organizations import ENDED_ENTRIES, ORGANIZATION_ALERT_FAMILIES
from exporter.metrics.families.alerts import ALERT_FAMILIES, alerted_violations, counted_not_removed
from exporter.metrics.families.base import AlertScope, Scope
from exporter.metrics.families.organizations import (
    CONFIG_FAMILIES,
    ORGANIZATION_FAMILIES,
    POLICY_VIOLATIONS,
    USERS_LEFT_OUT,
    organization_samples,
    policy_violations,
    users_left_out,
)
from exporter.metrics.families.users import USER_FAMILIES, USER_LABELS, user_labels
from exporter.metrics.policy_summary import offence_not_removed, offences, summarized
from exporter.metrics.series_limit import left_out
from exporter.policies.evaluate import violations
from support.permission_oracle import permission_samples
from support.scrapes import SOURCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from zoneinfo import ZoneInfo

    from prometheus_client.core import Metric

    from exporter.common.clock import Clock
    from exporter.config.schema import Config
    from exporter.metrics.families.base import Family, Sample, UserFamily
    from exporter.metrics.policy_summary import Offences
    from exporter.model.snapshot import OrganizationView
    from exporter.model.state import UserState
    from exporter.state.store import Store


Entry = tuple[str, frozenset[tuple[str, str]]]
"""A series: the family and the labels."""


class StateCollector(Collector):
    """Collects the families about users, organizations and the configuration from one snapshot.

    Each call that collects is a scrape: entries for alert rules that an earlier one had are there with the value 0.

    Args:
        store: the state of all users.
        config: returns the configuration in effect.
        clock: the time that values are computed for.
    """

    def __init__(self, store: Store, config: Callable[[], Config], clock: Clock) -> None:
        self._entries: dict[Entry, float] = {}
        self._ended: dict[Entry, float] = {}
        self._store = store
        self._config = config
        self._clock = clock

    def describe(self) -> Iterator[Metric]:
        """The families without samples, so that registering needs no state."""
        for family in (
            *USER_FAMILIES,
            USER_LABELS,
            USERS_LEFT_OUT,
            POLICY_VIOLATIONS,
            *ORGANIZATION_FAMILIES,
            *CONFIG_FAMILIES,
            *ORGANIZATION_ALERT_FAMILIES,
            ENDED_ENTRIES,
        ):
            yield _metric(family, ())

    def collect(self) -> Iterator[Metric]:
        """All families that the configuration enables."""
        organizations = self._store.view().organizations
        config = self._config()
        alerts = AlertScope.of(config, SOURCE) if config.metrics.alerts else None
        scope = Scope(self._clock.now(), config.metrics.expiring_within, config.policies, alerts)
        entries: dict[Entry, float] = {}
        for family in ALERT_FAMILIES if alerts is not None else ():
            for organization in organizations:
                for state in organization.users:
                    own = dict(state.user.labels) if family.labelled else {}
                    for values, number in family.samples(organization.name, state, scope):
                        labels = dict(zip(family.labels, values, strict=True)) | own
                        entries[family.name, frozenset(labels.items())] = number
        by_family = {
            family: [
                sample
                for organization in organizations
                for state in organization.users
                for sample in _samples(family, organization.name, state, scope)
            ]
            for family in USER_FAMILIES
            if family.enabled(config.metrics) and not family.for_alerts
        }
        details = [family for family in by_family if family.detail is not None]
        sizes = {family: Counter(labels[:2] for labels, _ in by_family[family]) for family in details}
        by_user = {
            (organization.name, state.user.user_id): [
                sizes[family][organization.name, state.user.user_id] for family in details
            ]
            for organization in organizations
            for state in organization.users
        }
        others = sum(len(samples) for family, samples in by_family.items() if family.detail is None) + len(entries)
        dropped = left_out(details, by_user, others, config.metrics.max_series)
        for family, samples in by_family.items():
            if family.name not in dropped.families:
                hidden = frozenset() if family.detail is None else dropped.users
                yield _metric(family, [sample for sample in samples if sample[0][:2] not in hidden])
        yield _metric(USERS_LEFT_OUT, *users_left_out(organizations, dropped.users))
        yield from _user_labels(organizations)
        broken = Counter(
            (organization.name, one.policy)
            for organization in organizations
            for state in organization.users
            for one in violations(state.user, state.tokens, config.policies, scope.now, state.unexpired_left_out)
        )
        yield _metric(POLICY_VIOLATIONS, *policy_violations(organizations, config.policies, broken))
        for about_organization in ORGANIZATION_FAMILIES:
            yield _metric(about_organization, *organization_samples(about_organization, organizations))
        for about_config in CONFIG_FAMILIES:
            yield _metric(about_config, about_config.samples(config, scope.now))
        if alerts is not None:
            yield from self._for_alerts(organizations, config, alerts, scope, entries)

    def _for_alerts(
        self,
        organizations: tuple[OrganizationView, ...],
        config: Config,
        alerts: AlertScope,
        scope: Scope,
        entries: dict[Entry, float],
    ) -> Iterator[Metric]:
        """The families for alert rules: the entries of this scrape, and those that ended within 15 minutes."""
        summaries = {
            one.name: summarized(
                (
                    state.user,
                    (
                        *offences(state, alerted_violations(state, scope), config.policies, scope.now),
                        *_not_removed(state, scope, alerts.zone(one.name)),
                    ),
                )
                for state in one.users
            )
            for one in organizations
        }
        for family, (samples, more) in about_organizations(
            organizations, alerts, config.policies, summaries, scope.now
        ):
            for values, number in samples:
                entries[family.name, frozenset(zip((*family.labels, *more), values, strict=True))] = number
        ticks = self._clock.monotonic()
        self._ended = {
            entry: until for entry, until in self._ended.items() if until > ticks and entry not in entries
        } | {entry: ticks + 900 for entry in self._entries if entry not in entries}
        self._entries = entries
        for family in (*ALERT_FAMILIES, *ORGANIZATION_ALERT_FAMILIES):
            metric = GaugeMetricFamily(family.name, family.help)
            for (name, labels), number in (*entries.items(), *[(entry, 0.0) for entry in self._ended]):
                if name == family.name:
                    metric.add_sample(name, dict(sorted(labels)), number)
            yield metric
        yield _metric(ENDED_ENTRIES, ((("kept",), len(self._ended)), (("dropped",), 0)))


def _not_removed(state: UserState, scope: Scope, zone: ZoneInfo) -> Offences:
    found = counted_not_removed(state, scope, PolicyAlerts.PER_POLICY)
    return () if found is None else ((None, offence_not_removed(found, zone)),)


def _samples(family: UserFamily, organization: str, state: UserState, scope: Scope) -> Iterable[Sample]:
    about_permissions = permission_samples(family.name, organization, state, scope)
    return family.samples(organization, state, scope) if about_permissions is None else about_permissions


def _metric(family: Family, samples: Iterable[Sample], more: Iterable[str] = ()) -> Metric:
    metric = GaugeMetricFamily(family.name, family.help, labels=[*family.labels, *more])
    for labels, value in samples:
        metric.add_metric(labels, value)
    return metric


def _user_labels(organizations: Iterable[OrganizationView]) -> Iterator[Metric]:
    if names := _user_label_names(organizations):
        samples = (user_labels(one.name, state, names) for one in organizations for state in one.users)
        yield _metric(USER_LABELS, samples, names)


def _user_label_names(organizations: Iterable[OrganizationView]) -> list[str]:
    """The label names from the users' entries, sorted: those of `yunxiao_user_labels` beyond `USER_LABEL_NAMES`."""
    return sorted({name for one in organizations for state in one.users for name, _ in state.user.labels})
