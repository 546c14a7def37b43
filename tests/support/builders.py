"""Values for tests, with all that a test does not care about filled in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exporter.common.cancellation import Stop
from exporter.common.worker import Supervisor
from exporter.http.deadline import Watchdog
from exporter.model.ssh_key import SshKey
from exporter.model.state import Failure, Reason, UserState
from exporter.model.token import NEVER, Token
from exporter.model.user import User

if TYPE_CHECKING:
    from exporter.common.clock import Clock

NOW = 1_780_272_000.0
"""2026-06-01T00:00:00Z: 20,605 days of 86,400 s after the epoch."""
MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0


def a_token(
    token_id: str = "pt-aaaa",
    *,
    expires_in: float | None = 5 * DAY,
    name: str = "ci",
    permissions: tuple[str, ...] = ("base_user_read",),
    age: float | None = DAY,
) -> Token:
    """A token; `expires_in` may be NEVER, or None for unreadable."""
    return Token(
        token_id,
        name,
        permissions,
        None if age is None else NOW - age,
        None if expires_in is None else (NEVER if expires_in == NEVER else NOW + expires_in),
    )


def a_key(
    key_id: str = "501",
    *,
    expires_in: float | None = 5 * DAY,
    title: str = "laptop",
    age: float | None = DAY,
    used: float | None = HOUR,
) -> SshKey:
    """An SSH key; `used` seconds ago, None for never."""
    return SshKey(
        key_id,
        title,
        ("ALL",),
        None if age is None else NOW - age,
        None if expires_in is None else (NEVER if expires_in == NEVER else NOW + expires_in),
        description="SHA256:0f1e2d",
        last_used_at=None if used is None else NOW - used,
    )


def a_user(user_id: str = "u1", name: str = "li.wei") -> User:
    return User(user_id, name)


def a_state(
    *tokens: Token, user: User | None = None, at: float = NOW, keys: tuple[SshKey, ...] | None = None
) -> UserState:
    return UserState(user or a_user()).succeeded(tokens, at, ssh_keys=keys)


def a_failure(reason: Reason = Reason.SERVER_ERROR) -> Failure:
    return Failure(reason, "HTTP 500")


@dataclass
class ManualClock:
    """A clock that stands still until a test moves it; waiting on its stop moves it too."""

    time: float = NOW
    ticks: float = 1000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.ticks

    def advance(self, seconds: float) -> None:
        self.time += seconds
        self.ticks += seconds


class LeapingStop(Stop):
    """A stop whose waits take no time: they move the clock instead, and are noted."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock = clock
        self.waits: list[float] = []

    def wait(self, seconds: float | None) -> bool:
        if seconds is not None and seconds > 0 and not self.is_set():
            self.waits.append(seconds)
            self.clock.advance(seconds)
        return self.is_set()


@dataclass
class Counts:
    """Stands where counters are given: notes what is counted."""

    seen: list[tuple[object, ...]] = field(default_factory=list)

    def request(self, operation: str, code: str, seconds: float) -> None:  # noqa: ARG002
        self.seen.append(("request", operation, code))

    def retry(self) -> None:
        self.seen.append(("retry",))

    def error(self, reason: Reason) -> None:
        self.seen.append(("error", reason.value))

    def parse_errors(self, name: str, count: int) -> None:
        self.seen.append(("parse_errors", name, count))

    def truncated(self, field: str, count: int) -> None:
        self.seen.append(("truncated", field, count))

    def internal_error(self, where: str) -> None:
        self.seen.append(("internal_error", where))

    def swept(self, result: object) -> None:
        self.seen.append(("swept", str(result)))

    def of(self, kind: str) -> list[tuple[object, ...]]:
        return [entry for entry in self.seen if entry[0] == kind]


def a_watchdog(clock: Clock) -> Watchdog:
    """A watchdog that may not crash."""

    def crashed(name: str) -> None:
        raise AssertionError(name)

    return Watchdog(clock, Supervisor(crashed, clock))
