"""Bounds, computed from the number of users and organizations. docs/soak.md explains each formula."""

from __future__ import annotations

from dataclasses import dataclass

MB = 1_000_000
KB = 1_000


@dataclass(frozen=True, slots=True)
class Scale:
    """The size of a run.

    Attributes:
        users: number at the start.
        organizations: number at the start.
        concurrency: requests at the same time, per organization.
        rate: requests per second, per organization.
        interval: seconds, `poll.interval`.
        timeout: seconds, `poll.timeout`.
        lease: seconds, `redis.lease`.
    """

    users: int = 40
    organizations: int = 3
    concurrency: int = 4
    rate: float = 40.0
    interval: float = 5.0
    timeout: float = 2.0
    lease: float = 3.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds for a run; the numbers of users and organizations may have changed since its start."""

    scale: Scale

    def rss(self, users: int) -> float:
        """Bytes of memory: interpreter and libraries, a part per user, and room for large answers being read."""
        return 110 * MB + 40 * KB * users + 64 * MB

    def growth(self, users: int) -> float:
        """Bytes by which memory may grow after the warm-up, if this number of users was added since.

        The first large answers after the warm-up leave pages that the allocator cannot give back, 20 to 30 MB. Later
        answers use them again. A slow leak shows in the profile platform-away, which has no such answers.
        """
        return 40 * MB + 40 * KB * max(0, users)

    def fds(self, organizations: int, clients: int) -> float:
        """File descriptors: a fixed number, one per request (two clients exist during a reload), and clients."""
        return 48 + organizations * (2 * self.scale.concurrency + 2) + clients

    def threads(self, organizations: int) -> float:
        """Threads: a fixed number, the web server's pool of 40, and workers and jobs per organization."""
        return 24 + 40 + organizations * (2 * self.scale.concurrency + 6)

    @property
    def age(self) -> float:
        """Seconds between two successful polls of a user: two intervals, the timeout of a request, and slack."""
        return 2 * self.scale.interval + self.scale.timeout + 3

    @property
    def one_leader(self) -> float:
        """Seconds for which two replicas may lead while Redis works."""
        return 3 * self.scale.lease + 2

    @property
    def some_leader(self) -> float:
        """Seconds for which no replica may lead while one of them runs, with 2 s for each of two calls to Redis."""
        return 3 * self.scale.lease + 4

    removed_shown = 8.0
    """Seconds after a reload until removed users and organizations disappear from `/metrics` and the API."""
    removed_stored = 15.0
    """The same for state file and Redis."""
    healthy = 1.0
    """Seconds for an answer of `/-/healthy`."""
    scrape = 10.0
    """Seconds for an answer of `/metrics`, Prometheus' default for `scrape_timeout`."""
    truth = 5.0
    """Seconds between the real time of a poll and the time that the exporter exposes."""
    exit = 5.0
    """Seconds from SIGTERM to the exit."""
    started = 15.0
    """Seconds from the start to the first answer of `/-/healthy`."""

    @property
    def ready(self) -> float:
        """Seconds from the start to `/-/ready`, with a first sweep in case the state file cannot be used."""
        return self.started + 1.5 * self.scale.users / self.scale.rate + 3 * self.scale.timeout + self.scale.interval

    def log_lines(self, users: int) -> float:
        """Lines per minute: each poll may begin or end a failure, and other faults cause a few lines each."""
        return 150 + users * 60 / self.scale.interval

    def log_bytes(self, users: int) -> float:
        """Bytes per minute: 300 per line, and room for a few tracebacks."""
        return 64 * KB + 300 * self.log_lines(users)

    def after_429(self, seconds: float, retry_after: float) -> float:
        """Seconds until the rate has recovered: it was halved once per pause, but not below one request in 30 s."""
        halvings = seconds / max(1.0, retry_after) + 1
        return retry_after + min(30.0, 2**halvings / self.scale.rate) + 2 * self.scale.users / self.scale.rate

    def after_failing(self, seconds: float) -> float:
        """Seconds until users that failed for this long are polled again: retries and back-off."""
        retries = 3 * self.scale.timeout + 3
        return retries + (0 if seconds <= 3 * self.scale.interval else 8 * self.scale.interval)
