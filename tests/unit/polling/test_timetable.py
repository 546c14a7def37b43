from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.polling.timetable import Timetable


def test_a_job_is_due_when_added_and_then_on_its_grid() -> None:
    timetable = Timetable()
    timetable.add("sweep", 60.0, due=1000.0)
    assert timetable.take_due(1000.0) == ["sweep"]
    assert timetable.take_due(1059.9) == []
    # Late by 5 s: the next one is still due at 1120, not at 1125.
    assert timetable.take_due(1065.0) == ["sweep"]
    assert timetable.next_due() == 1120.0


def test_many_missed_runs_count_as_one() -> None:
    timetable = Timetable()
    timetable.add("sweep", 60.0, due=0.0)
    timetable.take_due(0.0)
    # Suspended over the due times 60, 120, ... 600; the next on the grid is 660.
    assert timetable.take_due(605.0) == ["sweep"]
    assert timetable.take_due(605.0) == []
    assert timetable.next_due() == 660.0


def test_a_job_that_is_run_soon_keeps_its_interval_from_then_on() -> None:
    timetable = Timetable()
    timetable.add("sweep", 60.0, due=0.0)
    timetable.take_due(0.0)
    timetable.run_at("sweep", 10.0)
    assert timetable.take_due(10.0) == ["sweep"]
    assert timetable.next_due() == 70.0


def test_jobs_come_soonest_first_and_unknown_ones_are_ignored() -> None:
    timetable = Timetable()
    timetable.add("b", 60.0, due=5.0)
    timetable.add("a", 60.0, due=6.0)
    timetable.remove("c")
    timetable.run_at("c", 0.0)
    assert timetable.take_due(6.0) == ["b", "a"]
    timetable.remove("a")
    timetable.remove("b")
    assert timetable.next_due() is None


@given(
    interval=st.floats(0.1, 1000.0),
    steps=st.lists(st.floats(0.0, 5000.0), max_size=50),
)
def test_a_job_runs_once_an_interval_whenever_the_clock_is_read(interval: float, steps: list[float]) -> None:
    timetable = Timetable()
    timetable.add("sweep", interval, due=0.0)
    now, runs = 0.0, len(timetable.take_due(0.0))
    for step in steps:
        now += step
        taken = timetable.take_due(now)
        assert len(taken) <= 1
        runs += len(taken)
        upcoming = timetable.next_due()
        assert upcoming is not None
        # Never in the past, and never farther away than one interval: no run is lost.
        assert now - 1e-6 <= upcoming <= now + interval + 1e-6
    assert runs <= 1 + now / interval + 1e-6
