"""Lists SSH keys beside tokens. Whatever goes wrong costs the keys and nothing else."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from exporter.model.state import Reason
from exporter.platform.base import ApiError

if TYPE_CHECKING:
    from exporter.common.cancellation import Stop
    from exporter.common.worker import MonotonicClock
    from exporter.model.ssh_key import SshKey
    from exporter.platform.base import SshKeyLister

_log = structlog.get_logger(__name__)
PAUSE = 3600.0
"""Seconds without requests after the platform has shown that it does not offer the call."""
SHORT_PAUSE = 300.0
"""Seconds without requests after it has shown that the call does not work now."""
FAILURES = 3
"""Failures in a row after which they are about the call and not about a user, unless the call still works for a user
for whom it worked before: the platform may refuse it for users that it does not know."""
_NOT_THERE = frozenset({Reason.BAD_REQUEST, Reason.INVALID_RESPONSE, Reason.REDIRECT})
"""What a platform that lacks the call may also answer: an error, a page of its console, or a redirect to it."""


class SshKeyReader:
    """Lists the SSH keys of users, as long as the platform offers the call. Threads share it.

    Args:
        organization: its name, for the log.
        lister: the platform.
        clock: monotonic time.
    """

    def __init__(self, organization: str, lister: SshKeyLister, clock: MonotonicClock) -> None:
        self._lister = lister
        self._clock = clock
        self._log = _log.bind(organization=organization)
        # Guards the fields below: the threads of a sweep share them.
        self._lock = threading.Lock()
        # The user for whom the call worked last.
        self._good: str | None = None
        self._failures = 0
        # Users for whom it failed since it worked last; after a pause, others are asked for first.
        self._failed_for: set[str] = set()
        self._paused_until = clock.monotonic()
        self._reported: Reason | None = None
        self._problem: str | None = None

    @property
    def problem(self) -> str | None:
        """Why the last of the failed calls failed; None if there was none."""
        return self._problem

    def keys_of(self, user_id: str, stop: Stop) -> tuple[SshKey, ...] | None:
        """The SSH keys of one user; None if they cannot be listed now.

        Raises:
            StoppedError: the call was cancelled.
        """
        with self._lock:
            if self._is_pausing(user_id):
                return None
        try:
            keys = self._lister.list_ssh_keys(user_id, stop)
        except ApiError as error:
            failed = error.copy()
        else:
            self._worked_for(user_id)
            return keys
        if self._failures + 1 >= FAILURES and failed.reason is not Reason.UNSUPPORTED and self._still_works(stop):
            with self._lock:
                self._failures = 0
        self._failed(user_id, failed)
        return None

    def _is_pausing(self, user_id: str) -> bool:
        """Whether not to ask for this user now. After a pause, users for whom the call has not failed go first."""
        since = self._clock.monotonic() - self._paused_until
        return since < 0 or (self._failures >= FAILURES and user_id in self._failed_for and since < PAUSE)

    def _still_works(self, stop: Stop) -> bool:
        """Whether the call works for the user for whom it worked last."""
        if self._good is None:
            return False
        try:
            self._lister.list_ssh_keys(self._good, stop)
        except ApiError:
            return False
        return True

    def _worked_for(self, user_id: str) -> None:
        with self._lock:
            self._good = user_id
            self._failures = 0
            self._failed_for = set()
            recovered, self._reported = self._reported is not None, None
        if recovered:
            self._log.info("SSH keys can be listed again")

    def _failed(self, user_id: str, error: ApiError) -> None:
        reason = error.reason
        missing = error.not_offered or reason in _NOT_THERE
        with self._lock:
            self._problem = f"{reason}: {error.detail}"
            if missing and reason is not Reason.UNSUPPORTED:
                self._failed_for.add(user_id)
            # After a pause, one more failure is enough for the next pause.
            self._failures = FAILURES if reason is Reason.UNSUPPORTED else self._failures + 1
            about_the_call = self._failures >= FAILURES
            if about_the_call:
                self._paused_until = self._clock.monotonic() + (PAUSE if missing else SHORT_PAUSE)
            # Once the call has worked, a failure may be about the user alone: it is not worth a warning.
            reported = (about_the_call or self._good is None) and self._reported is not reason
            if reported:
                self._reported = reason
        # Once, until the reason changes or a call works.
        log = self._log.warning if reported else self._log.debug
        log(
            "SSH keys cannot be listed, those known stay as they are",
            user_id=user_id,
            reason=reason.value,
            detail=error.detail,
        )
