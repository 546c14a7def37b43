"""The list of discovered users: refreshed at intervals, and kept while refreshes fail."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from exporter.common.cancellation import Stop, StoppedError
from exporter.model.snapshot import Discovery
from exporter.model.state import Failure, Reason
from exporter.model.user import with_known_objects
from exporter.platform.base import ApiError, Refusal
from exporter.polling.failures import INTERNAL_FAILURE, log_details
from exporter.polling.removals import Confirmed, confirmed

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.common.clock import Clock
    from exporter.model.user import User
    from exporter.platform.base import FoundUsers, UserFinder
    from exporter.polling.failures import DefectObserver

_log = structlog.get_logger(__name__)
_RETRY = 60.0
"""Seconds after which a list that was never fetched is requested again, unless its interval is shorter."""


@dataclass(frozen=True, slots=True)
class RefreshSettings:
    """How the list of one organization's users is refreshed.

    Attributes:
        organization: its name, for the log.
        interval: seconds between two refreshes.
        allow_empty: whether an empty list replaces one with users, at once.
    """

    organization: str
    interval: float
    allow_empty: bool


@dataclass(frozen=True, slots=True)
class KnownUsers:
    """What is known of an organization's discovered users.

    Attributes:
        users: the list in effect; None if there was never one.
        state: the outcome of the last refreshes.
        failure: why the last refresh failed; None if it worked, or before the first.
        missing: ids of users in effect that the last list did not have. They are removed if the next one does not have
            them either. A restart forgets them, so that they are kept once more.
    """

    users: tuple[User, ...] | None
    state: Discovery
    failure: Failure | None = None
    missing: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RefreshListener:
    """What a refresh calls, from its thread.

    Attributes:
        found: called with each list that was fetched and accepted.
        refreshed: called with the state of discovery after each refresh.
    """

    found: Callable[[tuple[User, ...]], None]
    refreshed: Callable[[Discovery], None]


class Refresher:
    """Keeps the list of one organization's discovered users. One refresh at a time, readers from any thread.

    Args:
        finder: asks the platform.
        settings: the interval and what to accept.
        known: the list and state from before a reload or a restart.
        listener: called with lists and states.
        observer: counts defects.
        stop: ends everything.
        clock: the time.
    """

    def __init__(
        self,
        finder: UserFinder,
        settings: RefreshSettings,
        known: KnownUsers,
        listener: RefreshListener,
        observer: DefectObserver,
        stop: Stop,
        clock: Clock,
    ) -> None:
        self._finder = finder
        self._settings = settings
        self._listener = listener
        self._observer = observer
        self._stop = stop
        self._clock = clock
        # Held during a refresh, so that there is one at a time. Readers need no lock: _known is replaced as a whole.
        self._lock = threading.Lock()
        self._known = known
        self._refused = False
        # Set at the end of the first refresh, or by the parent.
        self._tried = Stop(stop)
        self._log = _log.bind(organization=settings.organization)

    @property
    def known(self) -> KnownUsers:
        """The list in effect and the outcome of the last refreshes."""
        return self._known

    @property
    def users(self) -> tuple[User, ...] | None:
        """The list in effect; None before the first one."""
        return self._known.users

    @property
    def state(self) -> Discovery:
        """The state of discovery."""
        return self._known.state

    @property
    def failure(self) -> Failure | None:
        """Why the last refresh failed; None if it worked, or before the first."""
        return self._known.failure

    @property
    def refused(self) -> bool:
        """Whether the platform refused the token in the last refresh."""
        return self._refused

    def take_over(self, known: KnownUsers) -> None:
        """Start from what the refresher knows that this one replaces; only before the first refresh."""
        self._known = known

    def release(self) -> None:
        """Drop the list: another refresher keeps it from now on."""
        self._known = KnownUsers(None, self._known.state)

    def wait_for_list(self) -> None:
        """Wait until there is a list, the first refresh has failed, or the stop is set."""
        if self.users is None:
            self._tried.wait(None)

    def refresh(self) -> float | None:
        """Fetch the list once.

        Returns:
            Seconds after which to refresh again without waiting for the interval; None to wait for it.
        """
        with self._lock:
            try:
                failure = self._refresh()
            except StoppedError:
                return None
            finally:
                self._tried.set()
        if failure is None or self.users is not None:
            return None
        return min(self._settings.interval, _RETRY)

    def _refresh(self) -> Failure | None:
        before = self._known
        failure = self._fetch()
        if failure is not None:
            state = Discovery(up=False, last_success=before.state.last_success, users=before.state.users)
            self._known = KnownUsers(before.users, state, failure, before.missing)
            self._log_failure(failure, before)
        self._listener.refreshed(self.state)
        return failure

    def _fetch(self) -> Failure | None:
        """Fetch a list and put it into effect; the failure if it cannot be fetched, accepted or applied."""
        self._refused = False
        try:
            found = self._finder.find_users(self._stop)
        except ApiError as error:
            self._refused = error.refusal is Refusal.TOKEN
            return error.failure
        except StoppedError:
            raise
        except Exception:  # noqa: BLE001 - a defect must cost neither the known list nor the next refresh; it is counted
            return self._crashed()
        if (failure := self._rejected(found)) is not None:
            return failure
        try:
            self._apply(found)
        except Exception:  # noqa: BLE001 - as above; the previous list stays in effect
            return self._crashed()
        return None

    def _crashed(self) -> Failure:
        self._observer.internal_error("discovery")
        self._log.exception("discovery crashed")
        return INTERNAL_FAILURE

    def _rejected(self, found: FoundUsers) -> Failure | None:
        """Why a list is not accepted; None if it is."""
        if found.users or not self.users or self._settings.allow_empty:
            return None
        return Failure(
            Reason.INVALID_RESPONSE,
            f"the list is empty, the previous one has {len(self.users)} users; "
            "set users.discover.allow_empty if that is right",
        )

    def _apply(self, found: FoundUsers) -> None:
        """Put a list into effect."""
        before = self._known
        # An empty list is accepted only where it is allowed; then it counts.
        now = confirmed(before.users or (), before.missing, found) if found.users else Confirmed(())
        users = with_known_objects(now.users, before.users or ())
        state = Discovery(up=True, last_success=self._clock.now(), users=len(users))
        self._known = KnownUsers(users, state, missing=now.missing)
        self._listener.found(users)
        self._log_change(before, now)

    def _log_change(self, before: KnownUsers, now: Confirmed) -> None:
        if before.users is None:
            self._log.info("users discovered", users=len(now.users))
            return
        old, new = ({user.user_id for user in listed} for listed in (before.users, now.users))
        if old != new or before.failure is not None:
            self._log.info("users discovered", users=len(now.users), joined=len(new - old), left=len(old - new))
        if now.missing:
            self._log.info(
                "users are missing from the list, and are kept until the next list confirms that",
                missing=len(now.missing),
            )

    def _log_failure(self, failure: Failure, before: KnownUsers) -> None:
        # An error when it begins and when it changes; repeated failures are for debugging only.
        log = self._log.debug if failure == before.failure else self._log.error
        log(
            "discovery failed, the previous list stays in effect",
            users=None if before.users is None else len(before.users),
            **log_details(failure),
        )
