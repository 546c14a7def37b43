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
"""Failures in a row after which they are about the call and not about a user: a user that the platform does not know
may be refused, too."""
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
        self._worked = False
        self._failures = 0
        self._paused_until = clock.monotonic()
        self._reported: Reason | None = None

    def keys_of(self, user_id: str, stop: Stop) -> tuple[SshKey, ...] | None:
        """The SSH keys of one user; None if they cannot be listed now.

        Raises:
            StoppedError: the call was cancelled.
        """
        with self._lock:
            if self._clock.monotonic() < self._paused_until:
                return None
        try:
            keys = self._lister.list_ssh_keys(user_id, stop)
        except ApiError as error:
            self._failed(user_id, error)
            return None
        with self._lock:
            self._worked = True
            self._failures = 0
            recovered, self._reported = self._reported is not None, None
        if recovered:
            self._log.info("SSH keys can be listed again")
        return keys

    def _failed(self, user_id: str, error: ApiError) -> None:
        reason = error.reason
        with self._lock:
            # After a pause, one more failure is enough for the next pause.
            self._failures = FAILURES if reason is Reason.UNSUPPORTED else self._failures + 1
            about_the_call = self._failures >= FAILURES
            if about_the_call:
                missing = error.not_offered or reason in _NOT_THERE
                self._paused_until = self._clock.monotonic() + (PAUSE if missing else SHORT_PAUSE)
            # Once the call has worked, a failure may be about the user alone: it is not worth a warning.
            reported = (about_the_call or not self._worked) and self._reported is not reason
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
