"""The landing page: organizations, the next tokens to expire, failing users, and links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from exporter import __version__
from exporter.common.text import expiry_words, printable, rough_duration, utc
from exporter.model.loss import Losses
from exporter.model.token import TokenState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.model.snapshot import OrganizationView, View
    from exporter.model.state import UserState
    from exporter.model.token import Token
    from exporter.model.user import UserKey

_SOONEST_SHOWN = 10
_FAILING_SHOWN = 20
_TEMPLATES = Environment(
    loader=PackageLoader("exporter.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    # The platform's texts, without characters that change what the page shows beside them. What Jinja made stays.
    finalize=lambda value: printable(value) if type(value) is str else value,
)


@dataclass(frozen=True, slots=True)
class _Row:
    """One organization as a row of the page's table."""

    name: str
    users: int
    pending: int
    failing: int
    stale: int
    states: dict[str, int]
    swept: str


def landing_page(view: View, now: float, stale_after: float) -> bytes:
    """The page as HTML in UTF-8.

    Args:
        view: the state to show.
        now: epoch seconds.
        stale_after: seconds from which a user's data counts as stale.
    """
    failing = [(one.name, state) for one in view.organizations for state in one.users if state.failure is not None]
    html = _TEMPLATES.get_template("index.html").render(
        version=__version__,
        ready=view.ready,
        states=[state.value for state in TokenState],
        rows=[_row(organization, now, stale_after) for organization in view.organizations],
        soonest=[
            (name, state.user, token, expiry_words(token.expires_at, now), utc(token.expires_at), words)
            for name, state, token, words in _with_losses(_soonest(view, now), now)
        ],
        failing=failing[:_FAILING_SHOWN],
        more_failing=max(0, len(failing) - _FAILING_SHOWN),
        cut=sum(bool(state.left_out) for one in view.organizations for state in one.users),
        since=lambda at: "" if at is None else rough_duration(now - at),
    )
    return html.encode()


def _row(organization: OrganizationView, now: float, stale_after: float) -> _Row:
    states = dict.fromkeys((state.value for state in TokenState), 0)
    for user in organization.users:
        for state, count in user.counts(now).items():
            states[state.value] += count
    return _Row(
        name=organization.name,
        users=len(organization.users),
        pending=sum(not user.polled for user in organization.users),
        failing=sum(user.failure is not None for user in organization.users),
        stale=sum(
            user.last_success is not None and now - user.last_success > stale_after for user in organization.users
        ),
        states=states,
        swept="none yet"
        if organization.sweep is None
        else f"{rough_duration(now - organization.sweep.completed_at)} ago",
    )


def _soonest(view: View, now: float) -> list[tuple[str, UserState, Token]]:
    """The next tokens and SSH keys to expire."""
    active = [
        (organization.name, state, token)
        for organization in view.organizations
        for state in organization.users
        for token in state.credentials
        if token.state(now) is TokenState.ACTIVE
    ]
    active.sort(key=lambda row: (row[2].expires_at or 0, row[0], row[2].token_id))
    return active[:_SOONEST_SHOWN]


def _with_losses(
    found: Iterable[tuple[str, UserState, Token]], now: float
) -> Iterator[tuple[str, UserState, Token, str]]:
    """The tokens with what their users lose when they expire."""
    losses: dict[UserKey, Losses] = {}
    for organization, state, token in found:
        of_user = losses.setdefault((organization, state.user.user_id), Losses(state))
        yield organization, state, token, of_user.words(token, now)
