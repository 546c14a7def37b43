"""The client for the Yunxiao API: one method for each call, errors with reasons, limited retries."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Protocol, TypeVar

from exporter.common.cancellation import StoppedError
from exporter.model.state import Reason
from exporter.platform.base import ENCODING, ApiError, Caller, Operation, Refusal, TokenListing
from exporter.platform.yunxiao.authorization import Authorization
from exporter.platform.yunxiao.confirmation import token_question
from exporter.platform.yunxiao.directory import parse_person
from exporter.platform.yunxiao.endpoint import Answer, Endpoint, Target
from exporter.platform.yunxiao.error_body import RefusedError
from exporter.platform.yunxiao.fields import Fields
from exporter.platform.yunxiao.json_body import WireError
from exporter.platform.yunxiao.refusals import Question
from exporter.platform.yunxiao.wire import parse_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager

    from exporter.common.cancellation import Stop
    from exporter.common.clock import Clock
    from exporter.common.secrets import Secret, SecretSource
    from exporter.http.session import Watchdog
    from exporter.platform.base import PlatformObserver

T = TypeVar("T")

_CALLER_PATHS = ("platform/user", "platform/users:me")
"""Paths that return the caller: the documented one, and that of older installations."""
_OK_CODE = "200"
_NO_STATUS = "error"
_PAUSES = (0.5, 1.0)
"""Longest waits in seconds before the second and the third attempt."""


class Gate(Protocol):
    """Decides when the next request may start."""

    def admit(self, stop: Stop) -> AbstractContextManager[None]:
        """Wait until a request may start; inside the context it is in flight.

        Raises:
            StoppedError: the stop ended the wait.
        """
        ...

    def throttled(self, retry_after: float | None) -> None:
        """The platform asked to slow down, for this many seconds if it named a time."""
        ...

    def relaxed(self) -> None:
        """A request was not rate limited."""
        ...


_UNKNOWN_CALL = frozenset({Reason.NOT_FOUND, Reason.BAD_REQUEST, Reason.UNSUPPORTED, Reason.INVALID_RESPONSE})
"""Failures with which installations answer to a path that they do not have; some send an HTML page with status 200."""


class YunxiaoClient:
    """The API of one platform with one administrator's token. Threads may share it.

    Only the configuration counts: `.netrc` and `REQUESTS_CA_BUNDLE` are ignored, redirects are refused (requests would
    send the token along), cookies are dropped.

    Args:
        target: the address of the API.
        token: the administrator's token.
        gate: decides when a request may start; the wait does not count for the time limit of the request.
        observer: counts requests.
        watchdog: cancels requests that take too long.
        clock: the time.
        redact: removes secrets from text of the platform before it becomes the text of an error.
    """

    def __init__(
        self,
        target: Target,
        token: SecretSource,
        gate: Gate,
        observer: PlatformObserver,
        watchdog: Watchdog,
        clock: Clock,
        *,
        redact: Callable[[str], str],
    ) -> None:
        self._target = target
        self._gate = gate
        self._observer = observer
        self._clock = clock
        self._redact = redact
        self._large_answers = watchdog.large_answers
        self._endpoint = Endpoint(
            target, watchdog, clock, redact, observer.retry, lambda: observer.parse_errors(ENCODING, 1)
        )
        self._authorization = Authorization(token, self._attempt, observer.retry, clock)
        self._closed = False

    @property
    def refused(self) -> tuple[Secret, ...]:
        """The tokens that the platform refused in the last call that failed with 401; () if there was none."""
        return self._authorization.refused

    def confirm_with(self, users: Callable[[], Iterable[str]]) -> None:
        """Ask for the tokens of one of these users to confirm a refusal before any user's call was accepted."""
        self._authorization.confirm_with(users)

    def close(self) -> None:
        """Cancel the requests in flight and close the connections; no call works afterwards."""
        self._closed = True
        self._endpoint.close()

    def list_tokens(self, user_id: str, stop: Stop) -> TokenListing:
        """The tokens that the platform returns for one user; their owners are not checked.

        Args:
            user_id: the user's id on the platform.
            stop: cancels the call.

        Raises:
            ApiError: the call failed, after retries if a retry made sense.
            StoppedError: the call was cancelled.
        """
        with self._large_answers:
            body, _ = self._get(token_question(user_id), stop)
            with self._large_answers.turn(len(body), stop):
                parsed = self.read(
                    lambda: parse_tokens(body, self._target.timezone, redact=self._redact, between=stop.check)
                )
        for name, count in parsed.errors.items():
            self._observer.parse_errors(name, count)
        for name, count in parsed.truncated.items():
            self._observer.truncated(name, count)
        self.read(parsed.check)
        return TokenListing(parsed.tokens, parsed.unreadable, frozenset(parsed.owners))

    def page(
        self, operation: Operation, path: str, query: Mapping[str, str], stop: Stop
    ) -> tuple[bytes, Mapping[str, str]]:
        """The answer to any other call: its body, and its headers, whose names ignore case.

        Args:
            operation: the call.
            path: the path below ``/oapi/v1/``, percent-encoded.
            query: the parameters.
            stop: cancels the call.

        Raises:
            ApiError: the call failed, after retries if a retry made sense.
            StoppedError: the call was cancelled.
        """
        with self._large_answers:
            return self._get(Question(operation, path, query), stop)

    def caller(self, stop: Stop) -> Caller:
        """The user that the token belongs to.

        Args:
            stop: cancels the call.

        Raises:
            ApiError: the call failed; `ApiError.not_offered` if the platform does not offer it to this token.
            StoppedError: the call was cancelled.
        """
        documented, older = _CALLER_PATHS
        try:
            return self._caller(documented, stop)
        except ApiError as error:
            if error.reason not in _UNKNOWN_CALL:
                raise
        return self._caller(older, stop)

    def _caller(self, path: str, stop: Stop) -> Caller:
        body, _ = self.page(Operation.GET_CALLER, path, {}, stop)
        person = self.read(lambda: parse_person(body, Fields(self._redact)))
        return Caller(person.user_id, person.name, person.username)

    def read(self, parse: Callable[[], T]) -> T:
        """Parse an answer.

        Raises:
            ApiError: the answer is invalid; that has been counted.
        """
        try:
            return parse()
        except WireError as error:
            reason = error.reason if isinstance(error, RefusedError) else Reason.INVALID_RESPONSE
            detail = f"the answer is {error.described(self._redact)}"
        self._observer.error(reason)
        # A refusal found only now was not confirmed: it costs this call and no other.
        raise ApiError(reason, detail, refusal=Refusal.CALL if reason is Reason.UNAUTHORIZED else Refusal.NONE)

    def count_unreadable(self, field: str, count: int) -> None:
        """Count fields of an answer that could not be read."""
        self._observer.parse_errors(field, count)

    def count_truncated(self, field: str, count: int) -> None:
        """Count fields of an answer that were too long and were cut."""
        self._observer.truncated(field, count)

    def _get(self, question: Question, stop: Stop) -> Answer:
        """The answer to a call, with retries if they make sense.

        A plain loop: a stored exception would keep its frames in memory, and these would keep the exception.
        """
        for pause in _PAUSES:
            try:
                return self._authorization.answer(question, stop)
            except ApiError as error:
                if not error.retryable:
                    raise
            self._observer.retry()
            # A random time, so that calls that failed together are not repeated together.
            stop.wait(random.uniform(0, pause))  # noqa: S311 - no secret
        return self._authorization.answer(question, stop)

    def _attempt(self, question: Question, token: Secret, stop: Stop) -> Answer:
        with self._gate.admit(stop):
            if self._closed:
                raise StoppedError
            started = self._clock.monotonic()
            code = _NO_STATUS
            try:
                answer = self._endpoint.send(question, token, stop)
                code = _OK_CODE
            except ApiError as error:
                code = str(error.status or _NO_STATUS)
                if self._closed or stop.is_set():
                    raise StoppedError from None
                self._observer.error(error.reason)
                if error.reason is Reason.RATE_LIMITED:
                    self._gate.throttled(error.retry_after)
                raise
            finally:
                self._observer.request(question.operation, code, self._clock.monotonic() - started)
        self._gate.relaxed()
        return answer


__all__ = ["Gate", "Target", "YunxiaoClient"]
