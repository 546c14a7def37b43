"""When the exporter's own token expires: found by its id among the tokens of its owner."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

import structlog

from exporter.common.cancellation import Stop, StoppedError
from exporter.common.text import expiry_words, utc
from exporter.model.state import Reason
from exporter.model.token import NEVER
from exporter.platform.base import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.common.clock import Clock
    from exporter.common.secrets import Secret, SecretSource
    from exporter.model.token import Token
    from exporter.platform.base import OwnTokens

_log = structlog.get_logger(__name__)
LOOK_EVERY = 3600.0
"""Seconds between two looks."""
_RETRY = 60.0
_MASKED = re.compile(r"\*+")


def own_token(token_id: str, listed: Iterable[Token]) -> Token | None:
    """The token of an id among listed ones, whose ids may be masked: ``*`` stands for any run of characters.

    An id that is told whole comes before masked ones. Of several that fit, the one that expires first is taken, those
    whose expiry cannot be read last.
    """
    fitting = [token for token in listed if _fits(token.token_id, token_id)]
    whole = [token for token in fitting if token.token_id == token_id]
    return min(whole or fitting, key=_order, default=None)


def _fits(masked: str, token_id: str) -> bool:
    # By hand: what a server can put between many stars takes a backtracking regular expression for ever.
    first, *rest = _MASKED.split(masked)
    if not rest:
        return masked == token_id
    *middle, last = rest
    position, end = len(first), len(token_id) - len(last)
    if position > end or not (token_id.startswith(first) and token_id.endswith(last)):
        return False
    for part in middle:
        at = token_id.find(part, position, end)
        if at < 0:
            return False
        position = at + len(part)
    return True


def _order(token: Token) -> tuple[bool, float]:
    return token.expires_at is None, NEVER if token.expires_at is None else token.expires_at


class OwnTokenWatch:
    """Asks for the expiry of an organization's token now and then. One look at a time.

    Args:
        organization: its name, for the log.
        client: the API.
        source: where the token comes from; no more than its public part is looked at.
        told: called with the expiry in epoch seconds, `NEVER` if it has none, None if it cannot be known.
        stop: ends everything.
        clock: where time comes from.
    """

    def __init__(
        self,
        organization: str,
        client: OwnTokens,
        source: SecretSource,
        told: Callable[[float | None], None],
        stop: Stop,
        clock: Clock,
    ) -> None:
        self._client = client
        self._source = source
        self._told = told
        self._stop = stop
        self._clock = clock
        self._looked_for: Secret | None = None
        self._known_of: Secret | None = None
        self._said: str | None = None
        # Guards _paused, and the order of what is reported: a request may end after the pause.
        self._lock = threading.Lock()
        self._paused = False
        self._log = _log.bind(organization=organization)

    def pause(self) -> None:
        """Report no expiry from now on, not even that of a request under way: another replica does."""
        with self._lock:
            self._paused = True
            self._known_of = None
            self._told(None)

    def resume(self) -> None:
        """Report again; what is known comes with the next `look`."""
        with self._lock:
            self._paused = False

    def _report(self, known_of: Secret | None, expires_at: float | None) -> None:
        """Pass on the expiry of a secret; None and None if it cannot be known."""
        with self._lock:
            if not self._paused:
                self._known_of = known_of
                self._told(expires_at)

    @property
    def outdated(self) -> bool:
        """Whether another token has come into use since the last look."""
        return self._looked_for is not None and self._looked_for != self._source.current()

    def look(self) -> float | None:
        """Ask once.

        Returns:
            Seconds after which to ask again without waiting for the next look; None if that will do.
        """
        self._looked_for = self._source.current()
        try:
            owner = self._client.caller(self._stop)
            listed = self._client.list_tokens(owner.user_id, self._stop)
        except StoppedError:
            return None
        except ApiError as error:
            if not error.not_offered:
                # What is known of the same token stays, and sweeps tell of the failure.
                self._log.debug("own token cannot be looked up now", detail=error.detail)
                if self._known_of is not None and self._known_of != self._looked_for:
                    # What is known is of the token before.
                    self._report(None, None)
                return None if error.reason is Reason.UNAUTHORIZED else _RETRY
            if self._known_of == self._looked_for:
                # It was allowed before, and one answer does not unsay what is known of the same token.
                return _RETRY
            self._say("own token is not watched: this token may not ask for it", detail=error.detail)
            self._report(None, None)
            return None
        # Another token may have been taken for the requests than the one in use before.
        self._looked_for = self._source.current()
        # Only what stands before the "_" is public, and is what the platform lists.
        token = own_token(self._looked_for.reveal().partition("_")[0], listed)
        if token is None or token.expires_at is None:
            what = "it is not among those of its owner" if token is None else "its expiry cannot be read"
            self._say(f"own token is not watched: {what}")
            self._report(None, None)
            return None
        words = expiry_words(token.expires_at, self._clock.now())
        at = None if token.expires_at == NEVER else utc(token.expires_at)
        self._say(f"own token {words}", key=f"{token.token_id} {token.expires_at}", token_id=token.token_id, at=at)
        self._report(self._looked_for, token.expires_at)
        return None

    def _say(self, message: str, *, key: str | None = None, **details: str | None) -> None:
        """Say something once, until there is something else to say."""
        if self._said != (said := key or message):
            self._log.info(message, **details)
        self._said = said
