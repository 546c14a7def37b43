"""The client for Alertmanager's API v2: one batch, one answer."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import requests
import urllib3

from exporter.alerts.tracker import Moment
from exporter.common.exceptions import clear_chain
from exporter.common.secrets import SecretError
from exporter.http.session import GuardedSession, Watchdog

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from exporter.alerts.tracker import Notice
    from exporter.common.clock import Clock
    from exporter.common.redaction import Redactor
    from exporter.common.secrets import SecretSource

_PATH = "/api/v2/alerts"
_DETAIL_LIMIT = 200
_SUCCESS = range(200, 300)
_REFUSED = {400, 413, 422}
"""The batch is at fault, not Alertmanager: a smaller one, or one without the alert in question, may be taken."""
_CLOCK_LIMIT = 86400.0
"""Seconds by which Alertmanager's clock may differ from this machine's; beyond, its `Date` is not believed."""


class DeliveryError(Exception):
    """A batch was not taken.

    Attributes:
        refused: Alertmanager understood the request and did not want an alert in it; sending the same again is in vain.
        answered: there was an answer.
    """

    def __init__(self, detail: str, *, refused: bool, answered: bool = False) -> None:
        super().__init__(detail)
        self.refused = refused
        self.answered = answered


@dataclass(frozen=True, slots=True)
class AlertmanagerTarget:
    """One Alertmanager, and how to get there.

    Attributes:
        url: its address, without `/api/v2/alerts`.
        timeout: seconds that one request may take, all in all.
        username: for basic auth, with the password as `secret`.
        secret: the password, or the bearer token where there is no user name; None for neither.
    """

    url: str
    timeout: float
    username: str | None = None
    secret: SecretSource | None = None
    ca_file: Path | None = None
    server_name: str | None = None
    insecure_skip_verify: bool = False


class AlertmanagerClient:
    """Sends batches to one Alertmanager. One thread at a time.

    Args:
        target: where to.
        watchdog: limits the requests' time.
        clock: where time comes from.
        redact: takes the credentials out of what Alertmanager, or a proxy before it, answers.
    """

    def __init__(self, target: AlertmanagerTarget, watchdog: Watchdog, clock: Clock, *, redact: Redactor) -> None:
        self.target = target
        self._clock = clock
        self._redact = redact
        # Alertmanager's clock minus monotonic time, from its last answer; None if it said nothing that can be read.
        # Never late: `Date` has whole seconds, and the answer took its time.
        self._server_clock: float | None = None
        self._closed = False
        self._session = GuardedSession(
            watchdog,
            concurrency=1,
            ca_file=target.ca_file,
            server_name=target.server_name,
            insecure_skip_verify=target.insecure_skip_verify,
        )
        self._session.headers["Content-Type"] = "application/json"
        # An answer is read to its limit and not decompressed.
        self._session.headers["Accept-Encoding"] = "identity"

    def close(self) -> None:
        """End the request under way and close the connection; nothing is sent from here on."""
        self._closed = True
        self._session.close()

    def send(self, notices: Sequence[Notice]) -> None:
        """Send one batch.

        Raises:
            DeliveryError: it was not taken. The message has no secret and at most a few words of the answer.
        """
        try:
            authorization = self._authorization()
        except SecretError as error:
            raise DeliveryError(f"not sent: {error}", refused=False) from None
        at = Moment.of(self._clock)
        ahead = self._ahead(at)
        body = json.dumps([notice.as_json(at, ahead) for notice in notices]).encode()
        # A secret that is cut off at the end of what was read could not be recognised any more.
        longest = 2 * len(authorization) + 8
        limit = _DETAIL_LIMIT + 4 * longest
        with self._session.call(self.target.timeout) as call:
            # Asked here: `close` ends the calls that it finds, this one from now on among them.
            if self._closed:
                raise DeliveryError("not sent: stopping", refused=False)
            try:
                with self._session.post(
                    self.target.url + _PATH,
                    data=body,
                    headers={"Authorization": authorization} if authorization else {},
                    timeout=self.target.timeout,
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    status = response.status_code
                    self._server_clock = _since_epoch(response.headers.get("Date"), self._clock.monotonic())
                    raw = response.raw.read(limit, decode_content=False)
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                why = f"no answer within {self.target.timeout:g} s" if call.over else type(error).__name__
                clear_chain(error)
                raise DeliveryError(f"no delivery: {why}", refused=False) from None
        if status not in _SUCCESS:
            refused = status in _REFUSED
            words = self._words(raw, longest if len(raw) == limit else 0) if refused else ""
            raise DeliveryError(f"HTTP {status} {words}".strip(), refused=refused, answered=True)

    def _ahead(self, at: Moment) -> float:
        """Seconds by which Alertmanager's clock is ahead of this machine's, as far as is known."""
        if self._server_clock is None:
            return 0.0
        ahead = self._server_clock + at.monotonic - at.wall
        return ahead if abs(ahead) <= _CLOCK_LIMIT else 0.0

    def _words(self, raw: bytes, uncertain: int) -> str:
        text = self._redact.clean(raw.decode("utf-8", "replace"))
        return text[: len(text) - uncertain][:_DETAIL_LIMIT].strip().strip('"')

    def _authorization(self) -> str:
        target = self.target
        if target.secret is None:
            return ""
        secret = target.secret.current().reveal()
        self._redact.add(secret)
        if target.username is None:
            return f"Bearer {secret}"
        encoded = base64.b64encode(f"{target.username}:{secret}".encode()).decode()
        self._redact.add(encoded)
        return f"Basic {encoded}"


def _since_epoch(date: str | None, monotonic: float) -> float | None:
    try:
        return parsedate_to_datetime(date or "").timestamp() - monotonic
    except (ValueError, OverflowError):
        return None
