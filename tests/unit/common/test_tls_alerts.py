from __future__ import annotations

import ssl

import pytest

from exporter.common.tls_alerts import alert_in


class Closed:
    """Stands for a socket whose peer has closed it."""

    def __init__(self, answer: bytes | Exception) -> None:
        self._answer = answer

    def recv(self, size: int, /) -> bytes:
        assert size == 1
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


def test_an_alert_that_is_still_to_be_read_is_found() -> None:
    alert = tls_error("TLSV13_ALERT_CERTIFICATE_REQUIRED")
    assert alert_in(Closed(alert)) is alert


@pytest.mark.parametrize(
    "answer", [b"", b"H", ConnectionResetError(104, "reset"), TimeoutError(), tls_error("UNEXPECTED_EOF_WHILE_READING")]
)
def test_anything_else_is_no_alert(answer: bytes | Exception) -> None:
    assert alert_in(Closed(answer)) is None
