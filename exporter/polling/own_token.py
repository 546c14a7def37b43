"""Finds out when the exporter's own token expires, by its id among the tokens of its owner."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from exporter.common.cancellation import Stop, StoppedError
from exporter.common.text import expiry_words, utc
from exporter.model.mask import fits
from exporter.model.token import NEVER
from exporter.platform.base import ApiError, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.common.clock import Clock
    from exporter.common.secrets import Secret, SecretSource
    from exporter.model.token import Token
    from exporter.platform.base import OwnTokens

_log = structlog.get_logger(__name__)
CHECK_INTERVAL = 3600.0
"""Seconds between two checks."""
_RETRY = 60.0
"""Seconds until the next check after one that failed."""
_DAY = 86400.0
_HINT = "replace it in the token file; without it no user can be polled"


def own_token(token_id: str, listed: Iterable[Token]) -> Token | None:
    """The listed token that has an id. Listed ids may be masked: ``*`` stands for any number of characters.

    A complete id wins over masked ones. If several match, the one that expires first wins; unreadable expiries come
    last.
    """
    matching = [token for token in listed if fits(token.token_id, token_id)]
    whole = [token for token in matching if token.token_id == token_id]
    return min(whole or matching, key=_order, default=None)


def _order(token: Token) -> tuple[bool, float]:
    return token.expires_at is None, NEVER if token.expires_at is None else token.expires_at


class OwnTokenMonitor:
    """Checks when an organization's own token expires. One check at a time.

    Args:
        organization: its name, for the log.
        client: the platform.
        source: the token; only its public part is compared.
        report: called with the expiry in epoch seconds, `NEVER` if it has none, None if it is unknown.
        stop: cancels the calls.
        clock: the time.
        warning: seconds before the expiry from which on it is logged as a warning, each day.
    """

    def __init__(
        self,
        organization: str,
        client: OwnTokens,
        source: SecretSource,
        report: Callable[[float | None], None],
        stop: Stop,
        clock: Clock,
        warning: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._client = client
        self._source = source
        self._report = report
        self._stop = stop
        self._clock = clock
        self._warning = warning
        self._checked: Secret | None = None
        self._known: Secret | None = None
        self._logged: str | None = None
        # Guards _paused and the order of the reports: a request may end after the pause.
        self._lock = threading.Lock()
        self._paused = False
        self._log = _log.bind(organization=organization)

    def pause(self) -> None:
        """Report no expiry from now on, not even after a request in flight: another replica reports it."""
        with self._lock:
            self._paused = True
            self._known = None
            self._report(None)

    def resume(self) -> None:
        """Report again, beginning with the next `check`."""
        with self._lock:
            self._paused = False

    def _report_expiry(self, secret: Secret | None, expires_at: float | None) -> None:
        """Report the expiry of a secret; None and None if it is unknown."""
        with self._lock:
            if not self._paused:
                self._known = secret
                self._report(expires_at)

    @property
    def outdated(self) -> bool:
        """Whether another token is in use since the last check."""
        return self._checked is not None and self._checked != self._source.current()

    def check(self) -> float | None:
        """Check the expiry once.

        Returns:
            Seconds after which to check again without waiting for the interval; None to wait for it.
        """
        self._checked = self._source.current()
        try:
            owner = self._client.caller(self._stop)
            listed = self._client.list_tokens(owner.user_id, self._stop).tokens
        except StoppedError:
            return None
        except ApiError as error:
            if not error.not_offered:
                # The known expiry of the same token stays. Sweeps report the failure.
                self._log.debug("own token cannot be checked now", detail=error.detail)
                if self._known is not None and self._known != self._checked:
                    # The known expiry belongs to the previous token.
                    self._report_expiry(None, None)
                return None if error.refusal is Refusal.TOKEN else _RETRY
            if self._known == self._checked:
                # It was allowed before: one refusal does not make the known expiry of the same token wrong.
                return _RETRY
            self._log_once(
                "own token is not watched: the platform does not let this token read it", detail=error.detail
            )
            self._report_expiry(None, None)
            return None
        # The requests may have switched to another token.
        self._checked = self._source.current()
        # Only the part before "_" is public, and is what the platform lists.
        token = own_token(self._checked.reveal().partition("_")[0], listed)
        if token is not None and token.expires_at is None and self._known == self._checked:
            # One answer that cannot be read does not make the known expiry of the same token wrong.
            return None
        if token is None or token.expires_at is None:
            what = "it is not among the tokens of its owner" if token is None else "its expiry cannot be read"
            self._log_once(f"own token is not watched: {what}")
            self._report_expiry(None, None)
            return None
        self._log_expiry(token.token_id, token.expires_at)
        self._report_expiry(self._checked, token.expires_at)
        return None

    def _log_expiry(self, token_id: str, expires_at: float) -> None:
        """Log the expiry once; once a day while it is near."""
        now = self._clock.now()
        words, at = expiry_words(expires_at, now), None if expires_at == NEVER else utc(expires_at)
        key = f"{token_id} {expires_at}"
        if expires_at - now < self._warning():
            # It was logged when it was found, and is due again each day.
            day = f"{key} {now // _DAY:g}"
            if self._logged != day:
                self._logged = day
                self._log.warning(f"own token {words}", token_id=token_id, at=at, hint=_HINT)
            return
        self._log_once(f"own token {words}", key=key, token_id=token_id, at=at)

    def _log_once(self, message: str, *, key: str | None = None, **details: str | None) -> None:
        """Log a message unless it was the last one logged."""
        if self._logged != (logged := key or message):
            self._log.info(message, **details)
        self._logged = logged
