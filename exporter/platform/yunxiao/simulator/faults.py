"""Faults of the simulated platform: which requests they affect, how often, and what happens."""

from __future__ import annotations

import random
import re
import threading
from dataclasses import dataclass
from enum import StrEnum

from exporter.platform.yunxiao.simulator.envelopes import ENVELOPES
from exporter.platform.yunxiao.simulator.quirks import Quirks

_STATUS = re.compile(r"[1-5]\d\d", re.ASCII)


class FaultKind(StrEnum):
    """What happens to a request instead of a good answer."""

    STATUS = "status"
    HTML = "html"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    SLOW = "slow"
    SLOW_HEADERS = "slow_headers"
    HANG = "hang"
    RESET = "reset"
    REDIRECT = "redirect"
    BODY = "body"
    ENVELOPE = "envelope"
    ECHO = "echo"


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    Attributes:
        kind: what happens.
        argument: the status, which an error code and a message may follow (``403:Forbidden:no permission``); the
            address to redirect to; the body to send; or the name of an envelope, which a status other than 200 may
            follow (``spring:401``). `ECHO` needs none: it answers 403 with the token of the request as error code and
            request id, as a faulty gateway does.
    """

    kind: FaultKind
    argument: str = ""

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read ``kind`` or ``kind:argument``, such as ``status:500``; ``500`` alone is a status.

        Raises:
            ValueError: the kind, the status or the envelope is unknown.
        """
        kind, _, argument = text.partition(":")
        if _STATUS.fullmatch(kind):
            kind, argument = FaultKind.STATUS, text
        try:
            fault = cls(FaultKind(kind), argument)
        except ValueError:
            known = ", ".join(FaultKind)
            raise ValueError(f"unknown fault {kind!r}; use a status such as 500, or one of {known}") from None
        first, _, second = argument.partition(":")
        if fault.kind is FaultKind.STATUS and not _STATUS.fullmatch(first):
            raise ValueError(f"{first!r} is not an HTTP status")
        if fault.kind is FaultKind.ENVELOPE and first not in ENVELOPES:
            raise ValueError(f"unknown envelope {first!r}; use one of {', '.join(ENVELOPES)}")
        if fault.kind is FaultKind.ENVELOPE and second and not _STATUS.fullmatch(second):
            raise ValueError(f"{second!r} is not an HTTP status")
        return fault


class Faults:
    """The active faults. Tests and the command line set them, request handlers read them."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)  # noqa: S311 - which requests fail need not be a secret
        # Guards the fields below: set from one thread, read from many.
        self._lock = threading.Lock()
        self._by_user: dict[str, Fault] = {}
        self._by_rate: list[tuple[float, Fault]] = []
        self._latency = 0.0
        self._retry_after: str | None = "1"
        self._per_second: float | None = None
        self._quirks = Quirks()

    def for_user(self, user_id: str, fault: Fault | None) -> None:
        """Have all requests about a user, or to a path such as ``/platform/users``, fail this way; None ends that."""
        with self._lock:
            if fault is None:
                self._by_user.pop(user_id, None)
            else:
                self._by_user[user_id] = fault

    def at_rate(self, share: float, fault: Fault) -> None:
        """Have this share of all requests (0 to 1) fail in this way, in addition to the other faults."""
        with self._lock:
            self._by_rate.append((share, fault))

    def heal(self) -> None:
        """End all faults."""
        with self._lock:
            self._by_user.clear()
            self._by_rate.clear()

    def pick(self, user_id: str) -> Fault | None:
        """The fault that a request about the user or path gets; None for a good answer."""
        with self._lock:
            if (fault := self._by_user.get(user_id)) is not None:
                return fault
            return next((fault for share, fault in self._by_rate if self._random.random() < share), None)

    @property
    def quirks(self) -> Quirks:
        """Oddities of the lists."""
        return self._quirks

    @quirks.setter
    def quirks(self, quirks: Quirks) -> None:
        self._quirks = quirks

    @property
    def latency(self) -> float:
        """Seconds that each answer takes."""
        return self._latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._latency = seconds

    @property
    def retry_after(self) -> str | None:
        """The `Retry-After` that goes with a 429; None for none."""
        return self._retry_after

    @retry_after.setter
    def retry_after(self, value: str | None) -> None:
        self._retry_after = value

    @property
    def per_second(self) -> float | None:
        """Requests a second above which the platform answers 429; None for no limit."""
        return self._per_second

    @per_second.setter
    def per_second(self, limit: float | None) -> None:
        self._per_second = limit


__all__ = ["Fault", "FaultKind", "Faults", "Quirks"]
