"""The invariants, each as a check over samples. No I/O and no clock: the samples have the time."""

from __future__ import annotations

import statistics
from collections import deque
from typing import TYPE_CHECKING

from soak.bounds import MB
from soak.measure import Worst
from soak.samples import Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from soak.bounds import Bounds
    from soak.expectations import Expectations
    from soak.samples import Probe, Sample

DISTURBANCES = ("platform", "redis effects", "clock")
"""Faults after which the data of a user may be older than usual."""
_SUSTAINED = 5.0
"""Seconds for which memory, descriptors or threads must exceed their bound: a short peak is not a leak."""


class Resources:
    """Memory, descriptors and threads stay below bounds computed from the number of users."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.worst = (Worst("rss", "MB"), Worst("descriptors", ""), Worst("threads", ""))
        self._above: dict[tuple[str, str], float] = {}

    def check(self, sample: Sample, users: int, organizations: int) -> Iterator[Violation]:
        """Check one sample."""
        bounds = self._bounds
        measures = (
            (sample.rss / MB, bounds.rss(users) / MB),
            (sample.fds, bounds.fds(organizations, sample.clients)),
            (sample.threads, bounds.threads(organizations)),
        )
        for worst, (value, bound) in zip(self.worst, measures, strict=True):
            key = (sample.daemon, worst.name)
            if not worst.see(sample.at, sample.daemon, value, bound):
                self._above.pop(key, None)
            elif sample.at - self._above.setdefault(key, sample.at) >= _SUSTAINED:
                yield worst.violation(sample.at, sample.daemon, value, bound)


class Growth:
    """Memory does not grow after the warm-up of a process, except for added users.

    Args:
        bounds: the limits.
        warm_up: seconds until a process has reached its size.
        span: length in seconds of the periods whose medians are compared, at the end of the warm-up and now.
    """

    def __init__(self, bounds: Bounds, warm_up: float, span: float) -> None:
        self._bounds = bounds
        self._warm_up = warm_up
        self._span = span
        self.worst = Worst("rss growth", "MB")
        self._process: dict[str, tuple[int, float]] = {}
        self._first: dict[str, list[float]] = {}
        self._users: dict[str, int] = {}
        self._recent: dict[str, deque[tuple[float, float]]] = {}

    def check(self, sample: Sample, users: int) -> Iterator[Violation]:
        """Check one sample."""
        one = sample.daemon
        if one not in self._process or self._process[one][0] != sample.process:
            self._process[one] = (sample.process, sample.at)
            self._first[one], self._recent[one], self._users[one] = [], deque(), 0
        age = sample.at - self._process[one][1]
        if age < self._warm_up:
            return
        if age < self._warm_up + self._span:
            self._first[one].append(sample.rss)
            self._users[one] = max(users, self._users[one])
            return
        recent = self._recent[one]
        recent.append((sample.at, sample.rss))
        while recent[0][0] < sample.at - self._span:
            recent.popleft()
        if age < self._warm_up + 2 * self._span or not self._first[one]:
            return
        before = statistics.median(self._first[one])
        growth = (statistics.median(rss for _, rss in recent) - before) / MB
        bound = self._bounds.growth(users - self._users[one]) / MB
        if self.worst.see(sample.at, one, growth, bound):
            more = f"from {before / MB:.1f} MB at the end of the warm-up of {self._warm_up:.0f} s"
            yield self.worst.violation(sample.at, one, growth, bound, more)


class Leadership:
    """Exactly one replica leads, except for short times."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.worst = (Worst("two leaders", "s"), Worst("no leader", "s"))
        self._two: float | None = None
        self._none: float | None = None

    def check(self, at: float, roles: Mapping[str, bool | None], redis_ok: float) -> Iterator[Violation]:
        """Check the roles of all replicas.

        Args:
            at: the current time.
            roles: whether each replica leads; None for one that does not run.
            redis_ok: since when Redis has worked; infinite while it does not.
        """
        leaders = [one for one, leads in roles.items() if leads]
        running = [one for one, leads in roles.items() if leads is not None]
        two, none = self.worst
        self._two = None if len(leaders) < 2 else at if self._two is None else self._two  # noqa: PLR2004 - two are two
        self._none = None if leaders or not running else at if self._none is None else self._none
        both = " and ".join(leaders)
        # While Redis is unavailable each may poll: they cannot know of each other.
        for_two = 0.0 if self._two is None else at - max(self._two, redis_ok)
        if two.see(at, both, max(0.0, for_two), self._bounds.one_leader):
            yield two.violation(at, both, for_two, self._bounds.one_leader)
        for_none = 0.0 if self._none is None else at - self._none
        if none.see(at, "replicas", for_none, self._bounds.some_leader):
            more = f"running: {', '.join(running)}"
            yield none.violation(at, "replicas", for_none, self._bounds.some_leader, more)


class Freshness:
    """Each user is polled in time, and the exposed time of the last success is correct.

    A poll is detected by its changed time of success, so a step of the clock counts neither as a poll nor as old data.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.worst = (Worst("age of data", "s"), Worst("false time", "s"))
        self._process: dict[str, int] = {}
        self._seen: dict[str, dict[str, tuple[float, float]]] = {}
        self._led: dict[str, float] = {}
        self._before: dict[str, Sample] = {}

    def age(self, sample: Sample) -> float | None:
        """Seconds since the last poll of the least recently polled user, by the daemon's clock; None without users."""
        return max((sample.wall - at for at in sample.scrape.last_success.values()), default=None)

    def check(self, sample: Sample, expected: Expectations) -> Iterator[Violation]:
        """Check one sample; only the leader polls."""
        one = sample.daemon
        if self._process.get(one) != sample.process:
            # A new process starts with data from a file or from Redis, not from a poll.
            self._process[one] = sample.process
            self._seen.pop(one, None)
            self._led.pop(one, None)
            self._before.pop(one, None)
        last = self._before.get(one, sample)
        self._before[one] = sample
        seen = self._seen.setdefault(one, {})
        stale, false = self.worst
        stepped = expected.calm_since(one, ("clock",))
        # While Redis is away both replicas poll; then one adopts the other's polls, which are newer than its own.
        adopted = self._bounds.age if expected.calm_since(one, ("redis effects",)) > last.at - 1 else 0.0
        if not sample.scrape.leader:
            self._led.pop(one, None)
        led = self._led.setdefault(one, sample.at) if sample.scrape.leader else None
        known = sample.scrape.last_success
        for user, value in known.items():
            before = seen.get(user)
            if before is not None and before[0] == value:
                continue
            seen[user] = (value, sample.at)
            # The first value may be from an earlier run.
            if before is None or led is None or led > sample.at - self._bounds.age or stepped > last.at - 1:
                continue
            # The poll happened between the last sample and the answer to this one.
            off = max(value - sample.wall - sample.asked, last.wall - value - adopted)
            if false.see(sample.at, one, max(0.0, off), self._bounds.truth):
                yield false.violation(sample.at, one, off, self._bounds.truth, f"user {user}")
        for user in seen.keys() - known.keys():
            del seen[user]
        if led is None:
            return
        yield from self._ages(sample, max(led, sample.since, expected.calm_since(one, DISTURBANCES)), expected, stale)

    def _ages(self, sample: Sample, calm: float, expected: Expectations, stale: Worst) -> Iterator[Violation]:
        seen = self._seen[sample.daemon]
        ages = {
            user: sample.at - max(calm, expected.added_at(user), seen.get(user, (0.0, 0.0))[1])
            for user in expected.users
        }
        if not ages:
            return
        oldest = max(ages, key=lambda user: ages[user])
        bound = self._bounds.age
        if stale.see(sample.at, sample.daemon, max(0.0, ages[oldest]), bound):
            old = sum(age > bound for age in ages.values())
            more = f"user {oldest}, {old} of {len(ages)} users, {sum(user in seen for user in ages)} ever polled"
            yield stale.violation(sample.at, sample.daemon, ages[oldest], bound, more)


class Removed:
    """Users and organizations that were removed from the configuration are neither shown nor stored."""

    def __init__(self, name: str, bound: float) -> None:
        self._bound = bound
        self.worst = Worst(name, "s")

    def check(
        self, at: float, where: str, found: Iterable[str], since: float, expected: Expectations
    ) -> Iterator[Violation]:
        """Check the names of organizations and ids of users that were found in a place.

        Args:
            at: the current time.
            where: the place that was searched.
            found: the names and ids in it.
            since: since when the place can be updated; infinite while it cannot.
            expected: the configured users and organizations.
        """
        late = {one: at - max(gone, since) for one in found if (gone := expected.removed_at(one)) is not None}
        if not late:
            self.worst.see(at, where, 0.0, self._bound)
            return
        one = max(late, key=lambda name: late[name])
        if self.worst.see(at, where, max(0.0, late[one]), self._bound):
            more = f"{len(late)} left, such as {one}"
            yield self.worst.violation(at, where, late[one], self._bound, more)


class Health:
    """`/-/healthy` answers 200 within a second, always."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.worst = Worst("healthy", "s")

    def check(self, probe: Probe) -> Iterator[Violation]:
        """Check one probe of a daemon that had to answer. The machine's share of the delay is not counted."""
        seconds = max(0.0, probe.seconds - probe.lag)
        if self.worst.see(probe.start, probe.daemon, seconds, self._bounds.healthy):
            yield self.worst.violation(probe.start, probe.daemon, seconds, self._bounds.healthy, probe.text)
        elif probe.status != 200:  # noqa: PLR2004 - the expected status
            yield Violation(
                "healthy", probe.start, f"{probe.daemon}: status {probe.status}: {probe.text}", probe.daemon
            )


class LogRate:
    """The size of the log per minute stays below a limit."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.worst = (Worst("log lines", "per minute"), Worst("log bytes", "kB per minute"))
        self._written: dict[str, deque[tuple[float, int, int]]] = {}

    def check(self, at: float, daemon: str, lines: int, size: int, users: int) -> Iterator[Violation]:
        """Check how much a daemon has logged since the last check."""
        written = self._written.setdefault(daemon, deque())
        written.append((at, lines, size))
        while written[0][0] <= at - 60:
            written.popleft()
        of_lines, of_bytes = self.worst
        pairs = (
            (of_lines, float(sum(one[1] for one in written)), self._bounds.log_lines(users)),
            (of_bytes, sum(one[2] for one in written) / 1000, self._bounds.log_bytes(users) / 1000),
        )
        for worst, value, bound in pairs:
            if worst.see(at, daemon, value, bound):
                yield worst.violation(at, daemon, value, bound)
