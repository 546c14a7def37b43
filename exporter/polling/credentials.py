"""Follows the files of an organization's token: retries after a rotation, reports files that become invalid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from exporter.common.secrets import Secret, SecretSource

_log = structlog.get_logger(__name__)


class FileObserver(Protocol):
    """Counts files that cannot be used."""

    def file_error(self, kind: str) -> None:
        """A file became invalid; the last valid content stays in effect."""
        ...


class TokenUser(Protocol):
    """The part of the API client that is needed here."""

    @property
    def refused(self) -> Collection[Secret]:
        """The tokens that the platform refused."""
        ...


class Credentials:
    """Checks the token's source at intervals. One check at a time.

    Args:
        organization: its name, for the log.
        source: where the client's token comes from. After a reload that keeps the client, the settings have another
            source for the same files.
        client: knows which tokens were refused.
        refused: whether the platform refused the token in the last sweep or discovery.
        retry: sweeps and discovers again at once.
        observer: counts invalid token files.
    """

    def __init__(
        self,
        organization: str,
        source: SecretSource,
        client: TokenUser,
        refused: Callable[[], bool],
        retry: Callable[[], None],
        observer: FileObserver,
    ) -> None:
        self._source = source
        self._client = client
        self._refused = refused
        self._retry = retry
        self._observer = observer
        self._retried: Secret | None = None
        self._origin = source.origin
        self._problem: str | None = None
        self._log = _log.bind(organization=organization)

    def check(self) -> None:
        """Read the token's files if they have changed, and act on what is new."""
        self._source.current()  # an invalid file is reported below
        self._retry_with_new_token()
        self._report_file_in_use()
        self._report_problem()

    def _retry_with_new_token(self) -> None:
        if not self._refused():
            self._retried = None
            return
        new = self._source.successor(self._client.refused)
        # Once for each new token: the sweep shows whether the platform accepts it.
        if new is not None and new != self._retried:
            self._log.info("the token has changed since the platform refused it, sweeping now")
            self._retried = new
            self._retry()

    def _report_file_in_use(self) -> None:
        if self._source.origin != self._origin:
            self._log.warning(
                "the platform refused the token, that of another file is in use", file=self._source.origin
            )
            self._origin = self._source.origin

    def _report_problem(self) -> None:
        problem = self._source.problem
        if problem is not None and problem != self._problem:
            self._observer.file_error("token_file")
            self._log.error("token file became invalid, the last valid token stays in effect", detail=problem)
        if problem is None and self._problem is not None:
            self._log.info("token file is valid again")
        self._problem = problem
