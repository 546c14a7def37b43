"""Rows of lists as they are shown on pages. Plain values only, so that no row can make a page fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.model.permission import permission_expiry, permission_lost, permission_tokens
from exporter.model.token import NEVER, CredentialKind, TokenState
from exporter.state.criteria import PollStatus
from exporter.state.user_search import next_expiry
from exporter.web.records import since
from exporter.web.urgency import Urgency, urgency

if TYPE_CHECKING:
    from exporter.config.alerting import Alerting
    from exporter.model.event import Event
    from exporter.model.state import UserState
    from exporter.model.token import Token
    from exporter.policies.base import Policy
    from exporter.state.contents import Match
    from exporter.web.reader import Moment, Reader
    from exporter.web.urls import Urls

_SHOWN = 3
"""Permissions shown in a row."""


@dataclass(frozen=True, slots=True)
class UserLink:
    """A user in a row."""

    name: str
    href: str
    email: str
    department: str
    username: str


@dataclass(frozen=True, slots=True)
class Badge:
    """A word with a colour.

    Attributes:
        kind: selects the colour.
        word: the word.
        title: more about it.
    """

    kind: str
    word: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token or SSH key as a row."""

    name: str
    href: str
    token_id: str
    kind: str
    description: str
    organization: str
    user: UserLink
    urgency: Badge
    expires: Moment
    expiry: str
    created: Moment
    permissions: tuple[str, ...]
    more_permissions: int
    policies: tuple[Badge, ...]


@dataclass(frozen=True, slots=True)
class UserView:
    """A user as a row."""

    user: UserLink
    organization: str
    status: Badge
    detail: str
    failing_since: Moment
    last_success: Moment
    tokens: int
    states: tuple[tuple[str, int], ...]
    next_expiry: Moment
    urgency: Badge
    policies: tuple[Badge, ...]


@dataclass(frozen=True, slots=True)
class ViolationView:
    """A token, or a user as a whole, with what it violates, as a row."""

    user: UserLink
    organization: str
    token: TokenView | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """A violated policy."""

    policy: Badge
    words: str
    since: Moment


@dataclass(frozen=True, slots=True)
class EventView:
    """A change of a token as a row."""

    at: Moment
    change: Badge
    organization: str
    user: UserLink
    token: str
    href: str
    token_id: str
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PermissionView:
    """A permission of a user."""

    name: str
    tokens: int
    soonest: Moment
    lost: Moment


_URGENT_EVENTS = {"permissions_widened": "critical", "permissions_changed": "warning", "deleted": "info"}


class Views:
    """Makes rows for a reader.

    Args:
        reader: the reader.
        urls: makes addresses.
        alerting: the configured thresholds.
    """

    def __init__(self, reader: Reader, urls: Urls, alerting: Alerting) -> None:
        self._reader = reader
        self._urls = urls
        self._alerting = alerting

    def token(self, match: Match) -> TokenView:
        """A token or SSH key."""
        token = match.token
        if token is None:
            raise TypeError("a row about a user")
        return self.credential(match.organization, match.state, token, match.policies)

    def credential(self, organization: str, state: UserState, token: Token, policies: tuple[Policy, ...]) -> TokenView:
        """A token or SSH key of a user."""
        reader = self._reader
        # Raises for anything but text: a template could not leave the row out.
        permissions = tuple([str.__str__(one) for one in token.permissions])
        return TokenView(
            name=token.name,
            href=self._urls.token(organization, token.token_id),
            token_id=token.token_id,
            kind="" if token.kind is CredentialKind.TOKEN else reader.word(f"kind_{token.kind.value}"),
            description=token.description,
            organization=organization,
            user=self._user(organization, state),
            urgency=self._urgency(state, token),
            expires=reader.moment(token.expires_at, organization, reader.word("state_unknown")),
            expiry="" if token.expires_at in {None, NEVER} else reader.expiry_words(token.expires_at),
            created=reader.moment(token.created_at, organization, reader.word("state_unknown")),
            permissions=permissions[:_SHOWN],
            more_permissions=max(0, len(permissions) - _SHOWN),
            policies=tuple(self.policy(one) for one in policies),
        )

    def user(self, match: Match) -> UserView:
        """A user."""
        reader, state, organization = self._reader, match.state, match.organization
        counts = state.counts(reader.now)
        soonest = next_expiry(state, reader.now)
        urgent = min(
            (urgency(state.user, one, self._alerting, reader.now) for one in state.tokens),
            key=list(Urgency).index,
            default=Urgency.OK,
        )
        return UserView(
            user=self._user(organization, state),
            organization=organization,
            status=self._status(state),
            detail="" if state.failure is None else state.failure.message,
            failing_since=reader.moment(state.failing_since, organization),
            last_success=reader.moment(state.last_success, organization, reader.word("never")),
            tokens=sum(counts.values()),
            states=tuple((reader.word(f"state_{one.value}"), counts[one]) for one in TokenState if counts[one]),
            next_expiry=reader.moment(None if soonest == NEVER else soonest, organization),
            urgency=Badge(urgent.value, reader.word(f"urgency_{urgent.value}")),
            policies=tuple(self.policy(one) for one in match.policies),
        )

    def violation(self, match: Match) -> ViolationView:
        """A token, or a user as a whole, with what it violates."""
        reader = self._reader
        return ViolationView(
            user=self._user(match.organization, match.state),
            organization=match.organization,
            token=None if match.token is None else self.token(match),
            problems=tuple(
                Problem(
                    self.policy(one),
                    reader.policy(one),
                    reader.moment(since(one, match.token), match.organization),
                )
                for one in match.policies
            ),
        )

    def event(self, event: Event) -> EventView:
        """A change of a token."""
        reader, name = self._reader, event.change.value
        details = []
        if event.old_name:
            details.append(reader.word("old_name", name=event.old_name))
        comma = reader.texts.comma
        if event.added:
            details.append(reader.word("added", permissions=comma.join(event.added)))
        if event.removed:
            details.append(reader.word("removed", permissions=comma.join(event.removed)))
        for key, at in (("old_expiry", event.old_expiry), ("new_expiry", event.new_expiry)):
            if at is not None:
                details.append(reader.word(key, expires=reader.moment(at, event.organization).local))
        return EventView(
            at=reader.moment(event.time, event.organization),
            change=Badge(_URGENT_EVENTS.get(name, "ok"), reader.word(f"event_{name}")),
            organization=event.organization,
            user=UserLink(event.user, self._urls.user(event.organization, event.user_id), "", "", ""),
            token=event.token,
            href=self._urls.token(event.organization, event.token_id),
            token_id=event.token_id,
            details=tuple(details),
        )

    def permissions(self, organization: str, state: UserState) -> tuple[PermissionView, ...]:
        """The permissions of a user, with the time until which its tokens grant them."""
        now, moment = self._reader.now, self._reader.moment
        soonest = permission_expiry(state.tokens, now)
        lost = permission_lost(state.tokens, state.unexpired_left_out)
        unknown = self._reader.word("state_unknown")
        return tuple(
            PermissionView(
                name,
                count,
                moment(soonest.get(name), organization, unknown),
                moment(lost.get(name), organization, unknown),
            )
            for name, count in sorted(permission_tokens(state.tokens, now).items())
        )

    def dashboard(self, organization: str, user: str) -> str:
        """The address of Grafana's dashboard about a user; "" if there is none."""
        return self._urls.dashboard(organization, user)

    def _user(self, organization: str, state: UserState) -> UserLink:
        user = state.user
        href, owner = self._urls.user(organization, user.user_id), user.owner
        if owner is None:
            return UserLink(user.name, href, "", "", "")
        return UserLink(user.name, href, owner.email or "", owner.department or "", owner.username or "")

    def _urgency(self, state: UserState, token: Token) -> Badge:
        found = urgency(state.user, token, self._alerting, self._reader.now)
        return Badge(found.value, self._reader.word(f"urgency_{found.value}"))

    def policy(self, policy: Policy) -> Badge:
        """A policy."""
        return Badge(policy.severity.value, policy.name, self._reader.policy(policy))

    def _status(self, state: UserState) -> Badge:
        status = PollStatus.of(state)
        kind = {PollStatus.FAILING: "critical", PollStatus.PENDING: "unknown", PollStatus.OK: "ok"}[status]
        if state.failure is None:
            return Badge(kind, self._reader.word(f"status_{status.value}"))
        reason = self._reader.texts.reasons.get(state.failure.reason.value)
        return Badge(kind, state.failure.reason.value, "" if reason is None else reason.meaning)
