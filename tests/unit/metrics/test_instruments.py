from __future__ import annotations

import threading

import pytest
from prometheus_client import generate_latest
from support.registry import families_in, lines_with

from exporter.metrics.families import OWN_FAMILIES
from exporter.metrics.families.base import Kind, OwnFamily
from exporter.metrics.instruments import Instruments, LabelledSeries


def count_everything(series: LabelledSeries, label: str) -> None:
    """Change a series of every own family with the label, whatever its kind."""
    for family in OWN_FAMILIES:
        if label in family.labels:
            values = tuple(f"late {name}" for name in family.labels if name != label)
            series.inc(family, *values)
            series.set(family, 1.0, *values)
            series.observe(family, 1.0, *values)


@pytest.mark.parametrize("label", ["organization", "alertmanager"])
def test_late_counts_do_not_bring_series_back_after_the_end(label: str) -> None:
    instruments = Instruments()
    registry = instruments.registry
    series = instruments.labelled(label, "gone")
    series.begin()
    count_everything(series, label)
    shown = families_in(lines_with(registry, "gone"))
    for family in [one for one in OWN_FAMILIES if label in one.labels]:
        assert {family.name, f"{family.name}_count"} & shown, family.name
    series.end()
    assert lines_with(registry, "gone") == []
    count_everything(series, label)
    assert lines_with(registry, "gone") == []


def test_known_series_of_a_label_value_start_at_zero_and_others_with_their_first_value() -> None:
    instruments = Instruments()
    instruments.labelled("organization", "acme").begin()
    shown = lines_with(instruments.registry, "acme")
    assert 'yunxiao_sweeps_total{organization="acme",result="success"} 0.0' in shown
    assert "yunxiao_token_last_event_timestamp_seconds" not in families_in(shown)


def test_a_second_end_does_not_drop_newer_series_with_the_same_value() -> None:
    instruments = Instruments()
    old, new = (instruments.labelled("organization", "acme") for _ in range(2))
    old.begin()
    old.end()
    new.begin()
    old.end()
    assert lines_with(instruments.registry, "acme")


def test_counting_while_the_series_end_brings_none_back() -> None:
    instruments = Instruments()
    registry = instruments.registry
    for number in range(20):
        series = instruments.labelled("organization", f"o{number}")
        series.begin()
        go = threading.Event()

        def count(series: LabelledSeries = series, go: threading.Event = go) -> None:
            go.set()
            for _ in range(20):
                count_everything(series, "organization")

        threads = [threading.Thread(target=count) for _ in range(3)]
        for thread in threads:
            thread.start()
        go.wait(5)
        series.end()
        for thread in threads:
            thread.join()
    assert not [line for line in generate_latest(registry).decode().splitlines() if 'organization="o' in line]


PARTS = OwnFamily("parts_total", Kind.COUNTER, ("part",), "Parts.", "Always.", ("", ""), known=(("a", "b"),))
STATE = OwnFamily("state", Kind.GAUGE, (), "State.", "From the first value.", ("", ""), optional=True)
QUEUES = OwnFamily("queues", Kind.GAUGE, ("queue",), "Queues.", "For each queue.", ("", ""))


def shown(instruments: Instruments, name: str) -> list[str]:
    return [line for line in generate_latest(instruments.registry).decode().splitlines() if line.startswith(name)]


def test_a_family_is_counted_by_its_declaration_and_known_labels_start_at_zero() -> None:
    instruments = Instruments([PARTS])
    instruments.inc(PARTS, "b", amount=2)
    assert shown(instruments, "parts_total") == ['parts_total{part="a"} 0.0', 'parts_total{part="b"} 2.0']


def test_an_optional_family_appears_with_its_first_value() -> None:
    instruments = Instruments([STATE])
    assert shown(instruments, "state") == []
    instruments.set(STATE, 0)
    assert shown(instruments, "state") == ["state 0.0"]


def test_published_series_replace_those_published_before() -> None:
    instruments = Instruments([QUEUES])
    instruments.publish(QUEUES, {("a",): 1, ("b",): 2})
    instruments.publish(QUEUES, {("b",): 3})
    assert shown(instruments, "queues") == ['queues{queue="b"} 3.0']


def test_every_own_family_is_registered() -> None:
    names = {metric.name for metric in Instruments().registry.collect()}
    missing = {family.name for family in OWN_FAMILIES if family.name.removesuffix("_total") not in names}
    assert missing == {family.name for family in OWN_FAMILIES if family.optional}
