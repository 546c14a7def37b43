"""The families about organizations, and about what is configured."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from exporter.metrics.families.base import ConfigFamily, Family, Kind, OrganizationFamily, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from exporter.config.schema import Config
    from exporter.model.snapshot import Discovery, OrganizationView
    from exporter.policies.base import Policy
    from exporter.policies.schema import Policies


POLICY_VIOLATIONS = Family(
    "yunxiao_policy_violations",
    Kind.GAUGE,
    ("organization", "policy"),
    "Tokens that break the policy at the time of the scrape; for max_tokens_per_user, users.",
    "Always for each policy in the section `policies`; 0 where nothing breaks it.",
    ("sum by (policy) (yunxiao_policy_violations)", "what is broken how often"),
)


def policy_violations(
    organizations: Sequence[OrganizationView], policies: Policies, counts: Mapping[tuple[str, type[Policy]], int]
) -> tuple[list[Sample], tuple[str, ...]]:
    """As `organization_samples`, for `yunxiao_policy_violations`, from the counts by organization and policy."""
    return _by_shard(
        (one, ((one.name, policy.name), counts.get((one.name, policy), 0)))
        for one in organizations
        for policy in policies.configured
    )


USERS_LEFT_OUT = Family(
    "yunxiao_exporter_users_left_out",
    Kind.GAUGE,
    ("organization",),
    "Users whose series a token or permission are left out of the scrape, those with the most series first, because "
    "all series together would be more than metrics.max_series. Their other series stay.",
    "Always.",
    ("yunxiao_exporter_users_left_out > 0", "whether tokens of some users are missing because there are too many"),
)


def users_left_out(
    organizations: Sequence[OrganizationView], users: Iterable[tuple[str, str]]
) -> tuple[list[Sample], tuple[str, ...]]:
    """As `organization_samples`, for `yunxiao_exporter_users_left_out`, from the organization and id of each such."""
    counts = Counter(organization for organization, _ in users)
    return _by_shard((one, ((one.name,), counts[one.name])) for one in organizations)


def _by_shard(found: Iterable[tuple[OrganizationView, Sample]]) -> tuple[list[Sample], tuple[str, ...]]:
    """Samples with the label `shard` where users are divided among shards, and the names of labels added."""
    pairs = list(found)
    if not any(one.shard for one, _ in pairs):
        return [sample for _, sample in pairs], ()
    return [((*labels, one.shard), value) for one, (labels, value) in pairs], ("shard",)


def _discovery(
    field: Callable[[Discovery], float | None],
) -> Callable[[OrganizationView], Iterable[Sample]]:
    """The samples of a family about discovery: one number, where there is one."""

    def samples(view: OrganizationView) -> Iterable[Sample]:
        value = None if view.discovery is None else field(view.discovery)
        return [] if value is None else [((view.name,), float(value))]

    return samples


_WITH_DISCOVERY = "Only with `users.discover`, from"
DISCOVERY_FAMILIES: tuple[OrganizationFamily, ...] = (
    OrganizationFamily(
        "yunxiao_discovery_up",
        Kind.GAUGE,
        ("organization",),
        "1 if the last look at the platform's list of users worked, 0 if it failed and the list of before is in force.",
        f"{_WITH_DISCOVERY} the end of the first look.",
        ("yunxiao_discovery_up == 0", "organizations whose list of users is not followed"),
        samples=_discovery(lambda one: one.up),
    ),
    OrganizationFamily(
        "yunxiao_discovery_last_success_timestamp_seconds",
        Kind.GAUGE,
        ("organization",),
        "When the platform's list of users was last read, in seconds since the epoch.",
        f"{_WITH_DISCOVERY} the first look that worked.",
        ("time() - yunxiao_discovery_last_success_timestamp_seconds > 4 * 3600", "lists older than four hours"),
        samples=_discovery(lambda one: one.last_success),
    ),
    OrganizationFamily(
        "yunxiao_discovered_users",
        Kind.GAUGE,
        ("organization",),
        "Users on the list in force that the platform gave, filters applied.",
        f"{_WITH_DISCOVERY} the first look that worked, or the start with a storage that knows them.",
        ("delta(yunxiao_discovered_users[1d])", "how many joined and left within a day"),
        samples=_discovery(lambda one: one.users),
    ),
)


def _own_expiry(view: OrganizationView) -> Iterable[Sample]:
    return [] if view.own_expiry is None else [((view.name,), view.own_expiry)]


OWN_TOKEN_EXPIRY = OrganizationFamily(
    "yunxiao_exporter_token_expiry_timestamp_seconds",
    Kind.GAUGE,
    ("organization",),
    "When the exporter's own token expires, in seconds since the epoch; +Inf if never. Looked up every hour.",
    "Where the platform tells the token who it belongs to and lists it among its owner's tokens.",
    ("yunxiao_exporter_token_expiry_timestamp_seconds - time() < 14 * 86400", "tokens of the exporter's to replace"),
    samples=_own_expiry,
)

ORGANIZATION_FAMILIES: tuple[OrganizationFamily, ...] = (
    *DISCOVERY_FAMILIES,
    OWN_TOKEN_EXPIRY,
    OrganizationFamily(
        "yunxiao_users",
        Kind.GAUGE,
        ("organization",),
        "Users watched.",
        "Always.",
        ("yunxiao_users", "whether the list of users is what you think it is"),
        samples=lambda view: [((view.name,), len(view.users))],
    ),
    OrganizationFamily(
        "yunxiao_users_pending",
        Kind.GAUGE,
        ("organization",),
        "Users watched that have not been polled yet since the start or since they joined.",
        "Always; 0 once every user has been polled.",
        ("yunxiao_users_pending > 0", "whether numbers are still coming in after a start"),
        samples=lambda view: [((view.name,), sum(not state.polled for state in view.users))],
    ),
    OrganizationFamily(
        "yunxiao_watched_since_timestamp_seconds",
        Kind.GAUGE,
        ("organization",),
        "Since when the organization has been watched by this process, in seconds since the epoch.",
        "Always.",
        ("time() - yunxiao_watched_since_timestamp_seconds", "how long an organization has been watched"),
        samples=lambda view: [((view.name,), view.since)],
    ),
    OrganizationFamily(
        "yunxiao_sweep_duration_seconds",
        Kind.GAUGE,
        ("organization",),
        "How long the last completed sweep took, in seconds. With poll.spread that is most of the interval.",
        "From the first completed sweep.",
        ("yunxiao_sweep_duration_seconds", "whether a sweep fits into poll.interval"),
        samples=lambda view: [] if view.sweep is None else [((view.name,), view.sweep.duration)],
    ),
    OrganizationFamily(
        "yunxiao_sweep_last_completed_timestamp_seconds",
        Kind.GAUGE,
        ("organization",),
        "When the last sweep that gave every user an outcome ended, in seconds since the epoch.",
        "From the first completed sweep.",
        ("time() - yunxiao_sweep_last_completed_timestamp_seconds", "age of the last sweep"),
        samples=lambda view: [] if view.sweep is None else [((view.name,), view.sweep.completed_at)],
    ),
)


def organization_samples(
    family: OrganizationFamily, organizations: Sequence[OrganizationView]
) -> tuple[list[Sample], tuple[str, ...]]:
    """The samples of a family about organizations, and the label names beyond the family's own.

    Where users are divided among shards, what is said of an organization is said of the shard's part of it.
    """
    return _by_shard((one, sample) for one in organizations for sample in family.samples(one))


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
        ("organization",),
        "Configured time in seconds from the start of one sweep to the next.",
        "Always.",
        ("yunxiao_sweep_duration_seconds / yunxiao_sweep_interval_seconds", "how much of the interval a sweep needs"),
        samples=_intervals,
    ),
    ConfigFamily(
        "yunxiao_alert_ignores",
        Kind.GAUGE,
        ("state",),
        "Entries of alerting.ignore that still mute (active) and that have run out (expired).",
        "Always.",
        ('yunxiao_alert_ignores{state="expired"} > 0', "entries to remove or renew"),
        samples=_ignores,
    ),
)
