from __future__ import annotations

import threading

import pytest

from exporter.common.cancellation import Stop, StoppedError
from exporter.http.large_answers import SMALL, LargeAnswers


def in_thread(work: object) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)  # type: ignore[arg-type]
    thread.start()
    return thread


def test_a_place_is_taken_once_by_an_answer_and_free_after_it() -> None:
    answers = LargeAnswers(places=1)
    for _ in range(3):
        with answers:
            assert answers.take_place(lambda: 1.0)
            assert answers.take_place(lambda: 0.0)

    def fail() -> None:
        with answers:
            answers.take_place(lambda: 1.0)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with answers:
        assert answers.take_place(lambda: 1.0)


def test_without_a_free_place_an_answer_waits_no_longer_than_its_time() -> None:
    answers = LargeAnswers(places=1)
    found: list[bool] = []
    left = iter([0.001, 0.001, 0.0])

    def other() -> None:
        with answers:
            found.append(answers.take_place(lambda: next(left)))

    with answers:
        answers.take_place(lambda: 1.0)
        in_thread(other).join(5)
    assert found == [False]


def test_an_answer_that_waits_gets_the_place_that_becomes_free() -> None:
    answers = LargeAnswers(places=1)
    waiting, found = threading.Event(), []

    def remaining() -> float:
        waiting.set()
        return 5.0

    def other() -> None:
        with answers:
            found.append(answers.take_place(remaining))

    with answers:
        answers.take_place(lambda: 1.0)
        thread = in_thread(other)
        assert waiting.wait(5)
    thread.join(5)
    assert found == [True]


def test_one_large_answer_is_parsed_at_a_time_and_small_ones_do_not_wait() -> None:
    answers, stop = LargeAnswers(), Stop()
    seen: list[str] = []

    def small() -> None:
        with answers.turn(SMALL, stop):
            seen.append("small")

    def large() -> None:
        with pytest.raises(StoppedError), answers.turn(SMALL + 1, stop):
            seen.append("large")

    with answers.turn(SMALL + 1, stop):
        in_thread(small).join(5)
        thread = in_thread(large)
        stop.set()
        thread.join(5)
        assert seen == ["small"]
    with answers.turn(SMALL + 1, Stop()):
        pass
