"""Posts JSON to a receiver over HTTP: TLS, credentials, one limit on the total time, errors without secrets."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import requests
import urllib3

from exporter.alerts.receivers.base import DeliveryError
from exporter.common.exceptions import causes, clear_chain
from exporter.common.secrets import SecretError
from exporter.http.session import GuardedSession, Watchdog
from exporter.http.tls_problems import tls_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.common.live_tls import LiveTls
    from exporter.common.redaction import Redactor
    from exporter.common.secrets import SecretSource
    from exporter.config.settings import AlertmanagerSettings

_DETAIL_LIMIT = 200
_SUCCESS = range(200, 300)
_REFUSED = {400, 413, 422}
"""The batch is at fault, not the receiver: it may accept a smaller batch, or one without the alert in question."""


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """Where to post, and with which TLS settings and credentials.

    Attributes:
        url: the address as configured.
        timeout: total seconds for one request.
        username: for basic auth, with the password as `secret`.
        secret: the password, or the bearer token if there is no user name; None for neither.
        tls: certificate authorities and client certificate; None for the public authorities and no certificate.
        proxies: proxy URLs by scheme; may contain a password.
    """

    url: str
    timeout: float
    username: str | None = None
    secret: SecretSource | None = None
    tls: LiveTls | None = None
    server_name: str | None = None
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, settings: AlertmanagerSettings) -> HttpTarget:
        """The target that a receiver's settings describe."""
        config = settings.config
        return cls(
            url=config.url,
            timeout=config.timeout,
            username=None if config.basic_auth is None else config.basic_auth.username,
            secret=settings.secret,
            tls=settings.tls,
            server_name=config.tls.server_name,
            proxies=settings.proxies,
        )


def _why(error: Exception) -> str:
    problem = tls_problem(causes(error))
    return type(error).__name__ if problem is None else f"TLS: {problem}"


class JsonPoster:
    """Posts JSON to one target. One thread at a time.

    Args:
        target: where to post.
        watchdog: limits the total time of requests.
        redactor: removes the credentials from what the receiver, or a proxy in front of it, answers.
    """

    def __init__(self, target: HttpTarget, watchdog: Watchdog, redactor: Redactor) -> None:
        self.target = target
        self._redactor = redactor
        self._closed = False
        # The parts that all requests to a path share, prepared for the first one, so that an invalid address is
        # reported as its failure.
        self._template: tuple[str, requests.PreparedRequest] | None = None
        self._session = GuardedSession(watchdog, concurrency=1, tls=target.tls, server_name=target.server_name)
        self._session.headers["Content-Type"] = "application/json"
        # The answer is read up to a limit and not decompressed.
        self._session.headers["Accept-Encoding"] = "identity"
        self._session.proxies = dict(target.proxies)

    def close(self) -> None:
        """Abort the request in progress and close the connection; nothing is sent afterwards."""
        self._closed = True
        self._session.close()

    def post(
        self, path: str, body: Callable[[], bytes], on_headers: Callable[[Mapping[str, str]], None] = lambda _: None
    ) -> None:
        """Post a body.

        Args:
            path: appended to the target's address.
            body: makes the body, right before it is sent.
            on_headers: called with the headers of the answer, whatever its status.

        Raises:
            DeliveryError: no answer, or not a 2xx. The message contains no secret and at most `_DETAIL_LIMIT`
                characters of the answer.
        """
        target = self.target
        try:
            authorization = self._authorization()
        except SecretError as error:
            raise DeliveryError(f"not sent: {error}", refused=False) from None
        content = body()
        # A secret that is cut off at the end of what was read could not be recognised any more.
        longest = 2 * len(authorization) + 8
        limit = _DETAIL_LIMIT + 4 * longest
        status = 0
        raw = b""
        with self._session.call(target.timeout) as call:
            # Checked inside the call: `close` ends the calls that it finds, from now on this one too.
            if self._closed:
                raise DeliveryError("not sent: stopping", refused=False)
            try:
                request = self._request(path, content, authorization)
                with self._session.send_as_is(request, target.timeout) as response:
                    status = response.status_code
                    on_headers(response.headers)
                    raw = response.raw.read(limit, decode_content=False)
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                why = f"no answer within {target.timeout:g} s" if call.over else _why(error)
                clear_chain(error)
                if status in _SUCCESS:
                    # It has been accepted: whatever follows the status does not matter.
                    return
                raise DeliveryError(f"no delivery: {why}", refused=False) from None
        if status not in _SUCCESS:
            refused = status in _REFUSED
            detail = self._detail(raw, longest if len(raw) == limit else 0) if refused else ""
            raise DeliveryError(f"HTTP {status} {detail}".strip(), refused=refused, answered=True)

    def _request(self, path: str, content: bytes, authorization: str) -> requests.PreparedRequest:
        """A request, from parts that are prepared once: preparing one costs more than sending it."""
        if self._template is None or self._template[0] != path:
            address = requests.Request("POST", self.target.url + path)
            self._template = path, self._session.prepare_request(address)
        _, template = self._template
        request = requests.PreparedRequest()
        request.method, request.url, request.body = template.method, template.url, content
        headers = dict(template.headers) | {"Content-Length": str(len(content))}
        if authorization:
            headers["Authorization"] = authorization
        # A plain mapping, since requests' own is slow to copy and nothing here depends on the case of names.
        request.headers = headers  # type: ignore[assignment]
        return request

    def _detail(self, raw: bytes, uncertain: int) -> str:
        text = self._redactor.clean(raw.decode("utf-8", "replace"))
        return text[: len(text) - uncertain][:_DETAIL_LIMIT].strip().strip('"')

    def _authorization(self) -> str:
        target = self.target
        if target.secret is None:
            return ""
        secret = target.secret.current().reveal()
        self._redactor.add(secret)
        if target.username is None:
            return f"Bearer {secret}"
        encoded = base64.b64encode(f"{target.username}:{secret}".encode()).decode()
        self._redactor.add(encoded)
        return f"Basic {encoded}"
