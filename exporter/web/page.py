"""The landing page: organizations, the next tokens to expire, failing users, and links."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from exporter import __version__
from exporter.common.text import expiry_words, rough_duration, utc
from exporter.model.loss import Losses
from exporter.model.token import TokenState
from exporter.web.banners import banners
from exporter.web.templating import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from exporter.common.clock import Clock
    from exporter.config.schema import Config
    from exporter.model.snapshot import OrganizationView
    from exporter.model.state import UserState
    from exporter.model.token import Token
    from exporter.model.user import UserKey
    from exporter.state.organization_index import Counts
    from exporter.state.token_index import Overview, TokenIndex
    from exporter.state.token_order import Found
    from exporter.web.banners import Banner
    from exporter.web.refusals import Refusals

_log = structlog.get_logger(__name__)
_SOONEST_SHOWN = 10
_FAILING_SHOWN = 20
_ATTEMPTS = 50
"""How often rows that cannot be rendered are replaced by the next ones."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One organization as a row of the page's table."""

    name: str
    counts: Counts
    states: dict[str, int]
    swept: str


class LandingPage:
    """The page, rendered again after a second or when the state has changed. For one thread at a time.

    Args:
        index: numbers and first rows of all organizations.
        clock: the current time.
        refusals: counts users that cannot be rendered.
        stale_after: seconds from which a user's data counts as stale.
        config: the configuration in force; None for a page without banners.
    """

    def __init__(
        self,
        index: TokenIndex,
        clock: Clock,
        refusals: Refusals,
        stale_after: Callable[[], float],
        config: Callable[[], Config] | None = None,
    ) -> None:
        self._index = index
        self._clock = clock
        self._refusals = refusals
        self._stale_after = stale_after
        self._config = config
        self._made_from: tuple[int, tuple[OrganizationView, ...]] | None = None
        self._body = b""
        # States that cannot be rendered, as long as they would be shown; the users are shown again when they change.
        self._failed: dict[UserKey, UserState] = {}

    def body(self) -> bytes:
        """The page as HTML in UTF-8."""
        now = self._clock.now()
        overview = self._overview(now)
        organizations = overview.view.organizations
        if not self._is_current(int(now), organizations):
            self._body = self._rendered(overview, now)
            self._made_from = (int(now), organizations)
        return self._body

    def _overview(self, now: float) -> Overview:
        left_out: dict[UserKey, UserState] = {}

        def without(organization: str, state: UserState) -> bool:
            key = organization, state.user.user_id
            if self._failed.get(key) is not state:
                return False
            left_out[key] = state
            return True

        overview = self._index.overview(
            now, self._stale_after(), soonest=_SOONEST_SHOWN, failing=_FAILING_SHOWN, without=without
        )
        self._failed = left_out
        return overview

    def _is_current(self, second: int, organizations: tuple[OrganizationView, ...]) -> bool:
        # A snapshot of an organization is the same object until its state changes, so compare identities.
        return (
            self._made_from is not None
            and self._made_from[0] == second
            and len(self._made_from[1]) == len(organizations)
            and all(mine is theirs for mine, theirs in zip(self._made_from[1], organizations, strict=True))
        )

    def _rendered(self, overview: Overview, now: float) -> bytes:
        shown = () if self._config is None else banners(overview.view, self._config(), now)
        for _ in range(_ATTEMPTS):
            try:
                return landing_page(overview, now, shown)
            except Exception as error:
                if not (found := _not_renderable(overview, now)):
                    raise
                for organization, state in found:
                    self._failed[organization, state.user.user_id] = state
                    self._refusals.internal_error("render")
                    _log.error(
                        "a user cannot be rendered and is left out of the page until its state changes",
                        organization=organization,
                        user_id=state.user.user_id,
                        exc_info=error,
                    )
            # Others take the places of the users that are left out.
            overview = self._overview(now)
        return landing_page(overview, now, shown)


def _not_renderable(overview: Overview, now: float) -> list[tuple[str, UserState]]:
    """The users whose rows cannot be rendered."""
    nothing = replace(overview, soonest=(), failing=())
    alone = [(row.organization, row.state, replace(nothing, soonest=(row,))) for row in overview.soonest]
    alone += [(*pair, replace(nothing, failing=(pair,))) for pair in overview.failing]
    found: dict[UserKey, UserState] = {}
    for organization, state, page in alone:
        try:
            landing_page(page, now)
        except Exception:  # noqa: BLE001 - finds the users that fail; the caller counts them
            found[organization, state.user.user_id] = state
    return [(organization, state) for (organization, _), state in found.items()]


def landing_page(overview: Overview, now: float, shown: Sequence[Banner] = ()) -> bytes:
    """The page as HTML in UTF-8.

    Args:
        overview: what to show.
        now: epoch seconds.
        shown: what to show first.
    """
    view, counts = overview.view, overview.counts
    html = TEMPLATES.get_template("index.html").render(
        version=__version__,
        ready=view.ready,
        banners=shown,
        states=[state.value for state in TokenState],
        rows=[_row(organization, one, now) for organization, one in zip(view.organizations, counts, strict=True)],
        soonest=[
            (name, state.user, token, expiry_words(token.expires_at, now), utc(token.expires_at), words)
            for name, state, token, words in _with_losses(overview.soonest, now)
        ],
        failing=overview.failing,
        more_failing=max(0, sum(one.failing for one in counts) - _FAILING_SHOWN),
        cut=sum(one.cut for one in counts),
        since=lambda at: "" if at is None else rough_duration(now - at),
    )
    return html.encode()


def _row(organization: OrganizationView, counts: Counts, now: float) -> _Row:
    return _Row(
        name=organization.name,
        counts=counts,
        states={state.value: count for state, count in counts.tokens.items()},
        swept="none yet"
        if organization.sweep is None
        else f"{rough_duration(now - organization.sweep.completed_at)} ago",
    )


def _with_losses(found: Iterable[Found], now: float) -> Iterator[tuple[str, UserState, Token, str]]:
    """The tokens with what their users lose when they expire."""
    losses: dict[UserKey, Losses] = {}
    for row in found:
        of_user = losses.setdefault((row.organization, row.state.user.user_id), Losses(row.state))
        yield row.organization, row.state, row.token, of_user.words(row.token, now)
