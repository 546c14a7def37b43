"""Basic auth (RFC 7617) that stays usable during a flood of wrong passwords."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from starlette.responses import PlainTextResponse

from exporter.metrics.families.http import Refusal
from exporter.web.connections import Phase, connection_of
from exporter.web.passwords import Passwords

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from exporter.common.worker import MonotonicClock
    from exporter.web.refusals import Refusals

CHECKS_AT_ONCE = 1
"""Passwords checked at the same time: each check keeps a CPU busy."""
MAX_WAITING = 16
"""Checks that may wait, including the one in progress."""
MAX_WAITING_PER_ADDRESS = 4
"""Checks that may wait for one address."""
FAILURES_PER_ADDRESS = 60
"""Wrong passwords that an address may send in a burst; afterwards one per second."""
PENALTY = 1.0
_SECONDS_A_FAILURE = 1.0
_MAX_ADDRESSES = 4096


class FailureLimit:
    """Limits the rate of wrong passwords by address. For the event loop's thread only.

    Args:
        clock: monotonic time.
    """

    def __init__(self, clock: MonotonicClock) -> None:
        self._clock = clock
        # When an address may send a full burst again; the address that failed last comes last.
        self._even_at: OrderedDict[str, float] = OrderedDict()

    def exceeded(self, address: str) -> bool:
        """Whether the address must wait before it may try again."""
        debt = self._even_at.get(address, 0.0) - self._clock.monotonic()
        return debt > (FAILURES_PER_ADDRESS - 1) * _SECONDS_A_FAILURE

    def failed(self, address: str) -> None:
        """The address has sent a wrong password."""
        now = self._clock.monotonic()
        self._even_at[address] = max(now, self._even_at.get(address, now)) + _SECONDS_A_FAILURE
        self._even_at.move_to_end(address)
        if len(self._even_at) > _MAX_ADDRESSES:
            self._even_at.popitem(last=False)


class BasicAuth:
    """Rejects requests without valid credentials.

    Credentials that were verified before pass at once. Others are checked one at a time, in a bounded queue.

    Args:
        app: the protected application.
        users: bcrypt hashes by user name; without any, all requests pass.
        clock: monotonic time.
        refusals: counts refused clients.
        penalty: seconds to delay a refusal without a check, so that a flood costs little CPU time.
    """

    def __init__(
        self,
        app: ASGIApp,
        users: Mapping[str, str],
        clock: MonotonicClock,
        refusals: Refusals,
        penalty: float = PENALTY,
    ) -> None:
        self._app = app
        # Replaced as a whole by another thread; read once per request.
        self._passwords = Passwords(users) if users else None
        self._failures = FailureLimit(clock)
        self._refusals = refusals
        self._penalty = penalty
        self._turns: anyio.CapacityLimiter | None = None
        self._waiting: Counter[str] = Counter()

    def use(self, users: Mapping[str, str]) -> None:
        """Replace the users. Credentials that were accepted before are still known if their user is unchanged."""
        passwords = self._passwords
        if not users:
            self._passwords = None
        else:
            self._passwords = Passwords(users) if passwords is None else passwords.replaced(users)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI call."""
        passwords = self._passwords
        refusal = None
        if passwords is not None and scope["type"] == "http":
            refusal = await self._refusal(scope, passwords)
        await (self._app if refusal is None else refusal)(scope, receive, send)

    async def _refusal(self, scope: Scope, passwords: Passwords) -> PlainTextResponse | None:
        """The response that refuses a request; None to let it pass."""
        encoded = _credentials(scope)
        if encoded is None:
            return _unauthorized()
        if passwords.remembers(encoded):
            return None
        client = scope.get("client")
        host = "" if client is None else str(client[0])
        address = _network(host)
        if self._failures.exceeded(address):
            self._refusals.refused(Refusal.TOO_MANY_FAILURES, host)
            await self._keep_waiting(scope)
            return _later(429, "Too many wrong passwords from this address.\n")
        if self._waiting.total() >= MAX_WAITING or self._waiting[address] >= MAX_WAITING_PER_ADDRESS:
            self._refusals.refused(Refusal.PASSWORD_CHECKS_BUSY, host)
            await self._keep_waiting(scope)
            return _later(503, "Too many password checks in progress.\n")
        if await self._check(passwords, encoded, address):
            return None
        self._failures.failed(address)
        self._refusals.refused(Refusal.WRONG_CREDENTIALS, host)
        return _unauthorized()

    async def _keep_waiting(self, scope: Scope) -> None:
        if (connection := connection_of(scope)) is not None:
            # In this phase it can lose its connection to a new client.
            connection.enter(Phase.PENALTY)
        await asyncio.sleep(self._penalty)

    async def _check(self, passwords: Passwords, encoded: bytes, address: str) -> bool:
        if self._turns is None:
            # Made here because it belongs to the event loop.
            self._turns = anyio.CapacityLimiter(CHECKS_AT_ONCE)
        self._waiting[address] += 1
        try:
            return await anyio.to_thread.run_sync(passwords.check, encoded, limiter=self._turns, abandon_on_cancel=True)
        finally:
            self._waiting[address] -= 1
            if not self._waiting[address]:
                del self._waiting[address]


def _credentials(scope: Scope) -> bytes | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, encoded = value.partition(b" ")
            return bytes(encoded) if scheme.lower() == b"basic" else None
    return None


def _network(host: str) -> str:
    """The key that failures are counted by: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:  # noqa: PLR2004 - the version of IP
        return str(address)
    mapped = address.ipv4_mapped
    return str(mapped or ipaddress.ip_network((address, 64), strict=False))


def _unauthorized() -> PlainTextResponse:
    challenge = {"WWW-Authenticate": 'Basic realm="yunxiao-token-exporter"'}
    return PlainTextResponse("Unauthorized\n", status_code=401, headers=challenge)


def _later(status: int, text: str) -> PlainTextResponse:
    return PlainTextResponse(text, status_code=status, headers={"Retry-After": "1"})
