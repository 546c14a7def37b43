"""Asks a running exporter over HTTP, for commands."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import requests
import urllib3

from exporter.common.exceptions import causes, clear_chain
from exporter.common.live_tls import LiveTls
from exporter.common.text import explained
from exporter.common.worker import Supervisor
from exporter.http.session import GuardedSession, Watchdog
from exporter.http.tls_problems import Advice, tls_problem

if TYPE_CHECKING:
    from exporter.common.clock import Clock
    from exporter.common.secrets import Secret

_TIMEOUT = 300.0
"""Seconds for one answer: the list of all tokens of a large enterprise takes some."""
_LARGEST = 1024**3
_PART = 1024**2
_OK = 200
_UNAUTHORIZED = 401
_NOT_FOUND = 404
_NOT_READY = 503
_WRONG = "check user and password in the file of --from-auth-file"
_HINTS = {
    _UNAUTHORIZED: "name a file that contains USER:PASSWORD with --from-auth-file",
    403: "the user may not read this; name the file of a user who may in --from-auth-file",
    _NOT_FOUND: "check that the address is that of the exporter, with its route prefix",
}
_TLS_ADVICE = Advice(
    "the server requires a client certificate: set --from-cert-file and --from-key-file",
    "the server has no certificate for this host name (SNI): check the URL",
)


class RemoteError(Exception):
    """A running exporter did not answer as it should. The message contains no secret."""


class _NotFoundError(RemoteError):
    """It does not have what was asked for."""


@dataclass(frozen=True, slots=True)
class RemoteTarget:
    """A running exporter.

    Attributes:
        url: its address, without a slash at the end.
        tls: certificate authorities and client certificate.
        credentials: ``user:password``; None for none.
    """

    url: str
    tls: LiveTls = field(default_factory=LiveTls)
    credentials: Secret | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of an answer, and the number of tokens that it says are left out."""

    body: bytes
    left_out: int = 0


class RemoteExporter:
    """Asks one exporter. Use it as a context.

    Args:
        target: where it is.
        clock: limits the time of requests.
    """

    def __init__(self, target: RemoteTarget, clock: Clock) -> None:
        self._target = target
        self._watchdog = Watchdog(clock, Supervisor(lambda _: None, clock))
        self._session = GuardedSession(self._watchdog, 1, tls=target.tls)
        self._session.headers["Accept-Encoding"] = "gzip"

    def __enter__(self) -> Self:
        self._watchdog.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()
        self._watchdog.stop()

    def tokens(self) -> Answer:
        """The list of all tokens.

        Raises:
            RemoteError: there is none.
        """
        self._get("/-/ready")
        return self._get("/api/v1/tokens")

    def users(self) -> Answer | None:
        """The list of users with the failures of their polls; None if the exporter is too old to have one.

        Raises:
            RemoteError: there is no answer.
        """
        try:
            return self._get("/api/v1/users")
        except _NotFoundError:
            return None

    def events(self) -> Answer:
        """The list of events.

        Raises:
            RemoteError: there is none.
        """
        return self._get("/api/v1/events")

    def _get(self, path: str) -> Answer:
        url = f"{self._target.url}{path}"
        try:
            with self._session.call(_TIMEOUT) as call:
                try:
                    return self._answer(url)
                except requests.exceptions.InvalidURL:
                    raise
                except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                    problem = f"no answer within {_TIMEOUT:g} s" if call.over else _connection_problem(error)
                    clear_chain(error)
                    raise RemoteError(explained(problem, _connection_hint(problem), reason=url)) from None
        except ValueError as error:
            clear_chain(error)
            raise RemoteError(f"{self._target.url}: is not a valid address; write it as http://host:10097") from None

    def _answer(self, url: str) -> Answer:
        with self._session.get(
            url, headers=self._headers(), timeout=_TIMEOUT, allow_redirects=False, stream=True
        ) as response:
            status = response.status_code
            if status != _OK:
                detail = response.raw.read(1000, decode_content=True).decode("utf-8", "replace").strip()
                words = detail if status == _NOT_READY else ""
                hint = _HINTS.get(status, "try again later" if status == _NOT_READY else "")
                if status == _UNAUTHORIZED and self._target.credentials is not None:
                    hint = _WRONG
                kind = _NotFoundError if status == _NOT_FOUND else RemoteError
                raise kind(explained(f"HTTP {status} {words}".strip(), hint, reason=url))
            parts, size = [], 0
            while part := response.raw.read(_PART, decode_content=True):
                parts.append(part)
                size += len(part)
                if size > _LARGEST:
                    raise RemoteError(f"{url}: the answer is larger than 1 GiB; use the state file instead")
            left_out = response.headers.get("X-Tokens-Left-Out", "0")
        return Answer(b"".join(parts), int(left_out) if left_out.isascii() and left_out.isdigit() else 0)

    def _headers(self) -> dict[str, str]:
        if self._target.credentials is None:
            return {}
        return {"Authorization": f"Basic {base64.b64encode(self._target.credentials.reveal().encode()).decode()}"}


def _connection_problem(error: Exception) -> str:
    """What is wrong, without the text of the libraries, which repeats the request."""
    if (problem := tls_problem(causes(error), _TLS_ADVICE)) is not None:
        return f"TLS: {problem}"
    return f"no connection ({type(error).__name__})"


def _connection_hint(problem: str) -> str:
    if problem.startswith("TLS"):
        return "check http or https, and name the certificate authorities with --from-ca-file"
    return "check the address, http or https, and that the exporter is running"
