"""Plays the platform below the client: answers requests as scripted, without HTTP."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeAlias

from exporter.common.secrets import Secret
from exporter.model.state import Reason
from exporter.platform.base import ApiError, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from exporter.common.cancellation import Stop
    from exporter.platform.yunxiao.refusals import Question

    Reply: TypeAlias = bytes | ApiError

TOKEN = Secret("pt-a_1")
NEXT = Secret("pt-b_2")
LIST = b"[]"


def http(status: int, reason: Reason) -> ApiError:
    return ApiError(reason, f"HTTP {status}", status=status)


def refused() -> ApiError:
    return http(401, Reason.UNAUTHORIZED)


def to_login() -> ApiError:
    return ApiError(Reason.REDIRECT, "HTTP 302 to a login page", status=302, refusal=Refusal.POSSIBLE)


class Calls:
    """Answers each request; `asked` names the user, or the path of another call, of each.

    Args:
        valid: the tokens that the platform accepts.
        refusal: makes the error for all others.
    """

    def __init__(self, *valid: Secret, refusal: Callable[[], ApiError] = refused) -> None:
        self.valid = valid
        self.refusal = refusal
        self.asked: list[str] = []
        self.tokens: list[Secret] = []
        # The next replies to requests about a user or path, whatever the token.
        self.scripts: dict[str, list[Reply]] = {}
        # The reply to all further ones.
        self.always: dict[str, Reply] = {}
        self._lock = threading.Lock()

    def script(self, subject: str, *replies: Reply) -> None:
        self.scripts[subject] = list(replies)

    def attempt(self, question: Question, token: Secret, stop: Stop) -> tuple[bytes, dict[str, str]]:
        stop.check()
        subject = question.query.get("userId", question.path)
        with self._lock:
            self.asked.append(subject)
            self.tokens.append(token)
            script = self.scripts.get(subject)
            reply = script.pop(0) if script else self.always.get(subject)
        if reply is None:
            reply = LIST if token in self.valid else self.refusal()
        if isinstance(reply, ApiError):
            raise reply.copy()
        return reply, {}


class Tokens:
    """Several tokens, as in `token_files`."""

    origin = "memory"
    problem = None

    def __init__(self, *tokens: Secret) -> None:
        self.tokens = tokens
        self.in_use = tokens[0]

    def current(self) -> Secret:
        return self.in_use

    def successor(self, refused: Collection[Secret]) -> Secret | None:
        return next((token for token in self.tokens if token not in refused), None)

    def use(self, secret: Secret) -> None:
        self.in_use = secret
