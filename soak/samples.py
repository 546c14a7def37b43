"""Measurements as values, and the parser of scrapes."""

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
_ENDED = re.compile(
    r"^yunxiao_(?:alert_source_rank|\w+_alert_\w+|organization_(?:unreadable|poll_alerts)_\w+)\{.*\} 0(?:\.0)?$",
    re.MULTILINE,
)
"""Entries for alert rules that have ended; they are exposed for 15 minutes more."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """The values of one answer of `/metrics` that the checks need.

    Attributes:
        leader: whether the daemon polls.
        organizations: every value of the label `organization`, of any metric but ended entries for alert rules.
        users: every value of the label `user_id`, likewise.
        last_success: epoch seconds by user.
    """

    leader: bool
    organizations: frozenset[str]
    users: frozenset[str]
    last_success: Mapping[str, float]


def parse_scrape(text: str) -> Scrape:
    """Parse what the checks need from the text format."""
    leader = _LEADER.search(text)
    text = _ENDED.sub("", text)
    return Scrape(
        leader is not None and float(leader[1]) > 0,
        frozenset(_ORGANIZATION.findall(text)),
        frozenset(_USER.findall(text)),
        {user: float(value) for user, value in _SUCCESS.findall(text)},
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """Measurements of one daemon at one moment.

    Attributes:
        at: seconds since the run began.
        daemon: its name.
        process: number of the daemon's process; changes with each restart.
        since: when this process first answered.
        rss: resident memory in bytes.
        fds: number of open file descriptors.
        threads: number of threads.
        clients: connections that the soak test holds open to it.
        scrape: the content of `/metrics`.
        wall: the daemon's own wall clock at the request, in epoch seconds.
        asked: seconds until the answer.
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
        daemon: its name.
        start: seconds since the run began.
        seconds: time until the complete answer.
        status: HTTP status; 0 without an answer.
        lag: the machine's share of the time; see `soak.prober`.
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
    """A violation of an invariant.

    Attributes:
        invariant: which.
        at: seconds since the run began.
        text: the value and the limit.
        daemon: the daemon concerned; empty if it is not a single one.
    """

    invariant: str
    at: float
    text: str
    daemon: str = ""
