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
"""Seconds during which no keys are requested after the platform has shown that it does not offer the call."""
REFUSALS = 3
"""Refusals in a row after which they are about the call: a user that the platform does not know may be refused, too."""


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
        self._refusals = 0
        self._paused_until = self._quiet_until = clock.monotonic()
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
            if error.not_offered:
                self._refused(error)
            else:
                self._failed(user_id, error)
            return None
        with self._lock:
            self._refusals = 0
            recovered, self._reported = self._reported is not None, None
        if recovered:
            self._log.info("SSH keys can be listed again")
        return keys

    def _refused(self, error: ApiError) -> None:
        with self._lock:
            # After a pause, the next refusal begins another one.
            self._refusals = REFUSALS if error.reason is Reason.UNSUPPORTED else self._refusals + 1
            if self._refusals < REFUSALS:
                return
            self._paused_until = self._clock.monotonic() + PAUSE
            known, self._reported = self._reported is error.reason, error.reason
        if not known:
            self._log.warning(
                "SSH keys are not offered by the platform and not watched",
                reason=error.reason.value,
                detail=error.detail,
            )

    def _failed(self, user_id: str, error: ApiError) -> None:
        now = self._clock.monotonic()
        with self._lock:
            quiet = now < self._quiet_until
            self._quiet_until = self._quiet_until if quiet else now + PAUSE
        # At most once an hour: each failed call is counted.
        log = self._log.debug if quiet else self._log.warning
        log(
            "SSH keys of a user cannot be listed, those known stay",
            user_id=user_id,
            reason=error.reason.value,
            detail=error.detail,
        )
