"""Answers scrapes. One body a second and format is rendered and shared by all who scrape in that second.

A scrape joins the kept text of the users and computes only what changes with every second: the remaining seconds. The
exporter's own few series are written by prometheus_client.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exporter.metrics.encoding import Format, gzip_accepted, gzipped, preferred_format
from exporter.metrics.families.organizations import (
    CONFIG_FAMILIES,
    ORGANIZATION_FAMILIES,
    POLICY_VIOLATIONS,
    USERS_LEFT_OUT,
    organization_samples,
    policy_violations,
    users_left_out,
)
from exporter.metrics.families.users import USER_LABELS, user_label_names, user_labels
from exporter.metrics.rendering import RenderedUsers, block, head, line
from exporter.metrics.series_limit import SeriesLimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from prometheus_client import CollectorRegistry

    from exporter.common.clock import Clock
    from exporter.config.schema import Config
    from exporter.metrics.rendering import Plan, RenderedUser
    from exporter.metrics.series_limit import LeftOut
    from exporter.model.snapshot import OrganizationView
    from exporter.model.state import UserState
    from exporter.state.store import Store

_EOF = b"# EOF\n"


@dataclass(frozen=True, slots=True)
class Body:
    """The response to a scrape."""

    content: bytes
    content_type: str
    encoding: str | None


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
    """Everything rendered from one basis: parts by syntax, contents by syntax and compression, finished bodies."""

    basis: _Basis
    parts: dict[Format, list[bytes]] = field(default_factory=dict)
    contents: dict[tuple[Format, bool], bytes] = field(default_factory=dict)
    bodies: dict[tuple[Format, bool], Body] = field(default_factory=dict)


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
        self._rendered: _Rendered | None = None
        self._opened = threading.Event()

    def open(self) -> None:
        """Answer scrapes from now on: before, they wait, so that none sees an incomplete state after a start."""
        self._opened.set()

    def prepare(self, organization: str, state: UserState) -> None:
        """Render a user whose state has changed, so that the next scrape need not."""
        self._users.update(organization, state)

    def forget(self, organization: str, user_ids: Iterable[str] | None = None) -> None:
        """Drop the text of users that are no longer watched, or of the whole organization; there may be no scrapes."""
        self._users.forget(organization, user_ids)

    def prepare_all(self) -> None:
        """Render every user, so that the first scrape need not."""
        with self._lock:
            plan = self._users.plan_for(self._config())
            self._users.current(self._store.view().organizations, plan, self._clock.now())

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
        self._opened.wait()
        with self._lock:
            now = self._clock.now()
            basis = _Basis(int(now), self._store.view().organizations, self._config(), self._reloads())
            rendered = self._rendered
            if rendered is None or not basis.same_as(rendered.basis):
                rendered = self._rendered = _Rendered(basis)
            if (body := rendered.bodies.get((form, packed))) is None:
                content = self._content(rendered, form.syntax, now, packed=packed)
                body = rendered.bodies[form, packed] = Body(content, form.content_type, "gzip" if packed else None)
            return body

    def _content(self, rendered: _Rendered, syntax: Format, now: float, *, packed: bool) -> bytes:
        if (content := rendered.contents.get((syntax, packed))) is None:
            if (parts := rendered.parts.get(syntax)) is None:
                parts = rendered.parts[syntax] = self._render(syntax, rendered.basis, now)
            content = rendered.contents[syntax, packed] = gzipped(parts) if packed else b"".join(parts)
        return content

    def _render(self, syntax: Format, basis: _Basis, now: float) -> list[bytes]:
        """The body in parts that only need to be joined."""
        config, organizations = basis.config, basis.organizations
        plan = self._users.plan_for(config)
        users = self._users.current(organizations, plan, now)
        left_out = self._limiter.apply(plan.families, users, plan.switches.max_series)
        parts = _user_parts(plan, users, left_out, now)
        parts.extend(_label_parts(organizations, users))
        parts.append(block(USERS_LEFT_OUT, *users_left_out(organizations, left_out.users)))
        parts.extend(block(one, *organization_samples(one, organizations)) for one in ORGANIZATION_FAMILIES)
        broken = Counter((one.organization, policy) for one in users for policy in one.broken)
        parts.append(block(POLICY_VIOLATIONS, *policy_violations(organizations, plan.policies, broken)))
        parts.extend(block(family, family.samples(config, now)) for family in CONFIG_FAMILIES)
        # First in the body, but encoded last: it includes which families have just been left out.
        own = syntax.encode(self._registry)
        parts.insert(0, own.removesuffix(_EOF))
        parts.append(_EOF if own.endswith(_EOF) else b"")
        return parts


def _user_parts(plan: Plan, users: Sequence[RenderedUser], left_out: LeftOut, now: float) -> list[bytes]:
    """The families about users and tokens."""
    detailed = users
    if left_out.users:
        detailed = [one for one in users if one.key not in left_out.users]
    parts: list[bytes] = []
    for position, family in enumerate(plan.families):
        if family.name in left_out.families:
            continue
        parts.append(head(family))
        lines = [one.lines[position] for one in (users if family.detail is None else detailed)]
        parts.extend([one.text for one in lines])
        if family.relative:
            open_lines = itertools.chain.from_iterable([one.open_lines for one in lines])
            parts.extend([b"%b%.3f\n" % (start, until - now) for start, until in open_lines])
    return parts


def _label_parts(organizations: Sequence[OrganizationView], users: Sequence[RenderedUser]) -> Iterator[bytes]:
    """The family of the users' own labels, if any user has some."""
    if names := user_label_names(organizations):
        yield head(USER_LABELS)
        for one in users:
            if not one.failed:
                yield line(USER_LABELS, user_labels(one.organization, one.state, names), names)
