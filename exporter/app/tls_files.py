"""Follows the certificates that the exporter uses as a client: their expiry, and files that become invalid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from exporter.metrics.families.exporter import CLIENT_CERTIFICATE_EXPIRY, TLS_FILE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.common.live_tls import LiveTls
    from exporter.metrics.instruments import Instruments

_log = structlog.get_logger(__name__)


class TlsFilesMonitor:
    """Checks the files at intervals. Connections read them too, but there may be none for a long time.

    Args:
        in_use: what follows files, after the key path of the section that names them.
        instruments: counts invalid files, and has the expiry of client certificates.
    """

    def __init__(self, in_use: Callable[[], Iterable[tuple[str, LiveTls]]], instruments: Instruments) -> None:
        self._in_use = in_use
        self._instruments = instruments
        self._problems: dict[str, str | None] = {}
        self._reported: dict[str, str] = {}

    def check(self) -> None:
        """Read the files that have changed, set the gauges, and report problems that last."""
        problems: dict[str, str | None] = {}
        expiries: dict[tuple[str, ...], float] = {}
        for path, tls in self._in_use():
            tls.check()
            problems[path] = tls.problem
            certificate = tls.certificate
            if certificate is not None and certificate.validity is not None:
                expiries[(str(certificate.file),)] = certificate.validity.not_after
        self._instruments.publish(CLIENT_CERTIFICATE_EXPIRY, expiries)
        self._report(problems)

    def _report(self, problems: dict[str, str | None]) -> None:
        for path, problem in problems.items():
            reported = self._reported.get(path)
            if problem is None:
                if reported is not None:
                    _log.info("the certificate, key and CA files are valid again", key=path)
                    del self._reported[path]
            # Only if it lasts: a certificate and its key are two files, and are not replaced at the same moment.
            elif problem != reported and problem == self._problems.get(path):
                self._instruments.inc(TLS_FILE_ERRORS)
                _log.error(
                    "a certificate, key or CA file became invalid, the last valid ones stay in use",
                    key=path,
                    detail=problem,
                )
                self._reported[path] = problem
        self._problems = problems
        self._reported = {path: problem for path, problem in self._reported.items() if path in problems}
