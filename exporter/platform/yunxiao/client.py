"""The client for the platform's API: one method a call, errors as reasons, retries within limits."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Protocol, TypeVar

from exporter.common.cancellation import StoppedError
from exporter.model.state import Reason
from exporter.platform.base import ApiError
from exporter.platform.yunxiao.directory import Person, parse_person
from exporter.platform.yunxiao.endpoint import Answer, Endpoint, Target
from exporter.platform.yunxiao.fields import Fields
from exporter.platform.yunxiao.wire import WireError, parse_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from exporter.common.cancellation import Stop
    from exporter.common.clock import Clock
    from exporter.common.secrets import Secret, SecretSource
    from exporter.http.session import Watchdog
    from exporter.model.token import Token

T = TypeVar("T")

LIST_TOKENS = "list_tokens"
LIST_USERS = "list_users"
LIST_MEMBERS = "list_members"
LIST_ORGANIZATIONS = "list_organizations"
LIST_DEPARTMENTS = "list_departments"
GET_CALLER = "get_caller"
OPERATIONS = (LIST_TOKENS, LIST_USERS, LIST_MEMBERS, LIST_ORGANIZATIONS, LIST_DEPARTMENTS, GET_CALLER)
"""The calls, as the label `operation` names them."""

_TOKENS_PATH = "platform/users/admin/personalAccessTokens"
_CALLER_PATHS = ("platform/user", "platform/users:me")
"""Where the caller is told of: the documented path, and the one of older installations."""
_OK_CODE = "200"
_NO_STATUS = "error"
_PAUSES = (0.5, 1.0)
"""Seconds up to which to wait before the second and the third attempt."""
_MOST_TOKENS = 10
"""Tokens tried for one request: more than can be configured, fewer than a file that changes all the time can hold."""


class Gate(Protocol):
    """Decides when the next request may go out."""

    def admit(self, stop: Stop) -> AbstractContextManager[None]:
        """Wait until a request may start; inside the context it is under way.

        Raises:
            StoppedError: the stop ended the wait.
        """
        ...

    def throttled(self, retry_after: float | None) -> None:
        """The platform asked to slow down, for so many seconds if it said."""
        ...

    def relaxed(self) -> None:
        """A request was not refused for its rate."""
        ...


class Observer(Protocol):
    """Counts what the client does."""

    def request(self, operation: str, code: str, seconds: float) -> None:
        """A request ended with an HTTP status, or with ``error`` where none came."""
        ...

    def retry(self) -> None:
        """A request is about to be made again."""
        ...

    def error(self, reason: Reason) -> None:
        """A request failed."""
        ...

    def parse_errors(self, field: str, count: int) -> None:
        """Fields of an answer could not be read."""
        ...

    def truncated(self, field: str, count: int) -> None:
        """Fields of an answer were too long and have been cut."""
        ...


_TAKEN = frozenset({Reason.FORBIDDEN, Reason.NOT_FOUND, Reason.UNSUPPORTED, Reason.INVALID_RESPONSE})
"""Failures that do not speak against the token: the platform knew it and refused something else."""


class YunxiaoClient:
    """The API of one platform with one administrator's token. Threads may share it.

    Only what the configuration says is in force: `.netrc` and `REQUESTS_CA_BUNDLE` are not looked at, redirects are
    refused (requests would send the token along), cookies are dropped.

    Args:
        target: where the API is.
        token: the administrator's token.
        gate: decides when a request may go out; how long that takes counts for nobody's time limit.
        observer: counts.
        watchdog: ends requests that take too long.
        clock: where time comes from.
        redact: takes secrets out of text from outside before it becomes the text of an error.
    """

    def __init__(
        self,
        target: Target,
        token: SecretSource,
        gate: Gate,
        observer: Observer,
        watchdog: Watchdog,
        clock: Clock,
        *,
        redact: Callable[[str], str],
    ) -> None:
        self._target = target
        self._token = token
        self._gate = gate
        self._observer = observer
        self._clock = clock
        self._redact = redact
        self._large_answers = watchdog.large_answers
        self._endpoint = Endpoint(target, watchdog, clock, redact, observer.retry)
        self._closed = False
        # Only ever replaced whole.
        self._refused: tuple[Secret, ...] = ()

    @property
    def refused(self) -> tuple[Secret, ...]:
        """The tokens of the last request for which all were refused; () if there was none."""
        return self._refused

    def close(self) -> None:
        """End the requests under way and close the connections; nothing can be asked for afterwards."""
        self._closed = True
        self._endpoint.close()

    def list_tokens(self, user_id: str, stop: Stop) -> tuple[Token, ...]:
        """The personal access tokens of one user; ``()`` if there are none.

        Args:
            user_id: the user's id on the platform.
            stop: calls the request off.

        Raises:
            ApiError: the call failed, after retries where they made sense.
            StoppedError: the call was called off.
        """
        with self._large_answers.answer():
            body, _ = self._get(LIST_TOKENS, _TOKENS_PATH, {"userId": user_id}, stop)
            with self._large_answers.turn(len(body), stop):
                parsed = self.read(
                    lambda: parse_tokens(body, self._target.timezone, redact=self._redact, between=stop.check)
                )
        for name, count in parsed.errors.items():
            self._observer.parse_errors(name, count)
        for name, count in parsed.truncated.items():
            self._observer.truncated(name, count)
        return parsed.tokens

    def page(self, operation: str, path: str, query: Mapping[str, str], stop: Stop) -> tuple[bytes, Mapping[str, str]]:
        """The answer to some other call: its body, and its headers by name in any case.

        Args:
            operation: one of `OPERATIONS`.
            path: below ``/oapi/v1/``, quoted where it has to be.
            query: the parameters.
            stop: calls the request off.

        Raises:
            ApiError: the call failed, after retries where they made sense.
            StoppedError: the call was called off.
        """
        with self._large_answers.answer():
            return self._get(operation, path, query, stop)

    def caller(self, stop: Stop) -> Person:
        """Whose token this is.

        Args:
            stop: calls the request off.

        Raises:
            ApiError: the call failed; `FORBIDDEN`, `NOT_FOUND` or `UNSUPPORTED` where the platform does not offer it
                to this token.
            StoppedError: the call was called off.
        """
        documented, older = _CALLER_PATHS
        try:
            body, _ = self.page(GET_CALLER, documented, {}, stop)
        except ApiError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise
            body, _ = self.page(GET_CALLER, older, {}, stop)
        return self.read(lambda: parse_person(body, Fields(self._redact)))

    def read(self, parse: Callable[[], T]) -> T:
        """What a parser makes of an answer.

        Raises:
            ApiError: the answer is not the API's; it has been counted.
        """
        try:
            return parse()
        except WireError as error:
            detail = self._redact(f"the answer is {error}")
        self._observer.error(Reason.INVALID_RESPONSE)
        raise ApiError(Reason.INVALID_RESPONSE, detail)

    def count_unreadable(self, field: str) -> None:
        """Count a field of an answer that could not be read."""
        self._observer.parse_errors(field, 1)

    def count_truncated(self, field: str, count: int) -> None:
        """Count fields of an answer that were too long and have been cut."""
        self._observer.truncated(field, count)

    def _get(self, operation: str, path: str, query: Mapping[str, str], stop: Stop) -> Answer:
        """The answer to a call, which is tried again where that makes sense.

        A plain loop: an exception that is kept for later keeps its frames, and those keep the exception.
        """
        for pause in _PAUSES:
            try:
                return self._authorized(operation, path, query, stop)
            except ApiError as error:
                if not error.worth_another_try:
                    raise
            self._observer.retry()
            # Any time up to that, so that many failed at once do not come back at once.
            stop.wait(random.uniform(0, pause))  # noqa: S311 - no secret
        return self._authorized(operation, path, query, stop)

    def _authorized(self, operation: str, path: str, query: Mapping[str, str], stop: Stop) -> Answer:
        token = self._token.current()
        refused: list[Secret] = []
        while True:
            try:
                answer = self._attempt(operation, path, query, token, stop)
            except ApiError as error:
                if error.reason is not Reason.UNAUTHORIZED:
                    if refused and error.reason in _TAKEN:
                        self._token.use(token)
                    raise
                refused.append(token)
                # Another file's, or the same file's that has been replaced between reading it and the refusal.
                following = self._token.successor(refused)
                if following is None or len(refused) == _MOST_TOKENS:
                    self._refused = tuple(refused)
                    raise
                self._observer.retry()
                token = following
            else:
                if refused:
                    self._token.use(token)
                return answer

    def _attempt(self, operation: str, path: str, query: Mapping[str, str], token: Secret, stop: Stop) -> Answer:
        with self._gate.admit(stop):
            if self._closed:
                raise StoppedError
            started = self._clock.monotonic()
            code = _NO_STATUS
            try:
                answer = self._endpoint.send(path, query, token, stop)
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
                self._observer.request(operation, code, self._clock.monotonic() - started)
        self._gate.relaxed()
        return answer


__all__ = ["LIST_TOKENS", "OPERATIONS", "Gate", "Observer", "StoppedError", "Target", "YunxiaoClient"]
