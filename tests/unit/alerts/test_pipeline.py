"""When the pipeline notifies receivers and when it is silent. Evaluator, notifier and senders record their calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from exporter.alerts.pipeline import ALERT_NAMES, AlertPipeline

if TYPE_CHECKING:
    from exporter.config.settings import Settings

RESEND = 60.0


class Recorder:
    """Records the names of the methods that are called, with their arguments."""

    def __init__(self, calls: list[tuple[Any, ...]], length: int = 0) -> None:
        self.calls, self.length = calls, length

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Any:
        return iter(["sender"] * self.length)

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **options: Any) -> None:
            plans = tuple("plan" if hasattr(one, "senders") else one for one in args)
            self.calls.append((name, *plans, *options.values()))

        return call


class FakeSettings:
    class config:  # noqa: N801
        class alerting:  # noqa: N801
            resend_interval = RESEND


SETTINGS = cast("Settings", FakeSettings())


def a_pipeline(senders: int = 1) -> tuple[AlertPipeline, list[tuple[Any, ...]]]:
    calls: list[tuple[Any, ...]] = []
    parts: list[Any] = [Recorder(calls), Recorder(calls), Recorder(calls, senders), Recorder(calls)]
    pipeline = AlertPipeline(*parts)
    pipeline.begin()
    return pipeline, calls


def test_nothing_is_evaluated_before_the_start_is_complete() -> None:
    calls: list[tuple[Any, ...]] = []
    pipeline = AlertPipeline(Recorder(calls), Recorder(calls), Recorder(calls, 1), Recorder(calls))  # type: ignore[arg-type]
    pipeline.put_in_force(SETTINGS)
    pipeline.stand_by(standby=False)
    assert calls == [("prepare", SETTINGS), ("apply", None), ("replace", None, False)]
    pipeline.begin()
    assert calls[3:] == [("apply", "plan")]


def test_a_configuration_replaces_the_senders_while_the_notifier_is_paused() -> None:
    pipeline, calls = a_pipeline()
    pipeline.put_in_force(SETTINGS)
    assert calls == [("prepare", SETTINGS), ("apply", None), ("replace", None, False), ("apply", "plan")]


def test_restored_alerts_are_handed_over_once_with_the_first_configuration() -> None:
    pipeline, calls = a_pipeline()
    pipeline.restore(cast("Any", iter(["kept"])))
    pipeline.put_in_force(SETTINGS)
    pipeline.put_in_force(SETTINGS)
    assert [call for call in calls if call[0] == "restore"] == [("restore", ("kept",), RESEND)]


def test_without_receivers_nothing_is_evaluated() -> None:
    pipeline, calls = a_pipeline(senders=0)
    pipeline.put_in_force(SETTINGS)
    assert ("apply", "plan") not in calls
    assert calls[-1] == ("firing", {})


def test_a_standby_starts_its_senders_paused_and_resumes_when_it_polls() -> None:
    pipeline, calls = a_pipeline()
    pipeline.stand_by(standby=True)
    assert calls == []
    pipeline.put_in_force(SETTINGS)
    assert calls[2:] == [("replace", None, True), ("apply", None), ("pause",), ("firing", {})]
    pipeline.stand_by(standby=False)
    assert calls[-1] == ("apply", "plan")


def test_a_stop_ends_evaluations_before_senders() -> None:
    pipeline, calls = a_pipeline()
    pipeline.stop()
    assert [call[0] for call in calls] == ["request_stop", "stop", "stop"]


def test_every_alert_has_a_series() -> None:
    assert len(ALERT_NAMES) == len(set(ALERT_NAMES)) == 19
