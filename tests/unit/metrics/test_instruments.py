from __future__ import annotations

import itertools
import threading

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from exporter.metrics.families import OWN_FAMILIES
from exporter.metrics.instruments import LabelledSeries, instruments
from exporter.metrics.notifications import NotificationTelemetry
from exporter.metrics.telemetry import OrganizationTelemetry, Telemetry
from exporter.model.event import Change, Event
from exporter.model.snapshot import SweepResult
from exporter.model.state import Reason


def lines_with(registry: CollectorRegistry, value: str) -> list[str]:
    return [line for line in generate_latest(registry).decode().splitlines() if f'"{value}"' in line]


def families_in(lines: list[str]) -> set[str]:
    return {line.partition("{")[0] for line in lines}


def count_everything(series: LabelledSeries, label: str) -> None:
    """Change a series of every own family with the label, whatever its kind."""
    for family in OWN_FAMILIES:
        if label in family.labels:
            values = tuple(f"late {name}" for name in family.labels if name != label)
            series.inc(family, *values)
            series.set(family, 1.0, *values)
            series.observe(family, 1.0, *values)


@pytest.mark.parametrize("label", ["organization", "alertmanager"])
def test_every_own_family_ends_with_its_label_value_and_does_not_come_back(label: str) -> None:
    registry = CollectorRegistry()
    families = instruments(OWN_FAMILIES, label, registry)
    assert {family.name for family in families} == {one.name for one in OWN_FAMILIES if label in one.labels}
    series = LabelledSeries(label, "gone", families)
    series.begin()
    count_everything(series, label)
    shown = families_in(lines_with(registry, "gone"))
    for family in families:
        assert {family.name, f"{family.name}_count"} & shown, family.name
    series.end()
    assert lines_with(registry, "gone") == []
    count_everything(series, label)
    assert lines_with(registry, "gone") == []


def test_known_series_begin_at_zero_and_the_others_with_their_first_value() -> None:
    registry = CollectorRegistry()
    families = instruments(OWN_FAMILIES, "organization", registry)
    LabelledSeries("organization", "acme", families).begin()
    shown = lines_with(registry, "acme")
    assert 'yunxiao_sweeps_total{organization="acme",result="success"} 0.0' in shown
    assert "yunxiao_token_last_event_timestamp_seconds" not in families_in(shown)


def test_a_late_end_of_the_old_series_leaves_those_of_a_namesake_alone() -> None:
    registry = CollectorRegistry()
    families = instruments(OWN_FAMILIES, "organization", registry)
    old, new = (LabelledSeries("organization", "acme", families) for _ in range(2))
    old.begin()
    old.end()
    new.begin()
    old.end()
    assert lines_with(registry, "acme")


def test_threads_that_count_while_the_series_end_bring_none_back() -> None:
    registry = CollectorRegistry()
    families = instruments(OWN_FAMILIES, "organization", registry)
    for number in range(20):
        series = LabelledSeries("organization", f"o{number}", families)
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


def use(organization: OrganizationTelemetry) -> None:
    """Call every method that counts for an organization."""
    organization.request("list_tokens", "418", 0.1)
    organization.retry()
    organization.error(Reason.TIMEOUT)
    organization.parse_errors("expired_at", 3)
    organization.swept(SweepResult.CANCELLED)
    organization.skipped()
    organization.shortest_interval(7.0)
    organization.file_error("token_file")
    organization.token_event(Change.CREATED, 5.0)
    organization.last_event(Change.DELETED, 5.0)


def test_no_method_brings_a_removed_organization_back() -> None:
    telemetry = Telemetry()
    organization = telemetry.organization("gone")
    use(organization)
    families = {one.name for one in OWN_FAMILIES if "organization" in one.labels}
    shown = families_in(lines_with(telemetry.registry, "gone"))
    assert {name for name in families if not {name, f"{name}_count"} & shown} == set()
    telemetry.forget("gone")
    use(organization)
    event = Event(5.0, "gone", "u", "u", Change.CREATED, "pt-1", "t")
    telemetry.token_event(event)
    telemetry.last_event("gone", Change.CREATED, 5.0)
    assert lines_with(telemetry.registry, "gone") == []
    telemetry.organization("gone").retry()
    assert 'yunxiao_api_retries_total{organization="gone"} 1.0' in lines_with(telemetry.registry, "gone")


def test_watchers_of_one_organization_share_its_counters() -> None:
    telemetry = Telemetry()
    first = telemetry.organization("acme")
    first.retry()
    assert telemetry.organization("acme", begin=False) is first


def test_counters_of_an_organization_that_is_not_in_force_yet_are_not_shown() -> None:
    telemetry = Telemetry()
    prepared = telemetry.organization("acme", begin=False)
    assert lines_with(telemetry.registry, "acme") == []
    prepared.begin()
    assert 'yunxiao_api_retries_total{organization="acme"} 0.0' in lines_with(telemetry.registry, "acme")


def test_families_that_cannot_be_left_out_any_more_have_no_series() -> None:
    telemetry = Telemetry()

    def shown() -> list[str]:
        name = "yunxiao_exporter_family_left_out{"
        body = generate_latest(telemetry.registry).decode()
        return [line.removeprefix(name) for line in body.splitlines() if line.startswith(name)]

    telemetry.families_left_out({"a": True, "b": False})
    assert shown() == ['family="a"} 1.0', 'family="b"} 0.0']
    telemetry.families_left_out({"b": True})
    assert shown() == ['family="b"} 1.0']
    telemetry.families_left_out({})
    assert shown() == []


def test_alertmanagers_that_are_gone_stay_gone_whoever_still_sends_to_them() -> None:
    registry = CollectorRegistry()
    telemetry = NotificationTelemetry(registry, lambda _: None, 10)
    telemetry.watch(["http://a", "http://b"], ["AlertOne"])
    telemetry.sent("http://a", 3, 0.1)
    telemetry.watch(["http://b"], ["AlertOne"])
    for url, method in itertools.product(["http://a"], (telemetry.failed, telemetry.dropped, telemetry.queued)):
        method(url, 1)
    telemetry.sent("http://a", 3, 0.1)
    assert lines_with(registry, "http://a") == []
    assert 'yunxiao_notifications_sent_total{alertmanager="http://b"} 0.0' in lines_with(registry, "http://b")
    assert lines_with(registry, "AlertOne") == ['yunxiao_alerts_firing{alertname="AlertOne"} 0.0']
    telemetry.watch([], ["AlertOne"])
    telemetry.firing(())
    assert lines_with(registry, "AlertOne") == []
