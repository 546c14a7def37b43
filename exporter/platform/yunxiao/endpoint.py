"""Sends one request to the platform and reads the answer. Every failure becomes an `ApiError`."""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlencode

import requests
import urllib3

from exporter.common.exceptions import clear_chain
from exporter.http.large_answers import BODY_LIMIT, SMALL
from exporter.http.session import Call, GuardedSession, Watchdog
from exporter.model.state import Reason
from exporter.platform.base import ApiError, Refusal, reason_of_status
from exporter.platform.yunxiao.encoding import as_utf8
from exporter.platform.yunxiao.envelope import check_reported
from exporter.platform.yunxiao.error_body import RefusedError, read_error
from exporter.platform.yunxiao.failures import broken, out_of_time
from exporter.platform.yunxiao.headers import host_of, retry_after_of, without_token
from exporter.platform.yunxiao.login import LOGIN_WORDS, leads_to_login
from exporter.platform.yunxiao.refusals import Question, explanation, reason_for
from exporter.platform.yunxiao.schemes import https_expected

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from zoneinfo import ZoneInfo

    from exporter.common.cancellation import Stop
    from exporter.common.clock import Clock
    from exporter.common.live_tls import LiveTls
    from exporter.common.secrets import Secret

Answer: TypeAlias = "tuple[bytes, Mapping[str, str]]"
"""A body, and the headers, whose names ignore case."""

_API = "oapi/v1/"
_TOKEN_HEADER = "x-yunxiao-token"  # noqa: S105 - the name of a header
_ERROR_BODY_LIMIT = 64 * 1024
_CHUNK = 64 * 1024
_OK = 200


@dataclass(frozen=True, slots=True)
class Target:
    """The address of the API and how to connect to it.

    Attributes:
        endpoint: the platform's address, without trailing slash.
        host_header: the `Host` header, if not the host of the address.
        server_name: the name to expect in the certificate, if not the host of the address.
        tls: certificate authorities and client certificate; None for the public authorities and no certificate.
        proxies: proxies by scheme; may contain a password, so they are not in the repr.
        timezone: the time zone of dates without one.
        timeout: limit for the total time of a request, in seconds.
        concurrency: limit for the requests in flight.
        max_retry_after: longest pause that the platform may ask for, in seconds.
    """

    endpoint: str
    timezone: ZoneInfo
    timeout: float
    concurrency: int
    max_retry_after: float
    host_header: str | None = None
    server_name: str | None = None
    tls: LiveTls | None = None
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)


class Endpoint:
    """Sends requests to the API and reads their answers. Threads may share it.

    Args:
        target: the address of the API.
        watchdog: cancels requests that take too long.
        clock: the time.
        redact: removes secrets from text of the platform before it becomes the text of an error.
        resent: called when a request was sent again on a fresh connection.
        damaged: called when an answer has bytes that are not valid in any encoding.
    """

    def __init__(
        self,
        target: Target,
        watchdog: Watchdog,
        clock: Clock,
        redact: Callable[[str], str],
        resent: Callable[[], None],
        damaged: Callable[[], None],
    ) -> None:
        self._target = target
        self._clock = clock
        self._redact = redact
        self._resent = resent
        self._damaged = damaged
        self._large_answers = watchdog.large_answers
        self._session = _session(target, watchdog)
        # A proxy answers, or fails to, in place of the port.
        self._never_answered_plain = target.endpoint.lower().startswith("http:") and not target.proxies

    @functools.cached_property
    def _template(self) -> requests.PreparedRequest:
        """The parts that all requests share, prepared once: preparing a request costs more than sending it.

        It is prepared for the first request, so that an invalid address is reported as its failure.
        """
        return self._session.prepare_request(requests.Request("GET", self._target.endpoint + "/"))

    @functools.cached_property
    def _headers(self) -> dict[str, str]:
        return dict(self._template.headers)

    def _request(self, question: Question, token: Secret) -> requests.PreparedRequest:
        request = requests.PreparedRequest()
        request.method = self._template.method
        request.url = f"{self._template.url}{_API}{question.path}?{urlencode(question.query)}"
        # A plain mapping, since requests' own is slow to copy and nothing here depends on the case of names.
        request.headers = self._headers | {_TOKEN_HEADER: token.reveal()}  # type: ignore[assignment]
        return request

    def close(self) -> None:
        """Cancel the requests in flight and close the connections; nothing can be sent afterwards."""
        self._session.close()

    def send(self, question: Question, token: Secret, stop: Stop) -> Answer:
        """Send one request, within its time limit, and read the complete answer.

        The calling thread must be inside the context of `LargeAnswers`, and parse the answer there.

        Args:
            question: the request.
            token: the administrator's token.
            stop: cancels the request at once.

        Raises:
            ApiError: the request failed, or was cancelled.
            StoppedError: it was cancelled after the answer had been read.
        """
        with self._session.call(self._target.timeout) as call, _Ending(stop, call):
            try:
                return self._send(call, question, token, stop)
            finally:
                if call.resent:
                    self._resent()

    def _send(self, call: Call, question: Question, token: Secret, stop: Stop) -> Answer:
        """Send one request and read the complete answer; turn the exceptions of the libraries into an `ApiError`."""
        timeout = self._target.timeout
        try:
            with self._session.send_as_is(self._request(question, token), timeout) as response:
                status, headers = response.status_code, response.headers
                self._never_answered_plain = False
                body = self._read_large(response, call) if status == _OK else _read_error_body(response)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            failure = broken(error, timeout, over=call.over, plain=self._never_answered_plain)
            clear_chain(error)
        else:
            if status == _OK and call.over:
                # A body without a length looks complete when its connection is shut down.
                failure = out_of_time(timeout)
            else:
                body = without_token(self._in_utf8(status, headers, body, stop), token.reveal())
                reported = self._reported(question, status, headers, body)
                if reported is None:
                    return body, headers
                failure = reported
        # Outside the except clause: raised there, it would keep the exceptions of the library as its context.
        raise failure.redacted(self._redact)

    def _read_large(self, response: requests.Response, call: Call) -> bytes:
        """The body, cut a little above the limit. A large one waits until there is memory for it."""
        parts = io.BytesIO()
        size = 0
        for part in response.iter_content(_CHUNK):
            size += parts.write(part)
            if size > BODY_LIMIT:
                break
            if size > SMALL and not self._large_answers.take_place(call.remaining):
                raise out_of_time(self._target.timeout)
        return parts.getvalue()

    def _in_utf8(self, status: int, headers: Mapping[str, str], body: bytes, stop: Stop) -> bytes:
        """The body in UTF-8; as it is if it is too large anyway."""
        if len(body) > BODY_LIMIT:
            return body
        # A conversion takes the memory of another body.
        with self._large_answers.turn(len(body), stop):
            converted = as_utf8(body, headers.get("Content-Type"), BODY_LIMIT)
        if converted.damaged and status == _OK:
            self._damaged()
        return converted.body

    def _reported(self, question: Question, status: int, headers: Mapping[str, str], body: bytes) -> ApiError | None:
        """The error that an answer reports, by its status or in its body; None if it reports none."""
        if (mixed_up := https_expected(status, body)) is not None:
            return mixed_up
        if reason_of_status(status) is Reason.REDIRECT:
            return _redirected(status, self._redact(headers.get("Location", "")))
        if status != _OK:
            error = read_error(body, self._redact)
            detail = " ".join(filter(None, (f"HTTP {status}", error.named)))
            detail = f"{detail}: {error.message}" if error.message else detail
        elif len(body) > BODY_LIMIT:
            return ApiError(
                Reason.INVALID_RESPONSE, f"the answer is larger than {BODY_LIMIT // 1024**2} MiB", status=status
            )
        else:
            try:
                check_reported(body)
            except RefusedError as refused:
                error, detail = refused.error(self._redact), f"the answer is {refused.described(self._redact)}"
            else:
                return None
        reason = reason_for(status, error)
        retry_after = retry_after_of(headers.get("Retry-After"), self._clock.now(), self._target.max_retry_after)
        return ApiError(
            reason,
            "; ".join(filter(None, (detail, explanation(question, reason, error)))),
            status=status,
            retry_after=retry_after,
        )


def _redirected(status: int, location: str) -> ApiError:
    """The error for a redirect to a location, which has been redacted."""
    detail = f"HTTP {status} to {host_of(location) or 'another path'}, redirects are refused"
    if leads_to_login(location):
        return ApiError(Reason.REDIRECT, f"{detail}; {LOGIN_WORDS}", status=status, refusal=Refusal.POSSIBLE)
    return ApiError(Reason.REDIRECT, detail, status=status)


def _session(target: Target, watchdog: Watchdog) -> GuardedSession:
    session = GuardedSession(
        watchdog=watchdog,
        concurrency=target.concurrency,
        tls=target.tls,
        server_name=target.server_name,
    )
    session.proxies = dict(target.proxies)
    session.headers["Accept"] = "application/json"
    # As in the example of the documentation, although the requests have no body.
    session.headers["Content-Type"] = "application/json"
    if target.host_header is not None:
        session.headers["Host"] = target.host_header
    return session


class _Ending:
    """Inside the context the stop cancels the call at once."""

    __slots__ = ("_call", "_stop")

    def __init__(self, stop: Stop, call: Call) -> None:
        self._stop = stop
        self._call = call

    def __enter__(self) -> None:
        self._stop.add(self)

    def __exit__(self, *_: object) -> None:
        self._stop.remove(self)

    def set(self) -> None:
        """The stop was requested."""
        self._call.end()


def _read_error_body(response: requests.Response) -> bytes:
    """The body of an error, empty if it cannot be read: the status says enough. That of a redirect is not read."""
    if reason_of_status(response.status_code) is Reason.REDIRECT:
        return b""
    try:
        return _read(response, _ERROR_BODY_LIMIT)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        clear_chain(error)
        return b""


def _read(response: requests.Response, limit: int) -> bytes:
    """The body, cut a little above the limit."""
    parts = []
    size = 0
    for part in response.iter_content(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > limit:
            break
    return b"".join(parts)
