"""The pages about a single user and a single token, which alerts link to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote
from zoneinfo import ZoneInfo

from exporter.common.text import explained, local_and_utc, rough_duration
from exporter.model.loss import Losses
from exporter.model.token import NEVER
from exporter.model.token_texts import owner_texts
from exporter.texts.catalogue import Catalogue, catalogue
from exporter.web.templating import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from exporter.common.clock import Clock
    from exporter.model.state import UserState
    from exporter.model.token import Token
    from exporter.model.user import User
    from exporter.state.store import Store
    from exporter.texts.catalogue import Language

_MOST_USERS = 20
"""Users shown on the page of a token: masked ids may belong to several."""
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class _Row:
    """A token as a row of a table."""

    name: str
    token_id: str
    purpose: str
    expires: str
    remaining: str
    permissions: str


@dataclass(frozen=True, slots=True)
class _Subject:
    """A user with the tokens to show."""

    user: User
    contact: str
    failure: str
    link: str
    rows: tuple[_Row, ...]


class SubjectPages:
    """Makes the pages.

    Args:
        store: the state of all users.
        clock: the current time.
        zones: the time zone of each organization.
    """

    def __init__(self, store: Store, clock: Clock, zones: Callable[[], Mapping[str, ZoneInfo]]) -> None:
        self._store = store
        self._clock = clock
        self._zones = zones

    def user(self, organization: str, user_id: str, language: Language) -> bytes | None:
        """The page about a user as HTML in UTF-8; None if no such user is watched."""
        state = next((state for state in self._states(organization) if state.user.user_id == user_id), None)
        if state is None:
            return None
        shown = self._subject(organization, state, state.credentials, language, link="")
        return _page(language, organization, state.user.name, (shown,))

    def token(self, organization: str, token_id: str, language: Language) -> bytes | None:
        """The page about the tokens or SSH keys with an id, and their owners; None if there is none."""
        subjects: list[_Subject] = []
        name = ""
        for state in self._states(organization):
            found = [token for token in state.credentials if token.token_id == token_id]
            if found:
                name = name or found[0].name
                link = f"../../users/{quote(organization, '')}/{quote(state.user.user_id, '')}"
                subjects.append(self._subject(organization, state, found, language, link))
            if len(subjects) == _MOST_USERS:
                break
        return _page(language, organization, name, subjects) if subjects else None

    def _states(self, organization: str) -> tuple[UserState, ...]:
        view = self._store.view()
        return next((one.users for one in view.organizations if one.name == organization), ())

    def _subject(
        self, organization: str, state: UserState, tokens: Iterable[Token], language: Language, link: str
    ) -> _Subject:
        words, zone = catalogue(language), self._zones().get(organization, _UTC)
        losses, now = Losses(state, language, zone), self._clock.now()
        failure = ""
        if state.failure is not None:
            failure = explained(state.failure.message, reason=words.reasons[state.failure.reason.value].words)
        contact = words.comma.join(text for text in owner_texts(state.user).values() if text)
        rows = (_row(token, losses, words, zone, now) for token in tokens)
        return _Subject(state.user, contact, failure, link, tuple(rows))


def _row(token: Token, losses: Losses, words: Catalogue, zone: ZoneInfo, now: float) -> _Row:
    expires_at, remaining, permissions = token.expires_at, "", words.comma.join(token.permissions)
    if expires_at is None:
        expires = words.page["unknown"]
    elif expires_at == NEVER:
        expires = words.page["never"]
    else:
        expires = local_and_utc(expires_at, zone)
        left = words.duration(rough_duration(abs(expires_at - now)))
        remaining = (words.expires_in if expires_at > now else words.expired_ago).format(remaining=left)
        permissions = losses.words(token, now)
    return _Row(token.name, token.token_id, token.description, expires, remaining, permissions)


def _page(language: Language, organization: str, title: str, subjects: Iterable[_Subject]) -> bytes:
    html = TEMPLATES.get_template("subject.html").render(
        language=language.value,
        words=catalogue(language).page,
        title=title,
        organization=organization,
        subjects=subjects,
    )
    return html.encode()
