"""Answers scrapes. One body a second and format is made and shared by all who scrape in that second.

A scrape joins the compressed text of the users and computes only what changes with every second: the remaining seconds.
The exporter's own few series are written by prometheus_client.
"""

from __future__ import annotations

import functools
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exporter.metrics.alert_entries import AlertEntries
from exporter.metrics.body import Body
from exporter.metrics.deflate import compressed
from exporter.metrics.encoding import Format, gzip_accepted, preferred_format
from exporter.metrics.families.organizations import (
    CONFIG_FAMILIES,
    ORGANIZATION_FAMILIES,
    POLICY_VIOLATIONS,
    USERS_LEFT_OUT,
    organization_samples,
    policy_violations,
    users_left_out,
)
from exporter.metrics.families.users import USER_LABELS
from exporter.metrics.lines import block, head
from exporter.metrics.rendered_users import RenderedUsers
from exporter.metrics.series_limit import SeriesLimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from prometheus_client import CollectorRegistry

    from exporter.common.clock import Clock
    from exporter.config.schema import Config
    from exporter.metrics.chunk import Chunk
    from exporter.metrics.deflate import Segment
    from exporter.metrics.families.base import Family
    from exporter.metrics.rendering import Plan
    from exporter.metrics.series_limit import LeftOut
    from exporter.model.snapshot import OrganizationView
    from exporter.model.state import UserState
    from exporter.model.user import UserKey
    from exporter.policies.base import Policy
    from exporter.state.store import Store

_EOF = b"# EOF\n"


@dataclass(frozen=True, slots=True)
class _Basis:
    """What a body is rendered from. Scrapes with the same basis share a body.

    Attributes:
        second: of the time that values are computed for.
        organizations: their snapshots.
        config: the configuration in effect.
        reloads: how many reloads the exporter's own gauges include.
    """

    second: int
    organizations: tuple[OrganizationView, ...]
    config: Config
    reloads: int

    def same_as(self, other: _Basis) -> bool:
        """Whether both are the same. Compares identities: snapshots stay the same objects until something changes."""
        return (
            (self.second, self.reloads) == (other.second, other.reloads)
            and self.config is other.config
            and len(self.organizations) == len(other.organizations)
            and all(mine is theirs for mine, theirs in zip(self.organizations, other.organizations, strict=True))
        )


@dataclass(slots=True)
class _Rendered:
    """Everything rendered from one basis: what all formats share, segments by syntax, and finished bodies."""

    basis: _Basis
    shared: list[Segment] | None = None
    segments: dict[Format, tuple[Segment, ...]] = field(default_factory=dict)
    bodies: dict[tuple[Format, bool], Body] = field(default_factory=dict)


class _Gate:
    """Holds scrapes back until the state of an earlier run has been rendered."""

    def __init__(self) -> None:
        self._opened = threading.Event()
        self._waited = False
        self._taken = threading.Event()

    def wait(self) -> None:
        """Wait until it is open."""
        if not self._opened.is_set():
            self._waited = True
            self._opened.wait()

    def taken(self) -> None:
        """A client has taken the body of a scrape."""
        self._taken.set()

    def open(self, patience: float) -> None:
        """Let scrapes through. If one waits, give it this many seconds before the caller goes on with other work.

        Without patience, no earlier caller waits any longer either.
        """
        self._opened.set()
        if patience <= 0:
            self._taken.set()
        elif self._waited:
            self._taken.wait(patience)


class Exposition:
    """Renders scrapes. Any thread may call; one at a time renders.

    Scrapes wait until `open`. Scrapes of the same second share a body unless the state of a user or the configuration
    changes in between. The exporter's own counters in it may be up to a second old.

    Args:
        registry: the exporter's own metrics.
        store: the state of all users.
        config: returns the configuration in effect.
        clock: the time that values are computed for.
        families_left_out: called at each scrape with every detail family that is enabled, and whether it is left out.
        reloads: returns how many reloads the registry's gauges include.
        internal_error: counts users that cannot be rendered.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        store: Store,
        config: Callable[[], Config],
        clock: Clock,
        families_left_out: Callable[[Mapping[str, bool]], None],
        reloads: Callable[[], int],
        internal_error: Callable[[str], None],
    ) -> None:
        self._registry = registry
        self._store = store
        self._config = config
        self._clock = clock
        self._reloads = reloads
        self._users = RenderedUsers(clock, internal_error)
        # Guards the fields below, and is held while a body is rendered.
        self._lock = threading.Lock()
        self._limiter = SeriesLimiter(families_left_out)
        self._alerts = AlertEntries()
        self._rendered: _Rendered | None = None
        self._gate = _Gate()

    def open(self, patience: float = 0.0) -> None:
        """Answer scrapes from now on: before, they wait, so that none sees an incomplete state after a start.

        Args:
            patience: seconds to wait until a scrape that is waiting has been answered and sent, so that it need not
                compete for the processor with what the caller does next. 0 also ends the wait of an earlier call.
        """
        self._gate.open(patience)

    def prepare(self, organization: str, state: UserState) -> None:
        """Record that a user's state has changed, so that the next scrape has little left to render."""
        self._users.update(organization, state)

    def forget(self, organization: str, user_ids: Iterable[str] | None = None) -> None:
        """Drop the text of users that are no longer watched, or of the whole organization; there may be no scrapes."""
        self._users.forget(organization, user_ids)

    def prepare_all(self) -> None:
        """Render what has changed of every user, so that the next scrape need not."""
        with self._lock:
            plan = self._users.plan_for(self._config())
            self._users.current(self._store.view().organizations, plan, self._clock.now())

    def prepare_for(self, config: Config) -> None:
        """Render all users for a configuration that is about to come into effect, so that the next scrape need not.

        Scrapes are answered meanwhile, as before. One thread at a time.
        """
        names = {one.name for one in config.organizations}
        organizations = [view for view in self._store.view().organizations if view.name in names]
        self._users.prepare(config, organizations, self._clock.now())

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
            packed: whether to compress it with gzip.
        """
        self._gate.wait()
        with self._lock:
            now = self._clock.now()
            basis = _Basis(int(now), self._store.view().organizations, self._config(), self._reloads())
            rendered = self._rendered
            if rendered is None or not basis.same_as(rendered.basis):
                rendered = self._rendered = _Rendered(basis)
            if (body := rendered.bodies.get((form, packed))) is None:
                segments = self._segments(rendered, form.syntax, now)
                taken = self._gate.taken
                body = rendered.bodies[form, packed] = Body(segments, form.content_type, packed=packed, taken=taken)
            return body

    def _segments(self, rendered: _Rendered, syntax: Format, now: float) -> tuple[Segment, ...]:
        if (segments := rendered.segments.get(syntax)) is None:
            if rendered.shared is None:
                rendered.shared = self._render(rendered.basis, now)
            # First in the body, but encoded last: it includes which families have just been left out.
            own = syntax.encode(self._registry)
            last = _EOF if own.endswith(_EOF) else b""
            segments = (compressed(own.removesuffix(_EOF)), *rendered.shared, compressed(last))
            rendered.segments[syntax] = segments
        return segments

    def _render(self, basis: _Basis, now: float) -> list[Segment]:
        """The body without the exporter's own metrics. Lines of gauges are the same in all formats."""
        config, organizations = basis.config, basis.organizations
        plan = self._users.plan_for(config)
        chunks = self._users.current(organizations, plan, now)
        left_out = self._limiter.apply(plan.families, chunks, plan.sources, plan.switches.max_series)
        entries, about_alerts = self._alerts.user_segments(plan, chunks, organizations, now, self._clock.monotonic())
        segments = _user_segments(plan, chunks, left_out, entries, now)
        segments.extend(_label_segments(chunks))
        broken: Counter[tuple[str, type[Policy]]] = Counter()
        for chunk in chunks:
            for policy, count in chunk.violations.items():
                broken[chunk.organization, policy] += count
        rest = [
            block(USERS_LEFT_OUT, *users_left_out(organizations, left_out.users)),
            *[block(one, *organization_samples(one, organizations)) for one in ORGANIZATION_FAMILIES],
            block(POLICY_VIOLATIONS, *policy_violations(organizations, plan.policies, broken)),
            *[block(family, family.samples(config, now)) for family in CONFIG_FAMILIES],
        ]
        segments.append(compressed(b"".join(rest)))
        return [*segments, *about_alerts]


def _user_segments(
    plan: Plan, chunks: Sequence[Chunk], left_out: LeftOut, entries: Mapping[str, Sequence[Segment]], now: float
) -> list[Segment]:
    """The families about users and tokens; ``entries`` are the lines of those for alert rules."""
    if left_out.users:
        hidden = _by_organization(left_out.users)
        chunks = [chunk.without_details(hidden.get(chunk.organization, frozenset())) for chunk in chunks]
    segments: list[Segment] = []
    for family, source in zip(plan.families, plan.sources, strict=True):
        if family.name in left_out.families:
            continue
        segments.append(_head(family))
        if family.for_alerts:
            segments.extend(entries[family.name])
            continue
        columns = [chunk.columns[source] for chunk in chunks if chunk.columns]
        if family.relative:
            segments.extend([column.countdown.at(now) for column in columns if column.countdown is not None])
        else:
            segments.extend([column.segment for column in columns if column.series])
    return segments


def _by_organization(users: Iterable[UserKey]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for organization, user_id in users:
        found.setdefault(organization, set()).add(user_id)
    return found


def _label_segments(chunks: Sequence[Chunk]) -> list[Segment]:
    """The family of the users' own labels, if any user has some."""
    segments = [chunk.labels[1] for chunk in chunks if chunk.labels is not None]
    return [_head(USER_LABELS), *segments] if segments else []


@functools.lru_cache(maxsize=128)
def _head(family: Family) -> Segment:
    return compressed(head(family))
