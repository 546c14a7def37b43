"""Polls one user and records the outcome. A defect met on the way costs that user's poll and nothing else."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from exporter.common.cancellation import Stop, StoppedError
from exporter.platform.base import ApiError, Refusal
from exporter.polling.failures import INTERNAL_FAILURE, log_details

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.common.clock import Clock
    from exporter.model.ssh_key import SshKey
    from exporter.model.state import Failure
    from exporter.model.user import User
    from exporter.platform.base import TokenLister, TokenListing
    from exporter.polling.failures import DefectObserver
    from exporter.polling.ssh_keys import SshKeyReader
    from exporter.state.ledger import Outcomes

_log = structlog.get_logger(__name__)


class TokenRefusedError(Exception):
    """The platform refuses the exporter's token, so no user can be polled.

    Attributes:
        failure: the failure to record for all users.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Poller:
    """Polls users of one organization, each by one thread at a time. Threads share it.

    Args:
        outcomes: where the outcomes are recorded.
        client: the platform.
        observer: counts defects.
        clock: the time of a poll.
        progress: called after each user, from the worker's thread.
        ssh_keys: lists the user's SSH keys as well; None for tokens alone.
    """

    def __init__(
        self,
        outcomes: Outcomes,
        client: TokenLister,
        observer: DefectObserver,
        clock: Clock,
        progress: Callable[[User], None] | None = None,
        ssh_keys: SshKeyReader | None = None,
    ) -> None:
        self._outcomes = outcomes
        self._client = client
        self._observer = observer
        self._clock = clock
        self._progress = progress
        self._ssh_keys = ssh_keys
        # Guards _in_progress: a catch-up and a sweep may run at the same time, but never poll the same user.
        self._lock = threading.Lock()
        self._in_progress: set[str] = set()
        self._log = _log.bind(organization=outcomes.name)

    def claim(self, user: User) -> bool:
        """Reserve a user for one poll; False if another thread is polling the user already."""
        with self._lock:
            if user.user_id in self._in_progress:
                return False
            self._in_progress.add(user.user_id)
            return True

    def release(self, user: User) -> None:
        """End the reservation."""
        with self._lock:
            self._in_progress.discard(user.user_id)

    def poll(self, user: User, stop: Stop) -> Failure | None:
        """Poll one user and record the outcome; the failure, if there was one.

        Raises:
            TokenRefusedError: the platform refuses the exporter's token; nothing is recorded.
            StoppedError: the poll was cancelled; nothing is recorded.
        """
        try:
            listing = self._client.list_tokens(user.user_id, stop)
        except ApiError as error:
            failure = error.failure
            if error.refusal is Refusal.TOKEN:
                raise TokenRefusedError(failure) from None
        except StoppedError:
            raise
        except Exception:  # noqa: BLE001 - a defect met with one user must cost no other user; it is counted
            failure = self._crashed("poll crashed", user)
        else:
            return self._record_success(user, listing, self._keys_of(user, stop))
        self._record_failure(user, failure)
        return failure

    def _keys_of(self, user: User, stop: Stop) -> tuple[SshKey, ...] | None:
        """The user's SSH keys; those known last if they cannot be listed, None if they are not watched.

        Raises:
            StoppedError: the poll was cancelled.
        """
        if self._ssh_keys is None:
            return None
        keys = None
        try:
            keys = self._ssh_keys.keys_of(user.user_id, stop)
        except StoppedError:
            raise
        except Exception:  # noqa: BLE001 - a defect with the keys must not cost the user's tokens; it is counted
            self._crashed("listing SSH keys crashed", user)
        if keys is None and (known := self._outcomes.state(user.user_id)) is not None:
            return known.ssh_keys
        return keys

    def report_progress(self, user: User) -> None:
        """Report that a user is done."""
        if self._progress is None:
            return
        try:
            self._progress(user)
        except Exception:  # noqa: BLE001 - a broken progress bar must not end the worker; it is counted
            self._crashed("reporting progress crashed", user)

    def _record_success(self, user: User, listing: TokenListing, ssh_keys: tuple[SshKey, ...] | None) -> Failure | None:
        """Record a poll that worked; the failure if a part of the exporter could not handle the result."""
        try:
            self._log_recovery(user)
            handled = self._outcomes.succeeded(
                user.user_id, listing.tokens, self._clock.now(), ssh_keys, unreadable=listing.unreadable
            )
        except Exception:  # noqa: BLE001 - a defect must end neither the worker nor the sweep; it is counted
            return self._crashed("recording a poll crashed", user)
        # The part that could not handle it has been counted and logged already.
        return None if handled else INTERNAL_FAILURE

    def _record_failure(self, user: User, failure: Failure) -> None:
        try:
            self._log_failure(user, failure)
            self._outcomes.failed(user.user_id, failure, self._clock.now())
        except Exception:  # noqa: BLE001 - as above; the sweep counts this user as failed anyway
            self._crashed("recording a failure crashed", user)

    def _crashed(self, message: str, user: User) -> Failure:
        """Count a defect of the exporter, log its traceback, and return it as a failure of this user."""
        self._observer.internal_error("poll")
        self._log.exception(message, user_id=user.user_id)
        return INTERNAL_FAILURE

    def _log_recovery(self, user: User) -> None:
        before = self._outcomes.state(user.user_id)
        if before is not None and before.failure is not None:
            self._log.info("poll works again", user_id=user.user_id, user=user.name)

    def _log_failure(self, user: User, failure: Failure) -> None:
        before = self._outcomes.state(user.user_id)
        known = before is not None and before.failure is not None and before.failure.reason is failure.reason
        # A warning when it begins; after that the summary of each sweep counts it.
        log = self._log.debug if known else self._log.warning
        log("poll failed", user_id=user.user_id, user=user.name, **log_details(failure))
