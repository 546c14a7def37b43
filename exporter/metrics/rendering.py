"""The series of one user as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.config.alerting import PolicyAlerts
from exporter.metrics.families.alerts import (
    alerted_violations,
    counted_not_removed,
    next_alert_change,
    next_poll_change,
)
from exporter.metrics.families.base import AlertScope, Scope
from exporter.metrics.families.users import USER_FAMILIES, USER_LABELS, user_labels
from exporter.metrics.lines import lines
from exporter.metrics.policy_summary import offence_not_removed, offences
from exporter.model.labels import user_values
from exporter.model.token import NEVER
from exporter.policies.evaluate import next_change

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.config.schema import Config, Metrics
    from exporter.metrics.families.base import Sample, UserFamily
    from exporter.metrics.policy_summary import Offences
    from exporter.model.state import UserState
    from exporter.policies.base import Policy
    from exporter.policies.schema import Policies


@dataclass(frozen=True, slots=True)
class Plan:
    """What the configuration enables: switches, policies, and the resulting families about users.

    Attributes:
        switches: the section `metrics`.
        policies: the section `policies`.
        alerts: what the families for alert rules depend on.
        families: all enabled families about users, in the order of a scrape.
        columns: those whose text is kept: all but the relative ones.
        sources: for each of the families, the position of its column; a relative family has that of its expiry.
        outcomes: the positions of the columns that depend on the outcome of polls only.
    """

    switches: Metrics
    policies: Policies
    alerts: AlertScope
    families: tuple[UserFamily, ...]
    columns: tuple[UserFamily, ...]
    sources: tuple[int, ...]
    outcomes: tuple[int, ...]

    @classmethod
    def of(cls, config: Config, source: str) -> Plan:
        """The plan for a configuration; ``source`` identifies this process in entries for alert rules."""
        families = tuple(family for family in USER_FAMILIES if family.enabled(config.metrics))
        columns = tuple(family for family in families if not family.relative)
        positions = {family.samples: position for position, family in enumerate(columns)}
        return cls(
            config.metrics,
            config.policies,
            AlertScope.of(config, source),
            families,
            columns,
            tuple(positions[family.expiry or family.samples] for family in families),
            tuple(position for position, family in enumerate(columns) if family.about_poll),
        )

    def matches(self, config: Config) -> bool:
        """Whether the configuration would give the same plan."""
        return (
            self.switches == config.metrics
            and self.policies == config.policies
            and self.alerts == AlertScope.of(config, self.alerts.source)
        )

    def scope(self, now: float) -> Scope:
        """What samples are computed for at the time ``now``, in epoch seconds."""
        return Scope(now, self.switches.expiring_within, self.policies, self.alerts if self.switches.alerts else None)


@dataclass(frozen=True, slots=True)
class RenderedUser:
    """The text of one user.

    Attributes:
        lines: complete lines for each of the plan's columns.
        valid_until: epoch seconds at which a token expires or enters the window or a stage, or a policy's result
            changes.
        polls_until: the same for the columns that depend on the outcome of polls only.
        broken: the violated policies, each once per violation.
        offences: the violations, and the tokens not removed, that no entry of `alerting.ignore` silences.
    """

    lines: tuple[bytes, ...]
    valid_until: float
    polls_until: float
    broken: tuple[type[Policy], ...]
    offences: Offences


def render_user(organization: str, state: UserState, plan: Plan, now: float) -> RenderedUser:
    """Render one user at the time ``now``, in epoch seconds."""
    scope = plan.scope(now)
    expiries = (one.expires_at for one in state.credentials)
    changes = [expires_at for expires_at in expiries if expires_at is not None and expires_at != NEVER]
    if scope.within is not None:
        changes += [expires_at - scope.within for expires_at in changes]
    changes += [next_change(state.tokens, plan.policies, now, state.user), next_alert_change(state, scope)]
    valid_until = min((change for change in changes if change > scope.now), default=NEVER)
    text = tuple([_lines(family, state, family.samples(organization, state, scope)) for family in plan.columns])
    broken = tuple([one.policy for one in scope.violations(state)])
    _check_labels(organization, state)
    found = offences(state, alerted_violations(state, scope), plan.policies, now) if broken else ()
    if (some := counted_not_removed(state, scope, PolicyAlerts.PER_POLICY)) is not None:
        found += ((None, offence_not_removed(some, plan.alerts.zone(organization))),)
    return RenderedUser(text, valid_until, next_poll_change(state, scope), broken, found)


def _check_labels(organization: str, state: UserState) -> None:
    """Raise if the user's line of `yunxiao_user_labels` cannot be rendered: its label names depend on all users."""
    if state.user.labels:
        label_lines(organization, state, label_names(state))
    else:
        "".join(user_values(organization, state.user)).encode()


def render_outcome(organization: str, state: UserState, plan: Plan, now: float) -> tuple[dict[int, bytes], float]:
    """Render the columns that depend on the outcome of polls only.

    Returns:
        Their text by their position, and the epoch seconds from which it may differ.
    """
    scope = plan.scope(now)
    text = {
        position: _lines(family := plan.columns[position], state, family.samples(organization, state, scope))
        for position in plan.outcomes
    }
    return text, next_poll_change(state, scope)


def _lines(family: UserFamily, state: UserState, samples: Iterable[Sample]) -> bytes:
    """The lines of a family, with the labels of the user's entry if it shows them."""
    own = dict(state.user.labels) if family.labelled else {}
    if not own:
        return lines(family, samples)
    more = tuple([name for name in own if name not in family.labels])
    values = tuple([own[name] for name in more])
    found = [
        (
            (*[own.get(name, value) for name, value in zip(family.labels, labels, strict=True)], *values),
            number,
        )
        for labels, number in samples
    ]
    return lines(family, found, more)


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
