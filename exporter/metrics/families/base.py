"""The declaration of a family, and its variants by the source of the samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

from exporter.model.state import UserState
from exporter.model.token import Token
from exporter.policies.evaluate import Violation, violations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.config.alerting import Alerting
    from exporter.config.schema import Config, Metrics, Poll
    from exporter.model.snapshot import OrganizationView
    from exporter.model.user import User
    from exporter.policies.schema import Policies


Sample = tuple[tuple[str, ...], float]
"""Label values, in the order of the family's labels, and the value."""


@dataclass(frozen=True, slots=True)
class AlertScope:
    """What the families that alert rules are based on depend on, beyond the state of users and the time.

    Attributes:
        source: identifies this process among those that expose the same users.
        alerting: thresholds, silences and which alerts are on; without the receivers, which change no series.
        poll: how often users are polled.
        zones: the time zone of each organization, by its name.
    """

    source: str
    alerting: Alerting
    poll: Poll
    zones: Mapping[str, ZoneInfo]

    @classmethod
    def of(cls, config: Config, source: str) -> AlertScope:
        """The scope of a configuration."""
        alerting = config.alerting.model_copy(update={"alertmanagers": (), "labels": {}, "runbook_base_url": ""})
        zones = {one.name: ZoneInfo(one.timezone) for one in config.organizations}
        return cls(source, alerting, config.poll, zones)

    def zone(self, organization: str) -> ZoneInfo:
        """The time zone of an organization. In the middle of a reload there may be one that is not configured."""
        return self.zones.get(organization, _UTC)


@dataclass(frozen=True, slots=True)
class Scope:
    """The time that samples are computed for, and which tokens they cover.

    Attributes:
        now: epoch seconds.
        within: seconds; only tokens that expire within them, or have expired, get their own series. None for all.
        policies: the configured policies; None for none.
        alerts: what families for alert rules depend on; None if there are none.
    """

    now: float
    within: float | None = None
    policies: Policies | None = None
    alerts: AlertScope | None = None
    _found: list[tuple[UserState, tuple[Violation, ...]]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def violations(self, state: UserState) -> tuple[Violation, ...]:
        """The violations of a user; computed once for all families that are about them."""
        if self.policies is None or not self.policies.enabled:
            return ()
        if not self._found or self._found[0][0] is not state:
            found = violations(state.user, state.tokens, self.policies, self.now, state.unexpired_left_out)
            self._found[:] = [(state, found)]
        return self._found[0][1]

    def shows(self, expires_at: float | None) -> bool:
        """Whether a token or permission with this expiry gets its own series; always true if it is unreadable."""
        return self.within is None or expires_at is None or expires_at <= self.now + self.within


class Kind(StrEnum):
    """The type of a family, as Prometheus names it."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Detail(StrEnum):
    """The switch in the section `metrics` that enables a family."""

    PER_TOKEN = "per_token"  # noqa: S105 - the name of a switch
    PER_PERMISSION = "per_permission"
    PERMISSION_LOST = "permission_lost"


@dataclass(frozen=True, slots=True)
class Family:
    """The declaration of a family.

    Attributes:
        name: the full name; a counter's ends in `_total`.
        kind: the type.
        labels: label names in order.
        help: the meaning of the value, with its unit.
        present: when it has samples.
        query: a PromQL query that uses it, and what it shows.
        detail: the switch that enables it, if there is one.
        relative: whether the value changes continuously with time.
        for_alerts: whether it is one of the families that alert rules are based on; `metrics.alerts` enables them.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    present: str
    query: tuple[str, str]
    detail: Detail | None = None
    relative: bool = False
    for_alerts: bool = False

    def enabled(self, switches: Metrics) -> bool:
        """Whether the configuration enables the family."""
        if self.relative and not switches.relative:
            return False
        if self.for_alerts and not switches.alerts:
            return False
        return self.detail is None or bool(getattr(switches, self.detail.value))


_UTC = ZoneInfo("UTC")
UserSamples = Callable[[str, UserState, Scope], Iterable[Sample]]
C = TypeVar("C", bound=Token)


def times(
    held: Callable[[UserState], Iterable[C]],
    values: Callable[[str, User, C], tuple[str, ...]],
    time_of: Callable[[C], float | None],
) -> UserSamples:
    """The samples of a family about one time of each token or key that the scope shows.

    Args:
        held: what the user holds, each set of labels once.
        values: the values of the labels, from the organization, the user and one of these.
        time_of: the time, in epoch seconds; one without it has no sample.
    """

    def samples(organization: str, state: UserState, scope: Scope) -> Iterable[Sample]:
        for one in held(state):
            time = time_of(one)
            if time is not None and scope.shows(one.expires_at):
                yield values(organization, state.user, one), time

    return samples


def remaining(expiry: UserSamples) -> UserSamples:
    """The samples of an expiry family as remaining seconds, rounded to milliseconds."""

    def samples(organization: str, state: UserState, scope: Scope) -> Iterable[Sample]:
        for values, expires_at in expiry(organization, state, scope):
            yield values, round(expires_at - scope.now, 3)

    return samples


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFamily(Family):
    """A family with samples for each user.

    Attributes:
        samples: computes the samples of a user from the organization's name, the user's state and the scope. Unless the
            family is relative, the time changes them only when a token expires or enters the window, or when the
            result of a policy changes.
        expiry: for a relative family, the function `samples` of the family with the epoch seconds that its values count
            down to; both families have the same labels and switch.
        about_poll: whether the samples depend only on the user, on the outcome of polls and on the time, not on what
            the user holds. They may change with every poll, those of other families rarely do.
        labelled: whether the labels of the user's entry are added to those of the family. If they have the same name,
            the value in the user's entry is shown.
    """

    samples: UserSamples
    expiry: UserSamples | None = None
    about_poll: bool = False
    labelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationFamily(Family):
    """A family with samples for each organization.

    Attributes:
        samples: computes the samples of an organization from its snapshot.
    """

    samples: Callable[[OrganizationView], Iterable[Sample]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFamily(Family):
    """A family about the configuration.

    Attributes:
        samples: computes the samples from the configuration in effect and the time in epoch seconds.
    """

    samples: Callable[[Config, float], Iterable[Sample]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFamily(Family):
    """A family that the exporter counts about itself, through `exporter.metrics.instruments`.

    Attributes:
        known: the values that each label can take, so that all series start at 0; without the label whose values come
            and go, such as `organization`. Empty if they are not known in advance.
        buckets: upper bounds of a histogram, in seconds.
        optional: whether the family appears with its first value only.
    """

    known: tuple[tuple[str, ...], ...] = ()
    buckets: tuple[float, ...] = ()
    optional: bool = False
