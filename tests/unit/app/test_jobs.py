from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from support.builders import Counts

from exporter.app.jobs import Jobs

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeScheduler:
    """Records what is scheduled."""

    def __init__(self) -> None:
        self.jobs: dict[str, tuple[float, Callable[[], None]]] = {}
        self.soon: list[tuple[str, float]] = []

    def add(self, name: str, _job: object, interval: float, *, skipped: object, crashed: Callable[[], None]) -> None:
        assert callable(skipped)
        self.jobs[name] = (interval, crashed)

    def run_soon(self, name: str, after: float) -> None:
        self.soon.append((name, after))

    def remove(self, name: str) -> None:
        del self.jobs[name]


def made(counts: Counts | None = None) -> Jobs:
    return Jobs("acme", cast("Any", counts or Counts()))


def test_nothing_is_scheduled_before_the_start() -> None:
    jobs = made()
    jobs.add("sweep", lambda: None, 60.0, counted_as="sweep")
    jobs.run_soon("sweep")
    jobs.remove()


def test_jobs_are_added_run_early_and_removed_under_names_of_their_own() -> None:
    scheduler, other = FakeScheduler(), FakeScheduler()
    first, second = made(), made()
    for jobs, on in ((first, scheduler), (second, other)):
        jobs.start(cast("Any", on))
        jobs.add("sweep", lambda: None, 60.0, counted_as="sweep")
    (name,) = scheduler.jobs
    assert name.startswith("sweep acme #")
    assert set(other.jobs) != {name}
    first.run_soon("sweep", 5.0)
    first.run_soon("discover")
    assert scheduler.soon == [(name, 5.0)]
    first.remove()
    assert (scheduler.jobs, len(other.jobs)) == ({}, 1)


def test_defects_are_counted_where_the_job_belongs() -> None:
    counts, scheduler = Counts(), FakeScheduler()
    jobs = made(counts)
    jobs.start(cast("Any", scheduler))
    for kind, counted_as in (("sweep", "sweep"), ("discover", "discovery")):
        jobs.add(kind, lambda: None, 60.0, counted_as=counted_as)
    for _, crashed in scheduler.jobs.values():
        crashed()
    assert counts.of("internal_error") == [("internal_error", "sweep"), ("internal_error", "discovery")]
