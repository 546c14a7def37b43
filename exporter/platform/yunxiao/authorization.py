"""Makes calls with the token that the platform accepts: confirms refusals, and takes the next token after one.

A 401 is not final, since platforms also send it by mistake, for instance under load. It is confirmed in three steps:
the same call again after a pause, the tokens of another user, the same call again after another pause. If the platform
accepts one of them, it accepts the token.

With one wrong 401 in 200 requests, the first 401 and the three steps are all wrong once in 1.6 billion calls. Without
the third step it would be once in 8 million, which is one of 80 sweeps of 100,000 users.

If the platform accepts the token for the other user, and refuses the call three times, only this call has failed.

One thread confirms; the others whose calls were refused wait for its verdict. So a token that is really refused costs
as many requests as are in flight, and three.

A redirect to a login page may be a refusal too. It is confirmed in the same way if there is another token to try. It is
never more than a possible refusal, because the address may be wrong: the call fails as redirected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.platform.base import ApiError, Operation, Refusal
from exporter.platform.yunxiao.confirmation import TOKEN_ACCEPTED, Call, Sender
from exporter.platform.yunxiao.verdicts import Verdicts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.common.cancellation import Stop
    from exporter.common.clock import Clock
    from exporter.common.secrets import Secret, SecretSource
    from exporter.platform.yunxiao.confirmation import Attempt
    from exporter.platform.yunxiao.endpoint import Answer
    from exporter.platform.yunxiao.refusals import Question

_MOST_TOKENS = 10
"""Tokens tried for one request: more than can be configured; a limit for a file that changes all the time."""


class Authorization:
    """Makes calls with the token in use, or with the next one after a confirmed refusal. Threads share it.

    Args:
        source: the token, and those to try after it.
        attempt: sends a request once.
        retry: counts a request that is repeated.
        clock: the time.
    """

    def __init__(self, source: SecretSource, attempt: Attempt, retry: Callable[[], None], clock: Clock) -> None:
        self._source = source
        self._retry = retry
        self._verdicts = Verdicts(clock)
        self._sender = Sender(attempt, self._verdicts.accepted)
        # Only ever replaced as a whole.
        self._refused: tuple[Secret, ...] = ()

    @property
    def refused(self) -> tuple[Secret, ...]:
        """The tokens that the platform refused in the last call that failed with 401; () if there was none."""
        return self._refused

    def confirm_with(self, users: Callable[[], Iterable[str]]) -> None:
        """Ask for the tokens of one of these users to confirm a refusal before any call was accepted."""
        self._sender.users = users

    def answer(self, question: Question, stop: Stop) -> Answer:
        """The answer to a request.

        Args:
            question: the call.
            stop: cancels it.

        Raises:
            ApiError: the call failed; its `refusal` says whether the platform refuses the token, or this call only.
            StoppedError: the call was cancelled.
        """
        token = self._source.current()
        refused: list[Secret] = []
        shown: ApiError | None = None
        while True:
            try:
                outcome = self._confirmed(question, token, refused, stop)
            except ApiError as error:
                if refused and (error.refusal is Refusal.CALL or error.reason in TOKEN_ACCEPTED):
                    self._source.use(token)
                raise
            if not isinstance(outcome, ApiError):
                if refused:
                    self._source.use(token)
                return outcome
            refused.append(token)
            # A 401 of any token says more than a redirect.
            if shown is None or outcome.refusal is Refusal.TOKEN:
                shown = outcome
            # From another file, or from the same one if it was replaced between reading it and the refusal.
            following = self._source.successor(refused)
            if following is None or len(refused) == _MOST_TOKENS:
                break
            self._retry()
            token = following
        if shown.refusal is Refusal.TOKEN:
            self._refused = tuple(refused)
        # A copy: an exception that is raised refers to this frame, which must not refer to it.
        raise shown.copy()

    def _confirmed(self, question: Question, token: Secret, refused: list[Secret], stop: Stop) -> Answer | ApiError:
        """The answer, or the error by which the token is refused; raises all other errors."""
        call = Call(self._sender, question, token, self._retry, stop)
        outcome = call.send()
        if not isinstance(outcome, ApiError):
            return outcome
        if outcome.refusal is Refusal.POSSIBLE and self._source.successor([*refused, token]) is None:
            # No other token to try: there is nothing to decide.
            return outcome
        if self._verdicts.refused(token, call.is_token_refused, stop):
            return outcome
        outcome = call.send_again()
        if not isinstance(outcome, ApiError):
            return outcome
        if outcome.refusal is Refusal.POSSIBLE:
            raise outcome.copy()
        only = "user" if question.operation is Operation.LIST_TOKENS else "call"
        detail = f"{outcome.detail}; repeatedly, for this {only} only: the token works for other users"
        raise outcome.copy(detail=detail, refusal=Refusal.CALL)
