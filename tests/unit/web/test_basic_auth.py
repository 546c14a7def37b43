from __future__ import annotations

import asyncio
import base64
import threading
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest
from support.builders import ManualClock
from support.web import CountedRefusals

from exporter.metrics.families.http import Refusal
from exporter.web.basic_auth import (
    FAILURES_PER_ADDRESS,
    MAX_WAITING,
    MAX_WAITING_PER_ADDRESS,
    BasicAuth,
    FailureLimit,
)
from exporter.web.passwords import Passwords

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

HASH = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()


async def passed(scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:  # noqa: ARG001
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class Scene:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.refusals = CountedRefusals(self.clock)
        self.auth = BasicAuth(passed, {"prometheus": HASH}, self.clock, self.refusals, penalty=0)

    async def status(self, password: str | None, address: str = "192.0.2.1", name: str = "prometheus") -> int:
        headers = []
        if password is not None:
            headers = [(b"authorization", b"Basic " + base64.b64encode(f"{name}:{password}".encode()))]
        seen: list[Any] = []

        async def send(message: Any) -> None:
            seen.append(message)

        async def receive() -> Any:
            return {"type": "http.request"}

        await self.auth({"type": "http", "headers": headers, "client": (address, 5)}, receive, send)
        return int(seen[0]["status"])


def test_valid_invalid_and_missing_credentials() -> None:
    async def run() -> None:
        scene = Scene()
        assert [await scene.status(one) for one in ("right", "wrong", None, "right")] == [200, 401, 401, 200]
        # No credentials at all are what each browser begins with.
        assert scene.refusals.seen == {Refusal.WRONG_CREDENTIALS: 1}

    asyncio.run(run())


def test_an_address_that_fails_too_often_is_limited_and_others_are_not() -> None:
    async def run() -> None:
        scene = Scene()
        assert await scene.status("right") == 200
        for number in range(FAILURES_PER_ADDRESS):
            assert await scene.status(f"wrong{number}") == 401
        assert await scene.status("wrong") == 429
        # What was right before passes even from there.
        assert await scene.status("right") == 200
        assert await scene.status("wrong", "192.0.2.2") == 401
        scene.clock.advance(1.1)
        assert [await scene.status("wrong"), await scene.status("wrong")] == [401, 429]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_the_addresses_of_one_client_count_together(one: str, other: str, same: bool) -> None:  # noqa: FBT001
    async def run() -> None:
        scene = Scene()
        for number in range(FAILURES_PER_ADDRESS):
            await scene.status(f"wrong{number}", one)
        assert (await scene.status("wrong", other) == 429) is same

    asyncio.run(run())


def test_addresses_remembered_are_bounded() -> None:
    limit = FailureLimit(ManualClock())
    for number in range(10_000):
        limit.failed(str(number))
    assert len(limit._even_at) == 4096


def test_checks_wait_in_a_bounded_queue_that_known_credentials_bypass(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    check = Passwords.check

    def held(passwords: Passwords, encoded: bytes) -> bool:
        right = check(passwords, encoded)
        return right or (go_on.wait(10) and right)

    async def run() -> None:
        scene = Scene()
        assert await scene.status("right") == 200
        monkeypatch.setattr(Passwords, "check", held)
        flood = [
            asyncio.create_task(scene.status("wrong", f"192.0.2.{number % 10}")) for number in range(10 * MAX_WAITING)
        ]
        done, _ = await asyncio.wait(flood, timeout=0.2)
        assert {task.result() for task in done} == {503}
        assert len(flood) - len(done) == MAX_WAITING
        assert await scene.status("right") == 200
        go_on.set()
        assert sorted(await asyncio.gather(*flood)) == [401] * MAX_WAITING + [503] * 9 * MAX_WAITING
        assert scene.refusals.seen[Refusal.PASSWORD_CHECKS_BUSY] == 9 * MAX_WAITING
        # One address alone cannot fill the queue.
        go_on.clear()
        flood = [asyncio.create_task(scene.status("wrong")) for _ in range(20)]
        done, _ = await asyncio.wait(flood, timeout=0.2)
        assert len(flood) - len(done) == MAX_WAITING_PER_ADDRESS
        go_on.set()
        await asyncio.gather(*flood)

    asyncio.run(run())
