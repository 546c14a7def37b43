"""Every family that the exporter exposes, in one table: name, type, labels, help, and where its samples come from.

Both writers, the collector and `docs/metrics.md` read from here; nothing else names a family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from exporter.events import Change
from exporter.model import Reason, UserState, permission_expiry, permission_tokens, state_counts
from exporter.model import token_series as distinct_tokens
from exporter.policies.evaluate import token_violations, user_violations
from exporter.store import SweepResult
from exporter.yunxiao.client import OPERATIONS
from exporter.yunxiao.wire import PARSE_FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.config.policies import Policies
    from exporter.config.schema import Config, Metrics
    from exporter.policies.definitions import Policy
    from exporter.store import Discovery, OrganizationView

Sample = tuple[tuple[str, ...], float]
"""The values of a family's labels, in their order, and the value."""


@dataclass(frozen=True, slots=True)
class Scope:
    """For when samples are wanted, and of which tokens.

    Attributes:
        now: epoch seconds.
        within: seconds; only tokens that expire within them, or have expired, get series of their own. None for all.
        policies: what tokens must be like; None for no policy at all.
    """

    now: float
    within: float | None = None
    policies: Policies | None = None

    def shows(self, expires_at: float | None) -> bool:
        """Whether something with this expiry gets series of its own; what cannot be read always does."""
        return self.within is None or expires_at is None or expires_at <= self.now + self.within


class Kind(StrEnum):
    """The type of a family, as Prometheus names it."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Detail(StrEnum):
    """The switch of the section `metrics` that a family can be turned off with."""

    PER_TOKEN = "per_token"  # noqa: S105 - the name of a switch
    PER_PERMISSION = "per_permission"


@dataclass(frozen=True, slots=True)
class Family:
    """What is said of a family, whichever part of the exporter fills it.

    Attributes:
        name: the full name; a counter's ends in `_total`.
        kind: the type.
        labels: label names in order.
        help: what the value means, with its unit.
        present: when it has samples.
        query: a PromQL query that uses it, and what for.
        detail: the switch that turns it off, if one does.
        relative: whether the value changes with time alone.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    present: str
    query: tuple[str, str]
    detail: Detail | None = None
    relative: bool = False

    def enabled(self, switches: Metrics) -> bool:
        """Whether the configuration has it exposed."""
        if self.relative and not switches.relative:
            return False
        return self.detail is None or bool(getattr(switches, self.detail.value))


_UserSamples = Callable[[str, UserState, Scope], Iterable[Sample]]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFamily(Family):
    """A family with samples for each user.

    Attributes:
        samples: organization's name, a user's state and what is wanted, to that user's samples. They change with the
            state, and with the time only when a token expires or enters the window, or a policy's verdict changes,
            unless the family is relative.
        expiry: for a relative family, the samples in epoch seconds that its values count down to.
    """

    samples: _UserSamples
    expiry: _UserSamples | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationFamily(Family):
    """A family with samples for each organization.

    Attributes:
        samples: an organization to its samples.
    """

    samples: Callable[[OrganizationView], Iterable[Sample]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFamily(Family):
    """A family that says what is configured.

    Attributes:
        samples: the configuration in force and the time in epoch seconds, to the samples.
    """

    samples: Callable[[Config, float], Iterable[Sample]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFamily(Family):
    """A family that the exporter fills about itself.

    Attributes:
        known: for each label but `organization`, the values it can take, so that all series start at 0.
        buckets: upper bounds of a histogram, in seconds.
    """

    known: tuple[tuple[str, ...], ...] = ()
    buckets: tuple[float, ...] = ()


_USER = ("organization", "user_id", "user")
_TOKEN = (*_USER, "token_id", "token")
_OWN_CLOCK = (
    "Tokens are polled on the exporter's own clock, not at the scrape: see yunxiao_user_last_success_timestamp_seconds."
)


def _who(organization: str, state: UserState) -> tuple[str, str, str]:
    return (organization, state.user.user_id, state.user.name)


def _user_tokens(organization: str, state: UserState, scope: Scope) -> Iterable[Sample]:
    if state.last_success is None:
        return
    who = _who(organization, state)
    for token_state, count in state_counts(state.tokens, scope.now).items():
        yield (*who, token_state.value), count


def _permission_tokens(organization: str, state: UserState, scope: Scope) -> Iterable[Sample]:
    who = _who(organization, state)
    for permission, count in permission_tokens(state.tokens, scope.now).items():
        yield (*who, permission), count


def _permission_expiry(organization: str, state: UserState, scope: Scope) -> Iterable[Sample]:
    who = _who(organization, state)
    for permission, expires_at in permission_expiry(state.tokens, scope.now).items():
        if scope.shows(expires_at):
            yield (*who, permission), expires_at


def _token_expiry(organization: str, state: UserState, scope: Scope) -> Iterable[Sample]:
    who = _who(organization, state)
    for token in distinct_tokens(state.tokens):
        if token.expires_at is not None and scope.shows(token.expires_at):
            yield (*who, token.token_id, token.name), token.expires_at


def _token_created(organization: str, state: UserState, scope: Scope) -> Iterable[Sample]:
    who = _who(organization, state)
    for token in distinct_tokens(state.tokens):
        if token.created_at is not None and scope.shows(token.expires_at):
            yield (*who, token.token_id, token.name), token.created_at


def _user_up(organization: str, state: UserState, _: Scope) -> Iterable[Sample]:
    if state.polled:
        yield _who(organization, state), float(state.failure is None)


def _last_success(organization: str, state: UserState, _: Scope) -> Iterable[Sample]:
    if state.last_success is not None:
        yield _who(organization, state), state.last_success


def _user_failure(organization: str, state: UserState, _: Scope) -> Iterable[Sample]:
    if state.failure is not None:
        yield (*_who(organization, state), state.failure.reason.value), 1


def _own_thresholds(organization: str, state: UserState, _: Scope) -> Iterable[Sample]:
    if (own := state.user.thresholds) is not None:
        for name, value in (("warning", own.warning), ("critical", own.critical)):
            if value is not None:
                yield (*_who(organization, state), name), value


def _token_policies(organization: str, state: UserState, scope: Scope) -> Iterable[Sample]:
    if scope.policies is None:
        return
    who = _who(organization, state)
    for one in token_violations(state.user, state.tokens, scope.policies, scope.now):
        if (token := one.token) is not None:
            yield (*who, token.token_id, token.name, one.policy.value, one.severity.value), 1


def _user_policies(organization: str, state: UserState, scope: Scope) -> Iterable[Sample]:
    if scope.policies is not None:
        for one in user_violations(state.user, state.tokens, scope.policies, scope.now):
            yield (*_who(organization, state), one.policy.value, one.severity.value), 1


def _remaining(expiry: _UserSamples) -> _UserSamples:
    """The samples of an expiry family as the seconds that are left, to the millisecond."""

    def samples(organization: str, state: UserState, scope: Scope) -> Iterable[Sample]:
        for labels, expires_at in expiry(organization, state, scope):
            yield labels, round(expires_at - scope.now, 3)

    return samples


USER_FAMILIES: tuple[UserFamily, ...] = (
    UserFamily(
        "yunxiao_user_tokens",
        Kind.GAUGE,
        (*_USER, "state"),
        f"Tokens listed for the user, by state at the time of the scrape; each token is in one state. {_OWN_CLOCK}",
        "From the first successful poll of the user; all four states, 0 included.",
        ('sum by (organization) (yunxiao_user_tokens{state="never_expires"})', "tokens that nobody will ever renew"),
        samples=_user_tokens,
    ),
    UserFamily(
        "yunxiao_user_permission_tokens",
        Kind.GAUGE,
        (*_USER, "permission"),
        "Tokens not known to have expired that grant the permission; 0 where all that grant it have expired.",
        "For each permission that a listed token of the user grants.",
        ("sum by (organization, permission) (yunxiao_user_permission_tokens)", "how far each permission is spread"),
        detail=Detail.PER_PERMISSION,
        samples=_permission_tokens,
    ),
    UserFamily(
        "yunxiao_user_permission_expiry_timestamp_seconds",
        Kind.GAUGE,
        (*_USER, "permission"),
        "When the permission runs out, in seconds since the epoch: the soonest expiry among the unexpired tokens that "
        "grant it; the latest if all have expired; +Inf if only never-expiring ones grant it.",
        "For each permission that a listed token with a readable expiry grants.",
        (
            "yunxiao_user_permission_expiry_timestamp_seconds - time() < 7 * 86400",
            "permissions that somebody loses within a week",
        ),
        detail=Detail.PER_PERMISSION,
        samples=_permission_expiry,
    ),
    UserFamily(
        "yunxiao_user_permission_expires_in_seconds",
        Kind.GAUGE,
        (*_USER, "permission"),
        "Seconds until the permission runs out, worked out at the scrape; negative once it has, +Inf if never. "
        "Rules should use yunxiao_user_permission_expiry_timestamp_seconds.",
        "As `yunxiao_user_permission_expiry_timestamp_seconds`, unless `metrics.relative` is off.",
        ("sort(yunxiao_user_permission_expires_in_seconds)", "what runs out first"),
        detail=Detail.PER_PERMISSION,
        relative=True,
        samples=_remaining(_permission_expiry),
        expiry=_permission_expiry,
    ),
    UserFamily(
        "yunxiao_token_expiry_timestamp_seconds",
        Kind.GAUGE,
        _TOKEN,
        f"When the token expires, in seconds since the epoch; +Inf if never. {_OWN_CLOCK}",
        "For each listed token whose expiry can be read, expired ones too.",
        (
            "0 < yunxiao_token_expiry_timestamp_seconds - time() < 14 * 86400",
            "tokens that expire within two weeks and have not yet",
        ),
        detail=Detail.PER_TOKEN,
        samples=_token_expiry,
    ),
    UserFamily(
        "yunxiao_token_expires_in_seconds",
        Kind.GAUGE,
        _TOKEN,
        "Seconds until the token expires, worked out at the scrape; negative once it has, +Inf if never. "
        f"Rules should use yunxiao_token_expiry_timestamp_seconds. {_OWN_CLOCK}",
        "As `yunxiao_token_expiry_timestamp_seconds`, unless `metrics.relative` is off.",
        ("bottomk(10, yunxiao_token_expires_in_seconds > 0)", "the ten that die next"),
        detail=Detail.PER_TOKEN,
        relative=True,
        samples=_remaining(_token_expiry),
        expiry=_token_expiry,
    ),
    UserFamily(
        "yunxiao_token_created_timestamp_seconds",
        Kind.GAUGE,
        _TOKEN,
        f"When the token was created, in seconds since the epoch. {_OWN_CLOCK}",
        "For each listed token whose creation date can be read.",
        ("time() - yunxiao_token_created_timestamp_seconds > 365 * 86400", "tokens older than a year"),
        detail=Detail.PER_TOKEN,
        samples=_token_created,
    ),
    UserFamily(
        "yunxiao_user_up",
        Kind.GAUGE,
        _USER,
        "1 if the last poll of the user worked, 0 if it failed. After a failure the tokens last seen stay exposed.",
        "From the end of the first poll of the user, good or bad.",
        ("yunxiao_user_up == 0", "users whose numbers are not current"),
        samples=_user_up,
    ),
    UserFamily(
        "yunxiao_user_last_success_timestamp_seconds",
        Kind.GAUGE,
        _USER,
        "When the tokens of the user were last read from the platform, in seconds since the epoch.",
        "From the first successful poll of the user; stays while polls fail.",
        ("time() - yunxiao_user_last_success_timestamp_seconds > 3600", "users whose data is older than an hour"),
        samples=_last_success,
    ),
    UserFamily(
        "yunxiao_user_failure",
        Kind.GAUGE,
        (*_USER, "reason"),
        "1 while polls of the user fail, with the reason of the last failure.",
        "Only while the last poll of the user failed.",
        ("count by (organization, reason) (yunxiao_user_failure)", "why users fail"),
        samples=_user_failure,
    ),
    UserFamily(
        "yunxiao_user_alert_threshold_seconds",
        Kind.GAUGE,
        (*_USER, "threshold"),
        "Time left in seconds below which the user's tokens are worth an alert, where the user's entry says so itself; "
        "threshold is warning or critical.",
        "For each threshold in a user's entry.",
        ("yunxiao_user_alert_threshold_seconds", "for whom other thresholds hold"),
        samples=_own_thresholds,
    ),
    UserFamily(
        "yunxiao_token_policy_violation",
        Kind.GAUGE,
        (*_TOKEN, "policy", "severity"),
        "1 for each policy that the token breaks at the time of the scrape, with the severity that the configuration "
        "gives it. metrics.expiring_within does not narrow it.",
        "For each configured policy that a listed token breaks and no exception excuses.",
        (
            'count by (organization, user) (yunxiao_token_policy_violation{severity="critical"})',
            "whose tokens break what matters most",
        ),
        detail=Detail.PER_TOKEN,
        samples=_token_policies,
    ),
    UserFamily(
        "yunxiao_user_policy_violation",
        Kind.GAUGE,
        (*_USER, "policy", "severity"),
        "1 for each policy that the user's tokens together break, with the severity that the configuration gives it.",
        "For users with more tokens than `policies.max_tokens_per_user` allows.",
        ("yunxiao_user_policy_violation", "who ought to tidy up"),
        samples=_user_policies,
    ),
)

POLICY_VIOLATIONS = Family(
    "yunxiao_policy_violations",
    Kind.GAUGE,
    ("organization", "policy"),
    "Tokens that break the policy at the time of the scrape; for max_tokens_per_user, users.",
    "Always for each policy in the section `policies`; 0 where nothing breaks it.",
    ("sum by (policy) (yunxiao_policy_violations)", "what is broken how often"),
)


def policy_violations(
    organizations: Iterable[OrganizationView], policies: Policies, counts: Mapping[tuple[str, Policy], int]
) -> Iterable[Sample]:
    """The samples of `yunxiao_policy_violations`, from the counts by organization and policy."""
    for one in organizations:
        for policy in policies.configured:
            yield (one.name, policy.value), counts.get((one.name, policy), 0)


USER_LABELS = Family(
    "yunxiao_user_labels",
    Kind.GAUGE,
    _USER,
    "1, with the labels that the user's entry in the configuration carries, such as team or email.",
    "For every user, if any user's entry has `labels`. The label names are those of the entries, empty where an entry "
    "has none of that name.",
    (
        'yunxiao_user_up == 0 and on (organization, user_id) yunxiao_user_labels{team="platform"}',
        "whether a team's users are polled",
    ),
)


def user_label_names(organizations: Iterable[OrganizationView]) -> list[str]:
    """The label names of `yunxiao_user_labels` beyond those of every user, sorted."""
    return sorted({name for one in organizations for state in one.users for name, _ in state.user.labels})


def user_labels(organization: str, state: UserState, names: Iterable[str]) -> Sample:
    """The sample of `yunxiao_user_labels` for one user, with these names beyond the usual ones."""
    own = dict(state.user.labels)
    return (*_who(organization, state), *(own.get(name, "") for name in names)), 1


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
    more = ("shard",) if any(one.shard for one in organizations) else ()
    samples = [
        ((*labels, one.shard) if more else labels, value)
        for one in organizations
        for labels, value in family.samples(one)
    ]
    return samples, more


def _intervals(config: Config, now: float) -> Iterable[Sample]:  # noqa: ARG001 - one signature
    return (((one.name,), config.poll.interval) for one in config.organizations)


def _ignores(config: Config, now: float) -> Iterable[Sample]:
    active = sum(entry.holds(now) for entry in config.alerting.ignore)
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

SWEEPS = OwnFamily(
    "yunxiao_sweeps_total",
    Kind.COUNTER,
    ("organization", "result"),
    "Sweeps ended, by result: success, every user worked; partial, some failed; failed, none worked or the token was "
    "refused; cancelled, by shutdown or reload.",
    "Always.",
    ('increase(yunxiao_sweeps_total{result="failed"}[1h])', "sweeps that brought nothing"),
    known=(tuple(SweepResult),),
)
SWEEPS_SKIPPED = OwnFamily(
    "yunxiao_sweeps_skipped_total",
    Kind.COUNTER,
    ("organization",),
    "Sweeps that were due while the one before was still going, and were left out.",
    "Always.",
    ("increase(yunxiao_sweeps_skipped_total[1d])", "whether poll.interval is too short for the allowed rate"),
)
SHORTEST_INTERVAL = OwnFamily(
    "yunxiao_sweep_shortest_interval_seconds",
    Kind.GAUGE,
    ("organization",),
    "Shortest poll.interval in seconds in which limits.requests_per_second allows every user to be asked once.",
    "Always; 0 without a limit.",
    ("yunxiao_sweep_shortest_interval_seconds > yunxiao_sweep_interval_seconds", "intervals that cannot be kept"),
)
API_REQUESTS = OwnFamily(
    "yunxiao_api_requests_total",
    Kind.COUNTER,
    ("organization", "operation", "code"),
    'Requests to the platform, retries included, by HTTP status; code "error" where no whole answer came.',
    "Always for code 200; others from their first time.",
    ("sum by (organization, code) (rate(yunxiao_api_requests_total[5m]))", "load on the platform and how it answers"),
    known=(OPERATIONS, ("200",)),
)
API_DURATION = OwnFamily(
    "yunxiao_api_request_duration_seconds",
    Kind.HISTOGRAM,
    ("organization", "operation"),
    "How long requests to the platform took, in seconds, from sending to the last byte or the failure.",
    "Always.",
    (
        "histogram_quantile(0.95, sum by (organization, le) (rate(yunxiao_api_request_duration_seconds_bucket[5m])))",
        "how slow the platform is for one in twenty requests",
    ),
    known=(OPERATIONS,),
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
API_RETRIES = OwnFamily(
    "yunxiao_api_retries_total",
    Kind.COUNTER,
    ("organization",),
    "Requests made again after a failure that may pass.",
    "Always.",
    ("rate(yunxiao_api_retries_total[5m])", "trouble that retries still hide"),
)
API_ERRORS = OwnFamily(
    "yunxiao_api_errors_total",
    Kind.COUNTER,
    ("organization", "reason"),
    "Requests to the platform that failed, by reason.",
    "Always; each reason starts at 0.",
    ("increase(yunxiao_api_errors_total[1h]) > 0", "what has been going wrong"),
    known=(tuple(reason for reason in Reason if reason is not Reason.INTERNAL),),
)
PARSE_ERRORS = OwnFamily(
    "yunxiao_parse_errors_total",
    Kind.COUNTER,
    ("organization", "field"),
    "Fields of listed tokens that could not be read; token and token_id mean that the whole entry was left out, user "
    "that a listed user, organization or department without an id was.",
    "Always; each field starts at 0.",
    ('increase(yunxiao_parse_errors_total{field="expired_at"}[1d]) > 0', "tokens whose expiry nobody watches"),
    known=(PARSE_FIELDS,),
)
TOKEN_EVENTS = OwnFamily(
    "yunxiao_token_events_total",
    Kind.COUNTER,
    ("organization", "event"),
    "Changes of tokens that polls have found since the start of the exporter; /api/v1/events has the last ones. What a "
    "user has at their first successful poll is no event.",
    "Always; each event starts at 0.",
    (
        'increase(yunxiao_token_events_total{event="permissions_widened"}[1d]) > 0',
        "whether a token was granted more",
    ),
    known=(tuple(Change),),
)
FILE_ERRORS = OwnFamily(
    "yunxiao_exporter_file_errors_total",
    Kind.COUNTER,
    ("organization", "kind"),
    "Times that a token file or user file went bad while running; what it last said stays in force.",
    "Always.",
    ("increase(yunxiao_exporter_file_errors_total[1h]) > 0", "a secret or list that was not replaced as it should"),
    known=(("token_file", "users_file"),),
)
INTERNAL_ERRORS = OwnFamily(
    "yunxiao_exporter_internal_errors_total",
    Kind.COUNTER,
    ("where",),
    "Defects of the exporter that it met and survived, by the part that caught them; the log has the traceback.",
    "Always.",
    ("increase(yunxiao_exporter_internal_errors_total[1d]) > 0", "defects to report"),
    known=(("poll", "sweep", "watch", "reload", "alerts", "notify", "discovery"),),
)
BUILD_INFO = OwnFamily(
    "yunxiao_exporter_build_info",
    Kind.GAUGE,
    ("version", "python_version"),
    "1, with the versions of the exporter and of Python.",
    "Always.",
    ("count by (version) (yunxiao_exporter_build_info)", "which versions run"),
)
LEADER = OwnFamily(
    "yunxiao_exporter_leader",
    Kind.GAUGE,
    (),
    "1 while this process polls, 0 while it stands by for another replica.",
    "Always; 1 without `redis`.",
    ("sum(yunxiao_exporter_leader)", "whether as many poll as there are shards"),
)
REDIS_UP = OwnFamily(
    "yunxiao_exporter_redis_up",
    Kind.GAUGE,
    (),
    "1 if Redis answered when it was last asked, 0 if not.",
    "Where `redis` is configured.",
    ("yunxiao_exporter_redis_up == 0", "processes that do not hear of each other"),
)
RELOAD_SUCCESSFUL = OwnFamily(
    "yunxiao_exporter_config_last_reload_successful",
    Kind.GAUGE,
    (),
    "1 if the last attempt to load the configuration worked, 0 if an older one is still in force.",
    "Always.",
    ("yunxiao_exporter_config_last_reload_successful == 0", "a configuration file that is not in force"),
)
RELOAD_TIME = OwnFamily(
    "yunxiao_exporter_config_last_reload_success_timestamp_seconds",
    Kind.GAUGE,
    (),
    "When the configuration in force was loaded, in seconds since the epoch.",
    "Always.",
    ("time() - yunxiao_exporter_config_last_reload_success_timestamp_seconds", "age of the configuration in force"),
)

STORAGE_ERRORS = OwnFamily(
    "yunxiao_storage_errors_total",
    Kind.COUNTER,
    (),
    "Times that the storage file could not be read or written; what could not be written is kept and tried again.",
    "Always.",
    ("increase(yunxiao_storage_errors_total[1h]) > 0", "state that a restart would lose"),
)
LEFT_OUT = OwnFamily(
    "yunxiao_exporter_family_left_out",
    Kind.GAUGE,
    ("family",),
    "1 if the family is left out of the scrape because all series together would be more than metrics.max_series.",
    "For each family with a series a token or permission that is enabled.",
    ("yunxiao_exporter_family_left_out == 1", "numbers that are missing because there are too many"),
)
_ALERTMANAGER = "Only with `alerting.alertmanagers`."
NOTIFICATIONS_SENT = OwnFamily(
    "yunxiao_notifications_sent_total",
    Kind.COUNTER,
    ("alertmanager",),
    "Alerts that Alertmanager took, re-sent and resolved ones included.",
    _ALERTMANAGER,
    ("rate(yunxiao_notifications_sent_total[5m])", "whether Alertmanager is being told"),
)
NOTIFICATIONS_ERRORS = OwnFamily(
    "yunxiao_notifications_errors_total",
    Kind.COUNTER,
    ("alertmanager",),
    "Alerts that could not be delivered; they are sent again with the next re-send.",
    _ALERTMANAGER,
    ("increase(yunxiao_notifications_errors_total[15m]) > 0", "an Alertmanager that cannot be reached"),
)
NOTIFICATIONS_DROPPED = OwnFamily(
    "yunxiao_notifications_dropped_total",
    Kind.COUNTER,
    ("alertmanager",),
    "Alerts given up: the queue was full, or Alertmanager refused them.",
    _ALERTMANAGER,
    ("increase(yunxiao_notifications_dropped_total[1h]) > 0", "alerts that nobody heard of"),
)
NOTIFICATIONS_QUEUE = OwnFamily(
    "yunxiao_notifications_queue_length",
    Kind.GAUGE,
    ("alertmanager",),
    "Alerts that wait for delivery.",
    _ALERTMANAGER,
    ("yunxiao_notifications_queue_length / yunxiao_notifications_queue_capacity", "how full the queue is"),
)
NOTIFICATIONS_CAPACITY = OwnFamily(
    "yunxiao_notifications_queue_capacity",
    Kind.GAUGE,
    (),
    "Alerts that can wait for one Alertmanager.",
    _ALERTMANAGER,
    ("yunxiao_notifications_queue_capacity", "the size of the queue"),
)
NOTIFICATIONS_LATENCY = OwnFamily(
    "yunxiao_notifications_latency_seconds",
    Kind.HISTOGRAM,
    ("alertmanager",),
    "How long the delivery of a batch took, in seconds.",
    _ALERTMANAGER,
    (
        "histogram_quantile(0.95, sum by (alertmanager, le) (rate(yunxiao_notifications_latency_seconds_bucket[5m])))",
        "how slow an Alertmanager is",
    ),
    buckets=(0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0),
)
ALERTS_FIRING = OwnFamily(
    "yunxiao_alerts_firing",
    Kind.GAUGE,
    ("alertname",),
    "Alerts that the exporter itself holds to be firing, by name.",
    _ALERTMANAGER,
    ("sum by (alertname) (yunxiao_alerts_firing)", "what Alertmanager should know of"),
)

OWN_FAMILIES: tuple[OwnFamily, ...] = (
    NOTIFICATIONS_SENT,
    NOTIFICATIONS_ERRORS,
    NOTIFICATIONS_DROPPED,
    NOTIFICATIONS_QUEUE,
    NOTIFICATIONS_CAPACITY,
    NOTIFICATIONS_LATENCY,
    ALERTS_FIRING,
    SWEEPS,
    SWEEPS_SKIPPED,
    SHORTEST_INTERVAL,
    API_REQUESTS,
    API_DURATION,
    API_RETRIES,
    API_ERRORS,
    PARSE_ERRORS,
    TOKEN_EVENTS,
    FILE_ERRORS,
    INTERNAL_ERRORS,
    STORAGE_ERRORS,
    LEFT_OUT,
    BUILD_INFO,
    LEADER,
    REDIS_UP,
    RELOAD_SUCCESSFUL,
    RELOAD_TIME,
)

ALL_FAMILIES: tuple[Family, ...] = (
    *USER_FAMILIES,
    USER_LABELS,
    POLICY_VIOLATIONS,
    *ORGANIZATION_FAMILIES,
    *CONFIG_FAMILIES,
    *OWN_FAMILIES,
)
