"""Faults of the simulated platform: which requests they affect, how often, and what happens."""

from __future__ import annotations

import random
import re
import threading
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any


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
    ECHO = "echo"


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    Attributes:
        kind: what happens.
        argument: the status, the address to redirect to, or the body to send. `ECHO` needs none: it answers 403 with
            the token of the request as error code and request id, as a faulty gateway does.
    """

    kind: FaultKind
    argument: str = ""

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read ``kind`` or ``kind:argument``, such as ``status:500``.

        Raises:
            ValueError: the kind is unknown.
        """
        kind, _, argument = text.partition(":")
        if re.fullmatch(r"[1-5]\d\d", kind):
            return cls(FaultKind.STATUS, kind)
        try:
            return cls(FaultKind(kind), argument)
        except ValueError:
            known = ", ".join(FaultKind)
            raise ValueError(f"unknown fault {kind!r}; use a status such as 500, or one of {known}") from None


@dataclass(frozen=True, slots=True)
class Quirks:
    """Oddities of the lists of the simulated platform, as seen on real ones.

    Attributes:
        wrong_next_page: `x-next-page` says 1 on every page.
        no_page_headers: there are no headers about pages.
        ignored_page: every page is page 1.
        empty_page: the number of a page that comes empty.
        failing_page: the number of a page that answers 500.
        nobody: all lists are empty.
        masked_ids: token ids come with `****` in their middle.
        older_caller: only `/platform/users:me` returns the caller.
    """

    wrong_next_page: bool = False
    no_page_headers: bool = False
    ignored_page: bool = False
    empty_page: int | None = None
    failing_page: int | None = None
    nobody: bool = False
    masked_ids: bool = False
    older_caller: bool = False

    def with_one(self, text: str) -> Quirks:
        """Add one, given as its name or, if it needs a page, as ``name=page``.

        Raises:
            ValueError: the quirk is unknown, or its page is missing or not a number.
        """
        name, _, page = text.partition("=")
        known = {one.name: one.default is None for one in fields(self)}
        if name not in known or known[name] != page.isdecimal():
            raise ValueError(
                f"unknown quirk {text!r}; use one of {', '.join(f'{k}=PAGE' if v else k for k, v in known.items())}"
            )
        change: dict[str, Any] = {name: int(page) if page else True}
        return replace(self, **change)


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
