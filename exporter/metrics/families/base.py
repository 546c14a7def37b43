"""What a family is, and which sorts of them there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from exporter.model.state import UserState

if TYPE_CHECKING:
    from exporter.config.schema import Config, Metrics
    from exporter.model.snapshot import OrganizationView
    from exporter.policies.schema import Policies


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


UserSamples = Callable[[str, UserState, Scope], Iterable[Sample]]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFamily(Family):
    """A family with samples for each user.

    Attributes:
        samples: organization's name, a user's state and what is wanted, to that user's samples. They change with the
            state, and with the time only when a token expires or enters the window, or a policy's verdict changes,
            unless the family is relative.
        expiry: for a relative family, the samples in epoch seconds that its values count down to.
    """

    samples: UserSamples
    expiry: UserSamples | None = None


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
        known: the values that each label can take, so that all series start at 0; without the label whose values come
            and go, such as `organization`. Empty if they are not known in advance.
        buckets: upper bounds of a histogram, in seconds.
        optional: whether the family appears with its first value only.
    """

    known: tuple[tuple[str, ...], ...] = ()
    buckets: tuple[float, ...] = ()
    optional: bool = False
