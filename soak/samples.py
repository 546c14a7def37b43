"""What is measured: values without behaviour, and how a scrape becomes one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEADER = re.compile(r"^yunxiao_exporter_leader (\S+)$", re.MULTILINE)
_SUCCESS = re.compile(
    r'^yunxiao_user_last_success_timestamp_seconds\{[^}]*user_id="([^"]*)"[^}]*\} (\S+)$', re.MULTILINE
)
_ORGANIZATION = re.compile(r'[{,]organization="([^"]*)"')
_USER = re.compile(r'[{,]user_id="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Scrape:
    """What one answer of `/metrics` says.

    Attributes:
        leader: whether the daemon polls.
        organizations: every value of the label `organization`, in whatever family.
        users: every value of the label `user_id`.
        last_success: epoch seconds by user.
    """

    leader: bool
    organizations: frozenset[str]
    users: frozenset[str]
    last_success: Mapping[str, float]


def parse_scrape(text: str) -> Scrape:
    """Read the text format; only what the checks need."""
    leader = _LEADER.search(text)
    return Scrape(
        leader is not None and float(leader[1]) > 0,
        frozenset(_ORGANIZATION.findall(text)),
        frozenset(_USER.findall(text)),
        {user: float(value) for user, value in _SUCCESS.findall(text)},
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """One daemon at one moment.

    Attributes:
        at: seconds since the run began.
        daemon: its name.
        process: numbers the processes of this daemon; another one after each restart.
        since: when this process answered first.
        rss: bytes.
        fds: open descriptors.
        threads: how many.
        clients: connections that the harness holds open to it.
        scrape: what `/metrics` said.
        wall: the daemon's own wall clock when it was asked, in epoch seconds.
        asked: seconds for the answer.
    """

    at: float
    daemon: str
    process: int
    since: float
    rss: int
    fds: int
    threads: int
    clients: int
    scrape: Scrape
    wall: float
    asked: float = 0.0


@dataclass(frozen=True, slots=True)
class Probe:
    """One request for `/-/healthy`.

    Attributes:
        daemon: the one asked.
        start: seconds since the run began.
        seconds: until the whole answer was there.
        status: 0 where none came.
        lag: how much of it was the machine's part, as `soak.prober` says.
        text: the body, or the error.
    """

    daemon: str
    start: float
    seconds: float
    status: int
    lag: float
    text: str


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was not kept.

    Attributes:
        invariant: which.
        at: seconds since the run began.
        text: what was seen and what is allowed.
        daemon: whose promise it was; empty if that cannot be said.
    """

    invariant: str
    at: float
    text: str
    daemon: str = ""
