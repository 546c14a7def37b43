"""Reads the final answer to a request, after any number of interim ones such as ``103 Early Hints`` (RFC 9110, 15.2).

The standard library skips ``100 Continue`` only, and takes any other interim answer for the final one.
"""

from __future__ import annotations

from http import HTTPStatus
from http.client import HTTPResponse, parse_headers


class FinalResponse(HTTPResponse):
    """An answer whose status is that of the final one. The time limit of the request also covers the interim ones."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            # After 101 the connection speaks another protocol, so it is final.
            if status == HTTPStatus.SWITCHING_PROTOCOLS or not HTTPStatus.CONTINUE < status < HTTPStatus.OK:
                return version, status, reason
            parse_headers(self.fp)
