from __future__ import annotations

from exporter.app.teardown import Teardown


def test_clean_ups_run_once_and_in_reverse_order() -> None:
    done: list[str] = []
    teardown = Teardown(lambda: done.append("crash"))
    for name in ("web", "storage", "polls"):
        teardown.add(name, lambda name=name: done.append(name))  # type: ignore[misc]
    teardown.run()
    teardown.run()
    assert done == ["polls", "storage", "web"]


def test_a_part_that_cannot_be_stopped_is_counted_and_the_others_are_stopped() -> None:
    done: list[str] = []

    def broken() -> None:
        raise RuntimeError("defect")

    teardown = Teardown(lambda: done.append("crash"))
    teardown.add("web", lambda: done.append("web"))
    teardown.add("polls", broken)
    teardown.run()
    assert done == ["crash", "web"]


def test_a_clean_up_that_is_added_after_the_end_runs_at_once() -> None:
    done: list[str] = []
    teardown = Teardown(lambda: done.append("crash"))
    teardown.run()
    teardown.add("late", lambda: done.append("late"))
    assert done == ["late"]
