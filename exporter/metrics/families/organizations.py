"""The families about organizations, and about what is configured."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from exporter.metrics.families.base import ConfigFamily, Family, Kind, OrganizationFamily, Sample
from exporter.model.labels import ORGANIZATION_LABEL_NAMES, SHARD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from exporter.config.schema import Config
    from exporter.model.snapshot import Discovery, OrganizationView
    from exporter.policies.base import Policy
    from exporter.policies.schema import Policies


POLICY_VIOLATIONS = Family(
    "yunxiao_policy_violations",
    Kind.GAUGE,
    (*ORGANIZATION_LABEL_NAMES, "policy"),
    "Tokens that violate the policy at the time of the scrape; users for max_tokens_per_user.",
    "Always for each policy in the section `policies`; 0 if there is no violation.",
    ("sum by (policy) (yunxiao_policy_violations)", "violations by policy"),
)


def policy_violations(
    organizations: Sequence[OrganizationView], policies: Policies, counts: Mapping[tuple[str, type[Policy]], int]
) -> tuple[list[Sample], tuple[str, ...]]:
    """Samples of `yunxiao_policy_violations`, and added label names, from the counts by organization and policy."""
    return by_shard(
        (one, ((one.name, policy.name), counts.get((one.name, policy), 0)))
        for one in organizations
        for policy in policies.configured
    )


def _last_completed(view: OrganizationView) -> Iterable[Sample]:
    if view.sweep is not None and (completed := view.sweep.last_completed) is not None:
        yield (view.name,), completed


USERS_LEFT_OUT = Family(
    "yunxiao_exporter_users_left_out",
    Kind.GAUGE,
    ORGANIZATION_LABEL_NAMES,
    "Users whose per-token and per-permission series are left out of the scrape, those with the most series first, "
    "because there would be more series than metrics.max_series. Their other series stay.",
    "Always.",
    ("yunxiao_exporter_users_left_out > 0", "whether series of some users are missing"),
)


def users_left_out(
    organizations: Sequence[OrganizationView], users: Iterable[tuple[str, str]]
) -> tuple[list[Sample], tuple[str, ...]]:
    """Samples of `yunxiao_exporter_users_left_out`, and added label names, from the keys of the users left out."""
    counts = Counter(organization for organization, _ in users)
    return by_shard((one, ((one.name,), counts[one.name])) for one in organizations)


def by_shard(found: Iterable[tuple[OrganizationView, Sample]]) -> tuple[list[Sample], tuple[str, ...]]:
    """Samples, with the label `shard` if users are divided among shards, and the names of the labels added."""
    pairs = list(found)
    if not any(one.shard for one, _ in pairs):
        return [sample for _, sample in pairs], ()
    return [((*labels, one.shard), value) for one, (labels, value) in pairs], (SHARD,)


def _discovery(
    field: Callable[[Discovery], float | None],
) -> Callable[[OrganizationView], Iterable[Sample]]:
    """The samples of a family about discovery: one value, if there is one."""

    def samples(view: OrganizationView) -> Iterable[Sample]:
        value = None if view.discovery is None else field(view.discovery)
        return [] if value is None else [((view.name,), float(value))]

    return samples


_WITH_DISCOVERY = "Only with `users.discover`, from"
DISCOVERY_FAMILIES: tuple[OrganizationFamily, ...] = (
    OrganizationFamily(
        "yunxiao_discovery_up",
        Kind.GAUGE,
        ORGANIZATION_LABEL_NAMES,
        "1 if the last refresh of the list of users succeeded, 0 if it failed and the previous list stays in effect.",
        f"{_WITH_DISCOVERY} the end of the first refresh.",
        ("yunxiao_discovery_up == 0", "organizations whose list of users is not up to date"),
        samples=_discovery(lambda one: one.up),
    ),
    OrganizationFamily(
        "yunxiao_discovery_last_success_timestamp_seconds",
        Kind.GAUGE,
        ORGANIZATION_LABEL_NAMES,
        "When the list of users was last fetched from the platform, in seconds since the epoch.",
        f"{_WITH_DISCOVERY} the first successful refresh.",
        ("time() - yunxiao_discovery_last_success_timestamp_seconds > 4 * 3600", "lists older than four hours"),
        samples=_discovery(lambda one: one.last_success),
    ),
    OrganizationFamily(
        "yunxiao_discovered_users",
        Kind.GAUGE,
        ORGANIZATION_LABEL_NAMES,
        "Users found by discovery, after filters, and those kept until a second list confirms that they are missing.",
        f"{_WITH_DISCOVERY} the first successful refresh, or the start if the storage file has users.",
        ("delta(yunxiao_discovered_users[1d])", "how the number of users changed within a day"),
        samples=_discovery(lambda one: one.users),
    ),
)


def _own_expiry(view: OrganizationView) -> Iterable[Sample]:
    return [] if view.own_expiry is None else [((view.name,), view.own_expiry)]


OWN_TOKEN_EXPIRY = OrganizationFamily(
    "yunxiao_exporter_token_expiry_timestamp_seconds",
    Kind.GAUGE,
    ORGANIZATION_LABEL_NAMES,
    "When the exporter's own token expires, in seconds since the epoch; +Inf if never. Refreshed every hour.",
    "If the platform lets the token look up its owner and lists the token among the owner's tokens.",
    (
        "yunxiao_exporter_token_expiry_timestamp_seconds - time() < 14 * 86400",
        "exporter tokens to replace soon",
    ),
    samples=_own_expiry,
)

ORGANIZATION_FAMILIES: tuple[OrganizationFamily, ...] = (
    *DISCOVERY_FAMILIES,
    OWN_TOKEN_EXPIRY,
    OrganizationFamily(
        "yunxiao_users",
        Kind.GAUGE,
        ORGANIZATION_LABEL_NAMES,
        "Watched users.",
        "Always.",
        ("yunxiao_users", "whether the list of users is as expected"),
        samples=lambda view: [((view.name,), len(view.users))],
    ),
    OrganizationFamily(
        "yunxiao_users_pending",
        Kind.GAUGE,
        ORGANIZATION_LABEL_NAMES,
        "Watched users that have not been polled since the start of the exporter or since they were added.",
        "Always; 0 once every user has been polled.",
        ("yunxiao_users_pending > 0", "whether data is still incomplete after a start"),
        samples=lambda view: [((view.name,), sum(not state.polled for state in view.users))],
    ),
    OrganizationFamily(
        "yunxiao_watched_since_timestamp_seconds",
        Kind.GAUGE,
        ORGANIZATION_LABEL_NAMES,
        "When this process began to watch the organization, in seconds since the epoch.",
        "Always.",
        ("time() - yunxiao_watched_since_timestamp_seconds", "how long an organization has been watched"),
        samples=lambda view: [((view.name,), view.since)],
    ),
    OrganizationFamily(
        "yunxiao_sweep_duration_seconds",
        Kind.GAUGE,
        ORGANIZATION_LABEL_NAMES,
        "Duration of the last completed sweep, in seconds. With poll.spread, most of the interval.",
        "From the first completed sweep.",
        ("yunxiao_sweep_duration_seconds", "whether a sweep fits into poll.interval"),
        samples=lambda view: [] if view.sweep is None else [((view.name,), view.sweep.duration)],
    ),
    OrganizationFamily(
        "yunxiao_sweep_last_completed_timestamp_seconds",
        Kind.GAUGE,
        ORGANIZATION_LABEL_NAMES,
        "When the last sweep ended in which at least one user could be polled, in seconds since the epoch.",
        "From the first such sweep.",
        ("time() - yunxiao_sweep_last_completed_timestamp_seconds", "age of the last sweep"),
        samples=_last_completed,
    ),
)


def organization_samples(
    family: OrganizationFamily, organizations: Sequence[OrganizationView]
) -> tuple[list[Sample], tuple[str, ...]]:
    """The samples of a family about organizations, and the label names added to the family's own.

    If users are divided among shards, each sample covers the shard's part of the organization.
    """
    return by_shard((one, sample) for one in organizations for sample in family.samples(one))


def _intervals(config: Config, now: float) -> Iterable[Sample]:  # noqa: ARG001 - one signature
    return (((one.name,), config.poll.interval) for one in config.organizations)


def _ignores(config: Config, now: float) -> Iterable[Sample]:
    active = sum(entry.active(now) for entry in config.alerting.ignore)
    yield ("active",), active
    yield ("expired",), len(config.alerting.ignore) - active


CONFIG_FAMILIES: tuple[ConfigFamily, ...] = (
    ConfigFamily(
        "yunxiao_sweep_interval_seconds",
        Kind.GAUGE,
        ORGANIZATION_LABEL_NAMES,
        "Configured time in seconds from the start of one sweep to the next.",
        "Always.",
        ("yunxiao_sweep_duration_seconds / yunxiao_sweep_interval_seconds", "how much of the interval a sweep needs"),
        samples=_intervals,
    ),
    ConfigFamily(
        "yunxiao_alert_ignores",
        Kind.GAUGE,
        ("state",),
        "Entries of alerting.ignore, by state: active, or expired and without effect.",
        "Always.",
        ('yunxiao_alert_ignores{state="expired"} > 0', "entries to remove or renew"),
        samples=_ignores,
    ),
)
