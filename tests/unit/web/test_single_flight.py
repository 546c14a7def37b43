from __future__ import annotations

import asyncio
import threading

import pytest

from exporter.web.single_flight import BusyError, SingleFlight


class Work:
    """Counts its runs, each of which waits until the test releases it."""

    def __init__(self) -> None:
        self.runs = 0
        self.state = "old"
        self.began = threading.Event()
        self.may_end = threading.Event()

    def __call__(self) -> str:
        self.runs += 1
        seen = self.state
        self.began.set()
        assert self.may_end.wait(10)
        return seen


async def until_begun(work: Work) -> None:
    assert await asyncio.to_thread(work.began.wait, 10)


def test_concurrent_callers_share_a_run() -> None:
    async def run() -> None:
        work = Work()
        work.may_end.set()
        flight = SingleFlight(work)
        assert await asyncio.gather(*[flight.result() for _ in range(100)]) == ["old"] * 100
        assert work.runs == 1
        await flight.result()
        assert work.runs == 2

    asyncio.run(run())


def test_callers_during_a_run_share_the_next_one() -> None:
    async def run() -> None:
        work = Work()
        flight = SingleFlight(work)
        first = asyncio.create_task(flight.result())
        await until_begun(work)
        work.state = "new"
        later = [asyncio.create_task(flight.result()) for _ in range(100)]
        await asyncio.sleep(0)
        work.may_end.set()
        assert await first == "old"
        assert await asyncio.gather(*later) == ["new"] * 100
        assert work.runs == 2
        assert not flight._tasks

    asyncio.run(run())


def test_a_client_that_disconnects_does_not_affect_others() -> None:
    async def run() -> None:
        work = Work()
        flight = SingleFlight(work)
        gone, stays = (asyncio.create_task(flight.result()) for _ in range(2))
        await until_begun(work)
        gone.cancel()
        await asyncio.sleep(0)
        work.may_end.set()
        assert await stays == "old"

    asyncio.run(run())


def test_an_exception_reaches_all_waiting_callers_and_not_later_ones() -> None:
    async def run() -> None:
        outcomes = [OSError("broken")]

        def work() -> str:
            if outcomes:
                raise outcomes.pop()
            return "fine"

        flight = SingleFlight(work)
        failed = await asyncio.gather(flight.result(), flight.result(), return_exceptions=True)
        assert [str(one) for one in failed] == ["broken", "broken"]
        assert await flight.result() == "fine"

    asyncio.run(run())


def test_the_number_of_waiting_callers_is_bounded() -> None:
    async def run() -> None:
        work = Work()
        flight = SingleFlight(work, max_waiting=3)
        waiting = [asyncio.create_task(flight.result()) for _ in range(3)]
        await until_begun(work)
        with pytest.raises(BusyError):
            await flight.result()
        work.may_end.set()
        await asyncio.gather(*waiting)
        assert await flight.result() == "old"

    asyncio.run(run())
