"""Series as text, in UTF-8. The text of each user is rendered when the user's state changes and kept until then.

Lines of gauges are the same in the text format and in OpenMetrics, so one text serves both.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from exporter.metrics.families.base import Scope
from exporter.metrics.families.users import USER_FAMILIES, USER_LABELS, user_labels
from exporter.model.token import NEVER
from exporter.policies.evaluate import next_change, violations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.common.clock import Clock
    from exporter.config.schema import Config, Metrics
    from exporter.metrics.families.base import Family, Sample, UserFamily
    from exporter.model.snapshot import OrganizationView
    from exporter.model.state import UserState
    from exporter.model.user import UserKey
    from exporter.policies.base import Policy
    from exporter.policies.schema import Policies

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Lines:
    """One user's lines of one family.

    Attributes:
        text: complete lines. Bytes, since joining strings that contain Chinese names would widen all of them.
        open_lines: lines without their value, each with the epoch seconds that the value counts down to.
        series: the number of series in both.
    """

    text: bytes
    open_lines: tuple[tuple[bytes, float], ...]
    series: int


_NO_LINES = Lines(b"", (), 0)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the configuration enables: switches, policies, and the resulting families about users."""

    switches: Metrics
    policies: Policies
    families: tuple[UserFamily, ...]

    @classmethod
    def of(cls, config: Config) -> Plan:
        """The plan for a configuration."""
        enabled = tuple(family for family in USER_FAMILIES if family.enabled(config.metrics))
        return cls(config.metrics, config.policies, enabled)

    def matches(self, config: Config) -> bool:
        """Whether the configuration would give the same plan."""
        return self.switches == config.metrics and self.policies == config.policies


@dataclass(frozen=True, slots=True)
class RenderedUser:
    """The text of one user.

    Attributes:
        plan: the plan it was rendered for.
        state: the state it was rendered from.
        rendered_at: epoch seconds; the text is not used before them, in case the clock is set back.
        valid_until: epoch seconds at which a token expires or enters the window, or a policy's result changes.
        lines: the lines of each of the plan's families, in their order.
        organization: the name.
        broken: the violated policies, each once per violation.
        failed: whether rendering failed; the user has no lines then.
    """

    plan: Plan
    state: UserState
    rendered_at: float
    valid_until: float
    lines: tuple[Lines, ...]
    organization: str
    broken: tuple[type[Policy], ...]
    failed: bool = False

    @property
    def key(self) -> UserKey:
        """The organization's name and the user's id."""
        return self.organization, self.state.user.user_id


class RenderedUsers:
    """Keeps the text of every user.

    `update` and `forget` may be called by any thread at any time; all else by one thread at a time.

    Args:
        clock: the time to render for.
        internal_error: counts users that cannot be rendered.
    """

    def __init__(self, clock: Clock, internal_error: Callable[[str], None]) -> None:
        self._clock = clock
        self._internal_error = internal_error
        self._plan: Plan | None = None
        # Not guarded: `update` replaces single entries while `current` works on a copy.
        self._users: dict[UserKey, RenderedUser] = {}

    def __len__(self) -> int:
        return len(self._users)

    def plan_for(self, config: Config) -> Plan:
        """The plan for a configuration: the same object until something changes."""
        if self._plan is None or not self._plan.matches(config):
            self._plan = Plan.of(config)
        return self._plan

    def update(self, organization: str, state: UserState) -> None:
        """Render a user whose state has changed, so that the next scrape need not."""
        if (plan := self._plan) is not None:
            self._users[organization, state.user.user_id] = self._render(organization, state, plan, self._clock.now())

    def forget(self, organization: str, user_ids: Iterable[str] | None = None) -> None:
        """Drop the text of these users, or of all users of an organization."""
        if user_ids is None:
            user_ids = [user_id for name, user_id in self._users.copy() if name == organization]
        for user_id in user_ids:
            self._users.pop((organization, user_id), None)

    def current(self, organizations: Iterable[OrganizationView], plan: Plan, now: float) -> list[RenderedUser]:
        """The text of all users at the time ``now``; renders what is missing or outdated and drops removed users."""
        # A copy: updates during a long pass bring newer text, which this pass must neither use nor overwrite.
        before = self._users.copy()
        found: dict[UserKey, RenderedUser] = {}
        for organization in organizations:
            name = organization.name
            for state in organization.users:
                key = (name, state.user.user_id)
                one = before.get(key)
                if (
                    one is None
                    or one.state is not state
                    or one.plan is not plan
                    or not one.rendered_at <= now < one.valid_until
                ):
                    outdated, one = one, self._render(name, state, plan, now)
                    if self._users.get(key) is outdated:
                        self._users[key] = one
                found[key] = one
        for key in before.keys() - found.keys():
            self._users.pop(key, None)
        return list(found.values())

    def _render(self, organization: str, state: UserState, plan: Plan, now: float) -> RenderedUser:
        """Render one user. If that fails, the user has no lines; other users are not affected."""
        try:
            return render_user(organization, state, plan, now)
        except Exception:  # noqa: BLE001 - one user must not fail the scrape; it is counted
            before = self._users.get((organization, state.user.user_id))
            if before is None or not before.failed or before.state is not state:
                self._internal_error("render")
            if before is None or not before.failed:
                _log.exception(
                    "a user's series cannot be rendered and are left out until the user's state changes",
                    organization=organization,
                    user_id=state.user.user_id,
                )
            no_lines = (_NO_LINES,) * len(plan.families)
            return RenderedUser(plan, state, now, NEVER, no_lines, organization, (), failed=True)


def render_user(organization: str, state: UserState, plan: Plan, now: float) -> RenderedUser:
    """Render one user at the time ``now``, in epoch seconds."""
    scope = Scope(now, plan.switches.expiring_within, plan.policies)
    expiries = (one.expires_at for one in state.credentials)
    changes = [expires_at for expires_at in expiries if expires_at is not None and expires_at != NEVER]
    if scope.within is not None:
        changes += [expires_at - scope.within for expires_at in changes]
    changes.append(next_change(state.tokens, plan.policies, now))
    valid_until = min((change for change in changes if change > scope.now), default=NEVER)
    lines = tuple(_lines(family, organization, state, scope) for family in plan.families)
    broken = tuple(
        [one.policy for one in violations(state.user, state.tokens, plan.policies, now, state.unexpired_left_out)]
    )
    # Not kept, since the label names depend on all users; rendered here so that a user who cannot be fails here.
    line(USER_LABELS, user_labels(organization, state, names := [name for name, _ in state.user.labels]), names)
    return RenderedUser(plan, state, now, valid_until, lines, organization, broken)


def _lines(family: UserFamily, organization: str, state: UserState, scope: Scope) -> Lines:
    if family.expiry is None:
        lines = [
            f"{_series(family, labels)} {_number(value)}\n"
            for labels, value in family.samples(organization, state, scope)
        ]
        return Lines("".join(lines).encode(), (), len(lines)) if lines else _NO_LINES
    text, open_lines, series = [], [], 0
    for labels, until in family.expiry(organization, state, scope):
        start = f"{_series(family, labels)} "
        series += 1
        if until == NEVER:
            text.append(f"{start}+Inf\n")
        else:
            open_lines.append((start.encode(), float(until)))
    return Lines("".join(text).encode(), tuple(open_lines), series) if series else _NO_LINES


def head(family: Family) -> bytes:
    """The HELP and TYPE lines of a family."""
    text = family.help.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {family.name} {text}\n# TYPE {family.name} {family.kind}\n".encode()


def line(family: Family, sample: Sample, more: Iterable[str] = ()) -> bytes:
    """One sample; ``more`` are label names beyond those of the family."""
    labels, value = sample
    return f"{_series(family, labels, more)} {_number(value)}\n".encode()


def block(family: Family, samples: Iterable[Sample], more: Iterable[str] = ()) -> bytes:
    """A family with all its samples; ``more`` are label names beyond those of the family."""
    names = tuple(more)
    return head(family) + b"".join([line(family, sample, names) for sample in samples])


def _series(family: Family, values: Iterable[str], more: Iterable[str] = ()) -> str:
    template, order = _template(family.name, (*family.labels, *more))
    escaped = [_escaped(value) for value in values]
    return template % tuple([escaped[position] for position in order])


@functools.lru_cache(maxsize=256)
def _template(name: str, labels: tuple[str, ...]) -> tuple[str, tuple[int, ...]]:
    """A format string for a family's series, and the positions of the label values in its order.

    Labels are in alphabetical order, as prometheus_client writes them.
    """
    order = sorted(range(len(labels)), key=labels.__getitem__)
    pairs = ",".join([f'{labels[position]}="%s"' for position in order])
    return f"{name}{{{pairs}}}" if pairs else name, tuple(order)


@functools.lru_cache(maxsize=4096)
def _escaped(value: str) -> str:
    """A label value, escaped for both formats."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return "+Inf" if value == NEVER else repr(float(value))
