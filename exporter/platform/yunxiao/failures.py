"""Turns exceptions of the HTTP libraries into an `ApiError` with a reason."""

from __future__ import annotations

import http.client
import re

import requests
import urllib3

from exporter.common.exceptions import causes
from exporter.http.tls_problems import tls_problem
from exporter.model.state import Reason
from exporter.platform.base import ApiError
from exporter.platform.yunxiao.schemes import no_answer

_MORE_HEADERS = re.compile(r"got more than \d+ headers")
"""The only message of the standard library that tells this failure from others of the same type."""


def out_of_time(timeout: float) -> ApiError:
    """There was no complete answer within the time limit, in seconds."""
    return ApiError(Reason.TIMEOUT, f"no complete answer within {timeout:g} s")


def broken(error: Exception, timeout: float, *, over: bool, plain: bool = False) -> ApiError:
    """The error for an exception of a library. Its text is not used: it may contain a header or a proxy's password.

    Args:
        error: the exception.
        timeout: the time limit of the request, in seconds.
        over: whether the time limit has passed.
        plain: whether the request was plain HTTP and the port has never answered one.
    """
    came_from = causes(error)
    if over or any(isinstance(cause, (requests.Timeout, TimeoutError)) for cause in came_from):
        return out_of_time(timeout)
    kind = type(error).__name__
    if (unanswered := no_answer(came_from, plain=plain)) is not None:
        return unanswered
    if (problem := tls_problem(came_from)) is not None:
        return ApiError(Reason.TLS, f"TLS: {problem}")
    if isinstance(error, (requests.exceptions.ContentDecodingError, urllib3.exceptions.DecodeError)):
        return ApiError(Reason.INVALID_RESPONSE, "the answer cannot be decompressed")
    if too_large := next(filter(None, map(_header_limit, came_from)), ""):
        return ApiError(Reason.INVALID_RESPONSE, too_large)
    if isinstance(error, requests.exceptions.InvalidSchema):
        return ApiError(Reason.CONNECTION, "the scheme of the address or of the proxy is not supported, such as socks5")
    if any(isinstance(cause, urllib3.exceptions.NameResolutionError) for cause in came_from):
        return ApiError(Reason.CONNECTION, "the host name cannot be resolved")
    if any(isinstance(cause, requests.exceptions.ProxyError) for cause in came_from):
        return ApiError(Reason.CONNECTION, "the proxy cannot be reached or refused the connection")
    if any(isinstance(cause, (urllib3.exceptions.IncompleteRead, requests.exceptions.ChunkedEncodingError))
           for cause in came_from):  # fmt: skip
        return ApiError(Reason.CONNECTION, "the connection was lost in the middle of the answer")
    why = next((cause.strerror for cause in came_from if isinstance(cause, OSError) and cause.strerror), kind)
    return ApiError(Reason.CONNECTION, f"connection failed: {why}")


def _header_limit(cause: BaseException) -> str:
    """The limit for headers that an answer exceeds; "" if the exception means something else."""
    if isinstance(cause, http.client.LineTooLong):
        return "the answer has a header line of more than 65536 bytes"
    if type(cause) is http.client.HTTPException and _MORE_HEADERS.fullmatch(str(cause)):
        return f"the answer has {str(cause).removeprefix('got ')}"
    return ""
