"""Confirms that the platform refuses a token, with the same call again and with a call about another user."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, TypeAlias

from exporter.model.state import Reason
from exporter.platform.base import ApiError, Operation, Refusal
from exporter.platform.yunxiao.refusals import Question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from exporter.common.cancellation import Stop
    from exporter.common.secrets import Secret
    from exporter.platform.yunxiao.endpoint import Answer

TOKENS_PATH = "platform/users/admin/personalAccessTokens"
_PAUSE = (0.5, 1.0)
"""Shortest and longest wait in seconds before a refused call is repeated."""
_ATTEMPTS = 3
"""Requests for one call with one token, before the call counts as refused."""
_OTHERS = 2
"""Other users to ask for: the second one only if nothing follows from the answer for the first one."""
TOKEN_ACCEPTED = frozenset({Reason.FORBIDDEN, Reason.NOT_FOUND, Reason.UNSUPPORTED, Reason.BAD_REQUEST})
"""Failures after which the token counts as good: the platform accepted it and refused something else."""


Attempt: TypeAlias = "Callable[[Question, Secret, Stop], Answer]"
"""Sends a request once; raises `ApiError` or `StoppedError`."""


def token_question(user_id: str) -> Question:
    """The request for the tokens of a user."""
    return Question(Operation.LIST_TOKENS, TOKENS_PATH, {"userId": user_id})


def no_users() -> Iterable[str]:
    """The users of a client that knows none."""
    return ()


class Sender:
    """Sends requests and remembers one that the platform accepted. Threads share it.

    Args:
        attempt: sends a request once.
        accepted: called with the token of each request that was accepted.
    """

    def __init__(self, attempt: Attempt, accepted: Callable[[Secret], None]) -> None:
        self._attempt = attempt
        self._accepted = accepted
        # The last request for a user's tokens that was accepted. Only ever replaced as a whole.
        self._good: Question | None = None
        self.users: Callable[[], Iterable[str]] = no_users

    def send(self, question: Question, token: Secret, stop: Stop) -> Answer | ApiError:
        """The answer, or the error by which the platform refuses the token or may have refused it.

        Raises:
            ApiError: the request failed for another reason.
            StoppedError: it was cancelled.
        """
        try:
            answer = self._attempt(question, token, stop)
        except ApiError as error:
            if error.refusal is not Refusal.NONE:
                return error.copy()
            if error.reason in TOKEN_ACCEPTED:
                self._accepted(token)
            raise
        if not _is_page(answer[0]):
            self._accepted(token)
            if question.operation is Operation.LIST_TOKENS:
                self._good = question
        return answer

    def others(self, question: Question) -> Iterator[Question]:
        """Requests for the tokens of other users than that of a request, the most promising one first."""
        if self._good is not None and self._good != question:
            yield self._good
        candidates = map(token_question, self.users())
        yield from (one for one in candidates if one not in (question, self._good))


def _is_page(body: bytes) -> bool:
    """Whether a body is HTML: then it does not show that the token was accepted."""
    return body[:64].lstrip()[:1] == b"<"


class Call:
    """One call with one token, until it is answered or known to be refused. One thread uses it.

    Args:
        sender: sends the requests.
        question: the call.
        token: the token.
        retry: counts a request that is repeated.
        stop: cancels the call.
    """

    _outcome: Answer | ApiError
    """Of the last request; set by `send`."""

    def __init__(
        self, sender: Sender, question: Question, token: Secret, retry: Callable[[], None], stop: Stop
    ) -> None:
        self._sender = sender
        self._question = question
        self._token = token
        self._retry = retry
        self._stop = stop
        self._requests = 0

    def send(self) -> Answer | ApiError:
        """Send the request once; as `Sender.send`."""
        self._requests += 1
        self._outcome = self._sender.send(self._question, self._token, self._stop)
        return self._outcome

    def is_token_refused(self) -> bool:
        """Whether the platform refuses the token, once it has refused this call: the steps of a confirmation.

        Raises:
            ApiError: this call failed for another reason.
            StoppedError: it was cancelled.
        """
        return self._refused_again() and not self._another_accepted() and self._refused_again()

    def send_again(self) -> Answer | ApiError:
        """Send the request again if it was refused, as often as a call may be refused; as `Sender.send`."""
        while self._requests < _ATTEMPTS and isinstance(self._outcome, ApiError):
            self._refused_again()
        return self._outcome

    def _refused_again(self) -> bool:
        # A random time, so that calls that were refused together are not repeated together.
        self._stop.wait(random.uniform(*_PAUSE))  # noqa: S311 - no secret
        self._stop.check()
        self._retry()
        return isinstance(self.send(), ApiError)

    def _another_accepted(self) -> bool:
        """Whether the platform accepts the token for another user; False if there is none to ask for."""
        for other in itertools.islice(self._sender.others(self._question), _OTHERS):
            try:
                answer = self._sender.send(other, self._token, self._stop)
            except ApiError as error:
                if error.reason in TOKEN_ACCEPTED:
                    return True
                continue
            if isinstance(answer, ApiError):
                return False
            if not _is_page(answer[0]):
                return True
        return False
