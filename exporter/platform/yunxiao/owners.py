"""Checks whose tokens an answer lists: a cache, or a platform that ignores the user id, answers with another user's."""

from __future__ import annotations

import operator
import threading
from bisect import bisect_left
from typing import TYPE_CHECKING

import structlog

from exporter.common.text import printable
from exporter.model.mask import fits
from exporter.model.state import Reason
from exporter.platform.base import ApiError
from exporter.platform.yunxiao.fields import ID_LENGTH, Fields, Limit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from exporter.common.cancellation import Stop
    from exporter.common.worker import MonotonicClock
    from exporter.model.user import User
    from exporter.platform.base import PlatformObserver

_log = structlog.get_logger(__name__)
_PAUSE = 60.0
"""Seconds until the caller is asked for again after that has failed for the moment."""
_OWNER = Limit("user_id", ID_LENGTH)
_TELLING = 4
"""Visible letters and digits from which on a masked id tells one user from another."""
_MOST_COMPARED = 1000
"""Watched users whose ids begin like a masked one and are compared with it."""


class Owners:
    """Decides whether the listed owners of tokens can be the user that was asked for. Threads share it.

    An answer is refused if it names another watched user, or the caller. An owner that is absent, masked, or an id of
    another form is accepted, since the platform may have several ids for a user; the log says so once. A masked id is
    compared by its visible characters. If it cannot be the user asked for, and may be another watched user or the
    caller, it is theirs.

    Args:
        organization: its name, for the log.
        watched: the lists of watched users, also of those that other processes poll; the same objects until a list
            changes.
        find_caller: asks the platform for the id of the caller when an answer is in doubt, once unless that fails for
            the moment; raises `ApiError` or `StoppedError`.
        observer: counts refused answers.
        redact: removes secrets from text of the platform.
        clock: monotonic time.
    """

    def __init__(
        self,
        organization: str,
        watched: Callable[[], tuple[Sequence[User], ...]],
        find_caller: Callable[[Stop], str],
        observer: PlatformObserver,
        redact: Callable[[str], str],
        clock: MonotonicClock,
    ) -> None:
        self._watched = watched
        self._find_caller = find_caller
        self._observer = observer
        self._redact = redact
        self._clock = clock
        # Both are only ever replaced as a whole. The caller is None before anything has asked for it, "" if unknown.
        self._caller: str | None = None
        self._index = _Index(())
        # Held while one thread asks for the caller: the others need the answer too.
        self._asking = threading.Lock()
        self._ask_again_at = clock.monotonic()
        # Guards _logged.
        self._lock = threading.Lock()
        self._logged: set[str] = set()
        self._log = _log.bind(organization=organization)

    def learn_caller(self, user_id: str) -> None:
        """Remember the user that the exporter's token belongs to."""
        self._caller = user_id

    def check(self, asked: str, owners: Iterable[str], stop: Stop) -> None:
        """Check the owners that an answer names.

        Args:
            asked: the id of the user asked for.
            owners: the listed ids; "" for an entry without one.
            stop: cancels the question for the caller.

        Raises:
            ApiError: the answer lists tokens of another user; that has been counted.
            StoppedError: the check was cancelled.
        """
        for owner in sorted(owners):
            if owner.casefold() == asked.casefold():
                continue
            if not owner:
                self._log_once("the platform lists tokens without their owner")
            elif "*" in owner and fits(owner.casefold(), asked.casefold()):
                self._log_once("the platform masks the ids of tokens' owners", listed=self._shown(owner))
            elif self._is_watched(owner):
                self._refuse(asked, f"of another user ({self._shown(owner)})")
            elif _is(owner, self._known_caller(stop)):
                self._refuse(asked, f"of the exporter's own user ({self._shown(owner)})")
            else:
                self._log_once(
                    "the platform lists tokens under another id than the user's; they are taken as the user's",
                    user_id=asked,
                    listed=self._shown(owner),
                )

    def _is_watched(self, owner: str) -> bool:
        lists = self._watched()
        index = self._index
        if not index.is_of(lists):
            self._index = index = _Index(lists)
        return index.has(owner)

    def _known_caller(self, stop: Stop) -> str:
        with self._asking:
            if self._caller is None and self._clock.monotonic() >= self._ask_again_at:
                try:
                    self._caller = self._find_caller(stop)
                except ApiError as error:
                    self._log.debug("the caller is unknown", detail=error.detail)
                    if error.not_offered:
                        self._caller = ""
                    self._ask_again_at = self._clock.monotonic() + _PAUSE
            return self._caller or ""

    def _refuse(self, asked: str, whose: str) -> None:
        self._observer.parse_errors("user_id", 1)
        self._observer.error(Reason.INVALID_RESPONSE)
        raise ApiError(
            Reason.INVALID_RESPONSE,
            f"the answer lists tokens {whose} instead of those of {asked}: the platform, or a cache in between, "
            "ignores the parameter userId",
        )

    def _shown(self, owner: str) -> str:
        return printable(Fields(self._redact).shown(owner, _OWNER))

    def _log_once(self, message: str, **details: str) -> None:
        with self._lock:
            if message in self._logged:
                return
            self._logged.add(message)
        self._log.info(message, **details)


class _Index:
    """Finds ids, whole or masked, whatever their case.

    Args:
        lists: the users with these ids.
    """

    def __init__(self, lists: tuple[Sequence[User], ...]) -> None:
        self._lists = lists
        self._ids = sorted([user.user_id for users in lists for user in users], key=str.casefold)

    def is_of(self, lists: tuple[Sequence[User], ...]) -> bool:
        """Whether it has been made from these objects; to compare all users would take long."""
        return len(lists) == len(self._lists) and all(map(operator.is_, lists, self._lists))

    def has(self, listed: str) -> bool:
        """Whether one of the ids is a listed one, or may be it if that is masked."""
        beginning = listed.casefold().partition("*")[0]
        position = bisect_left(self._ids, beginning, key=str.casefold)
        if "*" not in listed:
            return position < len(self._ids) and _is(listed, self._ids[position])
        for one in self._ids[position : position + _MOST_COMPARED]:
            if not one.casefold().startswith(beginning):
                break
            if _is(listed, one):
                return True
        return False


def _is(listed: str, user_id: str) -> bool:
    """Whether a listed id is a user's, or may be it if it is masked and shows enough to tell."""
    if "*" not in listed:
        return listed.casefold() == user_id.casefold()
    return sum(map(str.isalnum, listed)) >= _TELLING and fits(listed.casefold(), user_id.casefold())
