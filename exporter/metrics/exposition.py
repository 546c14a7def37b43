"""A scrape's body at the speed of memory.

The text of each user's series is made when the user's state changes and kept. A scrape joins these texts and works out
only what changes with every second: the seconds that are left. Lines of gauges look the same in the text format and in
OpenMetrics, so one text serves both; the exporter's own few series are written by prometheus_client.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from exporter.metrics.encoding import Format, gzip_accepted, gzipped, preferred_format
from exporter.metrics.families import (
    CONFIG_FAMILIES,
    ORGANIZATION_FAMILIES,
    POLICY_VIOLATIONS,
    USER_FAMILIES,
    USER_LABELS,
    USERS_LEFT_OUT,
    Family,
    Scope,
    UserFamily,
    organization_samples,
    policy_violations,
    user_label_names,
    user_labels,
    users_left_out,
)
from exporter.metrics.series_limit import NOTHING as NOTHING_LEFT_OUT
from exporter.metrics.series_limit import left_out
from exporter.model.token import NEVER
from exporter.policies.evaluate import next_change, violations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from prometheus_client import CollectorRegistry

    from exporter.common.clock import Clock
    from exporter.config.schema import Config, Metrics
    from exporter.metrics.families import Sample
    from exporter.metrics.series_limit import UserKey
    from exporter.model.snapshot import OrganizationView
    from exporter.model.state import UserState
    from exporter.policies.base import Policy
    from exporter.policies.schema import Policies
    from exporter.state.store import Store

_log = structlog.get_logger(__name__)
_NAMED = 5
_EOF = b"# EOF\n"


@dataclass(frozen=True, slots=True)
class Body:
    """What answers a scrape."""

    content: bytes
    content_type: str
    encoding: str | None


@dataclass(frozen=True, slots=True)
class _Piece:
    """One user's part of one family: lines that stay, and lines that want a number at their end.

    Attributes:
        text: whole lines, in UTF-8: joining bytes copies them, joining text with Chinese names in it widens all of it.
        open_lines: lines without their value, and the epoch seconds that the value counts down to.
        series: how many there are of both.
    """

    text: bytes
    open_lines: tuple[tuple[bytes, float], ...]
    series: int


_NOTHING = _Piece(b"", (), 0)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which families are enabled, by which switches, and which policies there are."""

    switches: Metrics
    policies: Policies
    families: tuple[UserFamily, ...]

    @classmethod
    def of(cls, config: Config) -> _Plan:
        enabled = tuple(family for family in USER_FAMILIES if family.enabled(config.metrics))
        return cls(config.metrics, config.policies, enabled)

    def suits(self, config: Config) -> bool:
        return self.switches == config.metrics and self.policies == config.policies


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The pieces of one user, in the order of the plan's families.

    Attributes:
        plan: what was enabled.
        state: what they were made from.
        made_at: epoch seconds that they were made for: a clock that was set back has not seen that yet.
        good_until: epoch seconds at which a token expires or enters the window, or a policy's verdict changes, and the
            pieces are others.
        organization: the name.
        broken: the policies broken, each once a violation.
        failed: whether they could not be made; the user has no pieces then.
    """

    plan: _Plan
    state: UserState
    made_at: float
    good_until: float
    pieces: tuple[_Piece, ...]
    organization: str
    broken: tuple[type[Policy], ...]
    failed: bool = False

    @property
    def key(self) -> UserKey:
        """Whose they are."""
        return self.organization, self.state.user.user_id


@dataclass(frozen=True, slots=True)
class _Basis:
    """What a body is made from. Those who would get theirs from the same share it.

    Attributes:
        second: of the time that values are worked out for.
        organizations: what is known.
        config: the configuration in force.
        reloads: how many reloads the exporter's own gauges tell of.
    """

    second: int
    organizations: tuple[OrganizationView, ...]
    config: Config
    reloads: int

    def is_that_of(self, other: _Basis) -> bool:
        """Whether both are one. Views stay the same objects until something is noted, so none is looked into."""
        return (
            (self.second, self.reloads) == (other.second, other.reloads)
            and self.config is other.config
            and len(self.organizations) == len(other.organizations)
            and all(mine is theirs for mine, theirs in zip(self.organizations, other.organizations, strict=True))
        )


class Exposition:
    """Renders scrapes. Any thread may ask; one at a time renders.

    Scrapes wait until `open`. Those who ask in the same second share a body as long as nothing has been noted about any
    user and no configuration put in force or refused. The exporter's own counters in it may be up to a second old.

    Args:
        registry: the exporter's own counters.
        store: what is known.
        config: the configuration in force.
        clock: the time that values are worked out for.
        tell_left_out: called with every detail family that is enabled, and whether it is left out.
        reloads: how many reloads the registry's gauges tell of.
        internal_error: counts a user that cannot be rendered.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        store: Store,
        config: Callable[[], Config],
        clock: Clock,
        tell_left_out: Callable[[Mapping[str, bool]], None],
        reloads: Callable[[], int],
        internal_error: Callable[[str], None],
    ) -> None:
        self._registry = registry
        self._store = store
        self._config = config
        self._clock = clock
        self._tell_left_out = tell_left_out
        self._reloads = reloads
        self._internal_error = internal_error
        # Guards the fields below: it is held while a body is made.
        self._lock = threading.Lock()
        self._plan: _Plan | None = None
        self._prepared: dict[tuple[str, str], _Prepared] = {}
        self._left_out = NOTHING_LEFT_OUT
        self._basis: _Basis | None = None
        self._parts: dict[Format, list[bytes]] = {}
        self._contents: dict[tuple[Format, bool], bytes] = {}
        self._bodies: dict[tuple[Format, bool], Body] = {}
        self._opened = threading.Event()

    def open(self) -> None:
        """Let scrapes through: before, they wait, so that none sees half of what an earlier run left."""
        self._opened.set()

    def prepare(self, organization: str, state: UserState) -> None:
        """Make the text of a user whose state has changed, so that the next scrape need not."""
        if (plan := self._plan) is not None:
            key = (organization, state.user.user_id)
            self._prepared[key] = self._prepare(organization, state, plan, self._clock.now())

    def forget(self, organization: str, user_ids: Iterable[str] | None = None) -> None:
        """Drop the text of users who are not watched any more, or of all of an organization: nobody may ever scrape."""
        if user_ids is None:
            user_ids = [user_id for name, user_id in self._prepared.copy() if name == organization]
        for user_id in user_ids:
            self._prepared.pop((organization, user_id), None)

    def prepare_all(self) -> None:
        """Make the text of every user there is, so that the first scrape need not."""
        with self._lock:
            self._users(self._store.view().organizations, self._plan_for(self._config()), self._clock.now())

    def _plan_for(self, config: Config) -> _Plan:
        if self._plan is None or not self._plan.suits(config):
            self._plan = _Plan.of(config)
        return self._plan

    def scrape(self, accept: str, accept_encoding: str) -> Body:
        """The body in the format and encoding that the scraper prefers.

        Args:
            accept: the request's `Accept` header; "" for none.
            accept_encoding: the request's `Accept-Encoding` header; "" for none.
        """
        return self.body(preferred_format(accept), packed=gzip_accepted(accept_encoding))

    def body(self, form: Format, *, packed: bool) -> Body:
        """The body in this format.

        Args:
            form: the format.
            packed: whether it is compressed with gzip.
        """
        self._opened.wait()
        with self._lock:
            now = self._clock.now()
            basis = _Basis(int(now), self._store.view().organizations, self._config(), self._reloads())
            if self._basis is None or not basis.is_that_of(self._basis):
                self._basis = basis
                self._bodies.clear()
                self._contents.clear()
                self._parts.clear()
            if (body := self._bodies.get((form, packed))) is None:
                content = self._content(form.syntax, basis, now, packed=packed)
                body = self._bodies[form, packed] = Body(content, form.content_type, "gzip" if packed else None)
            return body

    def _content(self, syntax: Format, basis: _Basis, now: float, *, packed: bool) -> bytes:
        if (content := self._contents.get((syntax, packed))) is None:
            if (parts := self._parts.get(syntax)) is None:
                parts = self._parts[syntax] = self._render(syntax, basis, now)
            content = self._contents[syntax, packed] = gzipped(parts) if packed else b"".join(parts)
        return content

    def _render(self, syntax: Format, basis: _Basis, now: float) -> list[bytes]:
        """The body in parts that only need to be joined."""
        config, organizations = basis.config, basis.organizations
        plan = self._plan_for(config)
        users = self._users(organizations, plan, now)
        counts: Counter[str] = Counter()
        for position, family in enumerate(plan.families):
            counts[family.name] = sum([one.pieces[position].series for one in users])
        self._limit(plan, users, counts)
        detailed = users
        if self._left_out.users:
            detailed = [one for one in users if one.key not in self._left_out.users]
        parts: list[bytes] = [b""]
        for position, family in enumerate(plan.families):
            if family.name in self._left_out.families:
                continue
            parts.append(_head(family))
            pieces = [one.pieces[position] for one in (users if family.detail is None else detailed)]
            parts.extend([piece.text for piece in pieces])
            if family.relative:
                open_lines = itertools.chain.from_iterable([piece.open_lines for piece in pieces])
                parts.extend([b"%b%.3f\n" % (line, until - now) for line, until in open_lines])
        names = user_label_names(organizations)
        if names:
            parts.append(_head(USER_LABELS))
            parts.extend(
                [
                    _line(USER_LABELS, user_labels(one.organization, one.state, names), names)
                    for one in users
                    if not one.failed
                ]
            )
        parts.append(_block(USERS_LEFT_OUT, *users_left_out(organizations, self._left_out.users)))
        parts.extend(_block(one, *organization_samples(one, organizations)) for one in ORGANIZATION_FAMILIES)
        broken = Counter((one.organization, policy) for one in users for policy in one.broken)
        parts.append(_block(POLICY_VIOLATIONS, *policy_violations(organizations, plan.policies, broken)))
        parts.extend(_block(family, family.samples(config, now)) for family in CONFIG_FAMILIES)
        # Last: it holds which families have just been left out.
        own = syntax.encode(self._registry)
        parts[0] = own.removesuffix(_EOF)
        parts.append(_EOF if own.endswith(_EOF) else b"")
        return parts

    def _users(self, organizations: Iterable[OrganizationView], plan: _Plan, now: float) -> list[_Prepared]:
        # As it is now: while a long pass goes on, changes put newer text in, which this pass must neither use nor lose.
        before = self._prepared.copy()
        kept: dict[tuple[str, str], _Prepared] = {}
        for organization in organizations:
            name = organization.name
            for state in organization.users:
                key = (name, state.user.user_id)
                one = before.get(key)
                if (
                    one is None
                    or one.state is not state
                    or one.plan is not plan
                    or not one.made_at <= now < one.good_until
                ):
                    stale, one = one, self._prepare(name, state, plan, now)
                    if self._prepared.get(key) is stale:
                        self._prepared[key] = one
                kept[key] = one
        # Users who left are forgotten.
        for key in before.keys() - kept.keys():
            self._prepared.pop(key, None)
        return list(kept.values())

    def _prepare(self, organization: str, state: UserState, plan: _Plan, now: float) -> _Prepared:
        """The pieces of one user; none if they cannot be made, which costs the other users nothing."""
        try:
            return _prepare(organization, state, plan, now)
        except Exception:  # noqa: BLE001 - one user must not fail the scrape; it is counted
            before = self._prepared.get((organization, state.user.user_id))
            if before is None or not before.failed or before.state is not state:
                self._internal_error("render")
            if before is None or not before.failed:
                _log.exception(
                    "a user's series cannot be rendered and are left out until the user's state changes",
                    organization=organization,
                    user_id=state.user.user_id,
                )
            nothing = (_NOTHING,) * len(plan.families)
            return _Prepared(plan, state, now, NEVER, nothing, organization, (), failed=True)

    def _limit(self, plan: _Plan, users: Sequence[_Prepared], counts: Counter[str]) -> None:
        most, series = plan.switches.max_series, counts.total()
        positions = [position for position, family in enumerate(plan.families) if family.detail is not None]
        families = [plan.families[position] for position in positions]
        found = NOTHING_LEFT_OUT
        if series > most:
            by_user = {one.key: [one.pieces[position].series for position in positions] for one in users}
            others = series - sum(counts[family.name] for family in families)
            found = left_out(families, by_user, others, most)
        before, self._left_out = self._left_out, found
        # Which users are left out may change with every poll: the log says when that begins and ends.
        if new := sorted(found.families - before.families):
            _log.error("too many series, families are left out", families=new, series=series, limit=most)
        elif gone := sorted(before.families - found.families):
            _log.info("fewer series, families are back", families=gone)
        if found.users and not before.users:
            some = sorted(found.users)[:_NAMED]
            what = "too many series, those a token or permission of the largest users are left out"
            _log.error(what, users=len(found.users), such_as=some, series=series, limit=most)
        elif before.users and not found.users:
            _log.info("fewer series, those of all users are back")
        self._tell_left_out({family.name: family.name in found.families for family in families})


def _prepare(organization: str, state: UserState, plan: _Plan, now: float) -> _Prepared:
    scope = Scope(now, plan.switches.expiring_within, plan.policies)
    turns = [token.expires_at for token in state.tokens if token.expires_at is not None and token.expires_at != NEVER]
    if scope.within is not None:
        turns += [expires_at - scope.within for expires_at in turns]
    turns.append(next_change(state.tokens, plan.policies, now))
    good_until = min((turn for turn in turns if turn > scope.now), default=NEVER)
    pieces = tuple(_piece(family, organization, state, scope) for family in plan.families)
    broken = tuple(
        [one.policy for one in violations(state.user, state.tokens, plan.policies, now, state.unexpired_left_out)]
    )
    # Not a piece, since its label names depend on all users; rendered here so that a user who cannot be fails here.
    _line(USER_LABELS, user_labels(organization, state, names := [name for name, _ in state.user.labels]), names)
    return _Prepared(plan, state, now, good_until, pieces, organization, broken)


def _piece(family: UserFamily, organization: str, state: UserState, scope: Scope) -> _Piece:
    if family.expiry is None:
        lines = [
            f"{_series(family, labels)} {_number(value)}\n"
            for labels, value in family.samples(organization, state, scope)
        ]
        return _Piece("".join(lines).encode(), (), len(lines)) if lines else _NOTHING
    text, open_lines, series = [], [], 0
    for labels, until in family.expiry(organization, state, scope):
        line = f"{_series(family, labels)} "
        series += 1
        if until == NEVER:
            text.append(f"{line}+Inf\n")
        else:
            open_lines.append((line.encode(), float(until)))
    return _Piece("".join(text).encode(), tuple(open_lines), series) if series else _NOTHING


def _series(family: Family, values: Iterable[str], more: Iterable[str] = ()) -> str:
    template, order = _template(family.name, (*family.labels, *more))
    escaped = [_escaped(value) for value in values]
    return template % tuple([escaped[position] for position in order])


@functools.lru_cache(maxsize=256)
def _template(name: str, labels: tuple[str, ...]) -> tuple[str, tuple[int, ...]]:
    """A series with places for its labels' values, and which value belongs where.

    The labels are in alphabetical order, as prometheus_client writes them: who searches the text finds what was there.
    """
    order = sorted(range(len(labels)), key=labels.__getitem__)
    pairs = ",".join([f'{labels[position]}="%s"' for position in order])
    return f"{name}{{{pairs}}}" if pairs else name, tuple(order)


@functools.lru_cache(maxsize=4096)
def _escaped(value: str) -> str:
    """A label's value as both formats want it."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return "+Inf" if value == NEVER else repr(float(value))


def _head(family: Family) -> bytes:
    text = family.help.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {family.name} {text}\n# TYPE {family.name} {family.kind}\n".encode()


def _block(family: Family, samples: Iterable[Sample], more: Iterable[str] = ()) -> bytes:
    names = tuple(more)
    return _head(family) + b"".join([_line(family, sample, names) for sample in samples])


def _line(family: Family, sample: Sample, more: Iterable[str] = ()) -> bytes:
    labels, value = sample
    return f"{_series(family, labels, more)} {_number(value)}\n".encode()
