"""Faults below HTTP, as reasons: every exception that the libraries have for a request that brought no whole answer."""

from __future__ import annotations

import ssl

import requests
import urllib3

from exporter.common.exceptions import causes
from exporter.model.state import Reason
from exporter.platform.base import ApiError


def out_of_time(timeout: float) -> ApiError:
    """No whole answer came within so many seconds."""
    return ApiError(Reason.TIMEOUT, f"no whole answer within {timeout:g} s")


def broken(error: Exception, timeout: float, *, over: bool) -> ApiError:
    """What a library's exception means. Its own text is not passed on: it may hold a header or a proxy's password.

    Args:
        error: what the library raised.
        timeout: seconds that the request was given.
        over: whether they had passed.
    """
    came_from = causes(error)
    if over or any(isinstance(cause, (requests.Timeout, TimeoutError)) for cause in came_from):
        return out_of_time(timeout)
    kind = type(error).__name__
    if any(isinstance(cause, (requests.exceptions.SSLError, ssl.SSLError)) for cause in came_from):
        verify = next((cause for cause in came_from if isinstance(cause, ssl.SSLCertVerificationError)), None)
        why = verify.verify_message if verify is not None else "handshake failed"
        return ApiError(Reason.TLS, f"TLS: {why}")
    if isinstance(error, (requests.exceptions.ContentDecodingError, urllib3.exceptions.DecodeError)):
        return ApiError(Reason.INVALID_RESPONSE, "the answer cannot be decompressed")
    if any(isinstance(cause, urllib3.exceptions.NameResolutionError) for cause in came_from):
        return ApiError(Reason.CONNECTION, "the host name cannot be resolved")
    if any(isinstance(cause, requests.exceptions.ProxyError) for cause in came_from):
        return ApiError(Reason.CONNECTION, "the proxy cannot be reached or refuses")
    if any(isinstance(cause, (urllib3.exceptions.IncompleteRead, requests.exceptions.ChunkedEncodingError))
           for cause in came_from):  # fmt: skip
        return ApiError(Reason.CONNECTION, "the connection broke off in mid-answer")
    why = next((cause.strerror for cause in came_from if isinstance(cause, OSError) and cause.strerror), kind)
    return ApiError(Reason.CONNECTION, f"no connection: {why}")
