"""The series of one user as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.metrics.families.base import Scope
from exporter.metrics.families.users import USER_FAMILIES, USER_LABELS, user_labels
from exporter.metrics.lines import lines
from exporter.model.labels import user_values
from exporter.model.token import NEVER
from exporter.policies.evaluate import next_change

if TYPE_CHECKING:
    from exporter.config.schema import Config, Metrics
    from exporter.metrics.families.base import UserFamily
    from exporter.model.state import UserState
    from exporter.policies.base import Policy
    from exporter.policies.schema import Policies


@dataclass(frozen=True, slots=True)
class Plan:
    """What the configuration enables: switches, policies, and the resulting families about users.

    Attributes:
        switches: the section `metrics`.
        policies: the section `policies`.
        families: all enabled families about users, in the order of a scrape.
        columns: those whose text is kept: all but the relative ones.
        sources: for each of the families, the position of its column; a relative family has that of its expiry.
        outcomes: the positions of the columns that depend on the outcome of polls only.
    """

    switches: Metrics
    policies: Policies
    families: tuple[UserFamily, ...]
    columns: tuple[UserFamily, ...]
    sources: tuple[int, ...]
    outcomes: tuple[int, ...]

    @classmethod
    def of(cls, config: Config) -> Plan:
        """The plan for a configuration."""
        families = tuple(family for family in USER_FAMILIES if family.enabled(config.metrics))
        columns = tuple(family for family in families if not family.relative)
        positions = {family.samples: position for position, family in enumerate(columns)}
        return cls(
            config.metrics,
            config.policies,
            families,
            columns,
            tuple(positions[family.expiry or family.samples] for family in families),
            tuple(position for position, family in enumerate(columns) if family.about_poll),
        )

    def matches(self, config: Config) -> bool:
        """Whether the configuration would give the same plan."""
        return self.switches == config.metrics and self.policies == config.policies


@dataclass(frozen=True, slots=True)
class RenderedUser:
    """The text of one user.

    Attributes:
        lines: complete lines for each of the plan's columns.
        valid_until: epoch seconds at which a token expires or enters the window, or a policy's result changes.
        broken: the violated policies, each once per violation.
    """

    lines: tuple[bytes, ...]
    valid_until: float
    broken: tuple[type[Policy], ...]


def render_user(organization: str, state: UserState, plan: Plan, now: float) -> RenderedUser:
    """Render one user at the time ``now``, in epoch seconds."""
    scope = Scope(now, plan.switches.expiring_within, plan.policies)
    expiries = (one.expires_at for one in state.credentials)
    changes = [expires_at for expires_at in expiries if expires_at is not None and expires_at != NEVER]
    if scope.within is not None:
        changes += [expires_at - scope.within for expires_at in changes]
    changes.append(next_change(state.tokens, plan.policies, now, state.user))
    valid_until = min((change for change in changes if change > scope.now), default=NEVER)
    text = tuple([lines(family, family.samples(organization, state, scope)) for family in plan.columns])
    _check_labels(organization, state)
    return RenderedUser(text, valid_until, tuple([one.policy for one in scope.violations(state)]))


def _check_labels(organization: str, state: UserState) -> None:
    """Raise if the user's line of `yunxiao_user_labels` cannot be rendered: its label names depend on all users."""
    if state.user.labels:
        label_lines(organization, state, label_names(state))
    else:
        "".join(user_values(organization, state.user)).encode()


def render_outcome(organization: str, state: UserState, plan: Plan, now: float) -> dict[int, bytes]:
    """Render the columns that depend on the outcome of polls only, by their position."""
    scope = Scope(now)
    return {
        position: lines(family := plan.columns[position], family.samples(organization, state, scope))
        for position in plan.outcomes
    }


def same_holdings(one: UserState, other: UserState) -> bool:
    """Whether two states of a user differ in the outcome of polls at most: all other columns have the same text."""
    return (
        one.tokens == other.tokens
        and one.user == other.user
        and one.left_out == other.left_out
        and one.ssh_keys == other.ssh_keys
        and (one.last_success is None) == (other.last_success is None)
    )


def label_names(state: UserState) -> tuple[str, ...]:
    """The names of the user's own labels."""
    return tuple([name for name, _ in state.user.labels])


def label_lines(organization: str, state: UserState, names: tuple[str, ...]) -> bytes:
    """The user's line of `yunxiao_user_labels` with these label names."""
    return lines(USER_LABELS, (user_labels(organization, state, names),), names)
