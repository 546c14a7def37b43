"""The list of discovered users: looked up now and then, and kept when a look-up fails."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

import structlog

from exporter.common.cancellation import Stop, StoppedError
from exporter.model.snapshot import Discovery
from exporter.model.state import Failure, Reason
from exporter.platform.base import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.common.clock import Clock
    from exporter.model.user import User

_log = structlog.get_logger(__name__)
_RETRY = 60.0
"""Seconds after which a list that has never been had is asked for again, if its interval is not shorter."""


class Finder(Protocol):
    """Finds users on the platform."""

    def find(self, stop: Stop) -> tuple[User, ...]:
        """All that there are; raises `ApiError` or `StoppedError`."""
        ...


class RefreshObserver(Protocol):
    """Counts defects."""

    def internal_error(self, where: str) -> None:
        """A defect was caught and survived."""
        ...


class Refresher:
    """Keeps the list of one organization's discovered users. One refresh at a time, readers from any thread.

    Args:
        organization: its name, for the log.
        finder: asks the platform.
        interval: seconds between two refreshes.
        allow_empty: whether an empty list after one with users is believed.
        users: the list of before, from another watcher or an earlier run; None if there is none.
        state: how discovery stood before.
        found: called when a list has been had, from the refreshing thread.
        told: called with how discovery stands after each refresh.
        observer: counts defects.
        stop: ends everything.
        clock: where time comes from.
    """

    def __init__(
        self,
        organization: str,
        finder: Finder,
        *,
        interval: float,
        allow_empty: bool,
        users: tuple[User, ...] | None,
        state: Discovery,
        found: Callable[[tuple[User, ...]], None],
        told: Callable[[Discovery], None],
        observer: RefreshObserver,
        stop: Stop,
        clock: Clock,
    ) -> None:
        self._finder = finder
        self._interval = interval
        self._allow_empty = allow_empty
        self._found = found
        self._told = told
        self._observer = observer
        self._stop = stop
        self._clock = clock
        # Guards a whole refresh; the fields below are only ever replaced whole.
        self._lock = threading.Lock()
        self._users = users
        self._state = state
        self._failure: Failure | None = None
        # Set by the end of the first refresh, or by the parent.
        self._tried = Stop(stop)
        self._log = _log.bind(organization=organization)

    @property
    def users(self) -> tuple[User, ...] | None:
        """The last list that has been had; None before the first."""
        return self._users

    @property
    def state(self) -> Discovery:
        """How discovery stands."""
        return self._state

    def take_over(self, users: tuple[User, ...] | None, state: Discovery) -> None:
        """Go on from the list and state of a refresher that this one replaces; only before the first refresh."""
        self._users = users
        self._state = state

    @property
    def failure(self) -> Failure | None:
        """Why the last refresh failed; None if it worked, or before the first."""
        return self._failure

    @property
    def refused(self) -> bool:
        """Whether the platform refused the token in the last refresh."""
        return self._failure is not None and self._failure.reason is Reason.UNAUTHORIZED

    def wait_for_list(self) -> None:
        """Wait until there is a list, or the first look-up has failed, or the stop."""
        if self._users is None:
            self._tried.wait(None)

    def refresh(self) -> float | None:
        """Ask the platform once.

        Returns:
            Seconds after which to ask again without waiting for the interval; None if the interval will do.
        """
        with self._lock:
            try:
                failure = self._refresh()
            except StoppedError:
                return None
            finally:
                self._tried.set()
        if failure is None or self._users is not None:
            return None
        return min(self._interval, _RETRY)

    def _refresh(self) -> Failure | None:
        users: tuple[User, ...] = ()
        try:
            users = self._finder.find(self._stop)
        except ApiError as error:
            failure: Failure | None = error.failure
        except StoppedError:
            raise
        except Exception:  # noqa: BLE001 - a defect must cost neither the known list nor the next refresh; it is counted
            failure = self._crashed()
        else:
            failure = self._doubt(users)
        if failure is None:
            failure = self._take_guarded(users)
        if failure is not None:
            self._state = Discovery(up=False, last_success=self._state.last_success, users=self._state.users)
            self._note(failure)
        self._failure = failure
        self._told(self._state)
        return failure

    def _take_guarded(self, users: tuple[User, ...]) -> Failure | None:
        """Put a list in force; the failure if a part of the exporter could not take it, and the previous one stays."""
        before = self._users, self._state
        try:
            self._take(users)
        except Exception:  # noqa: BLE001 - as above; it is counted
            self._users, self._state = before
            return self._crashed()
        return None

    def _crashed(self) -> Failure:
        self._observer.internal_error("discovery")
        self._log.exception("discovery crashed")
        return Failure(Reason.INTERNAL, "the exporter met a defect of its own; the log has the traceback")

    def _doubt(self, users: tuple[User, ...]) -> Failure | None:
        """Why a list is not to be believed."""
        if users or not self._users or self._allow_empty:
            return None
        return Failure(
            Reason.INVALID_RESPONSE,
            f"the list is empty after one of {len(self._users)} users; set users.discover.allow_empty if that is right",
        )

    def _take(self, users: tuple[User, ...]) -> None:
        before = None if self._users is None else {user.user_id for user in self._users}
        now = {user.user_id for user in users}
        self._users = users
        self._state = Discovery(up=True, last_success=self._clock.now(), users=len(users))
        self._found(users)
        if before is None:
            self._log.info("users discovered", users=len(users))
        elif before != now or self._failure is not None:
            self._log.info("users discovered", users=len(users), joined=len(now - before), left=len(before - now))

    def _note(self, failure: Failure) -> None:
        # Told once when it begins, and again when it changes.
        log = self._log.debug if failure == self._failure else self._log.error
        log(
            "discovery failed, the last list stays in force",
            users=None if self._users is None else len(self._users),
            reason=failure.reason.value,
            detail=failure.message,
            meaning=failure.reason.meaning,
        )
