"""The client for Alertmanager's API v2: one batch, one answer."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests
import urllib3

from exporter.transport import GuardedSession, Watchdog

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from exporter.alerts.tracker import Notice
    from exporter.config.secrets import SecretSource

_PATH = "/api/v2/alerts"
_DETAIL_LIMIT = 200
_OK = 200
_BAD_REQUEST = 400


class DeliveryError(Exception):
    """A batch was not taken.

    Attributes:
        refused: Alertmanager understood the request and did not want an alert in it; sending the same again is in vain.
    """

    def __init__(self, detail: str, *, refused: bool) -> None:
        super().__init__(detail)
        self.refused = refused


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
    """Sends batches to one Alertmanager. One thread at a time."""

    def __init__(self, target: AlertmanagerTarget, watchdog: Watchdog) -> None:
        self.target = target
        self._session = GuardedSession(
            watchdog,
            concurrency=1,
            ca_file=target.ca_file,
            server_name=target.server_name,
            insecure_skip_verify=target.insecure_skip_verify,
        )
        self._session.headers["Content-Type"] = "application/json"

    def close(self) -> None:
        """End the request under way and close the connection."""
        self._session.close()

    def send(self, notices: Sequence[Notice]) -> None:
        """Send one batch.

        Raises:
            DeliveryError: it was not taken. The message holds no secret and no body.
        """
        body = json.dumps([notice.as_json() for notice in notices]).encode()
        with self._session.call(self.target.timeout) as call:
            try:
                with self._session.post(
                    self.target.url + _PATH,
                    data=body,
                    headers=self._authorization(),
                    timeout=self.target.timeout,
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    status = response.status_code
                    detail = response.raw.read(_DETAIL_LIMIT, decode_content=True) if status == _BAD_REQUEST else b""
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                why = f"no answer within {self.target.timeout:g} s" if call.over else type(error).__name__
                raise DeliveryError(f"no delivery: {why}", refused=False) from None
        if status != _OK:
            words = detail.decode("utf-8", "replace").strip().strip('"')
            raise DeliveryError(f"HTTP {status} {words}".strip(), refused=status == _BAD_REQUEST)

    def _authorization(self) -> dict[str, str]:
        target = self.target
        if target.secret is None:
            return {}
        secret = target.secret.current().reveal()
        if target.username is None:
            return {"Authorization": f"Bearer {secret}"}
        pair = base64.b64encode(f"{target.username}:{secret}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
