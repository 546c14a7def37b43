from __future__ import annotations

from prometheus_client import generate_latest
from support.registry import families_in, lines_with

from exporter.metrics.families import OWN_FAMILIES
from exporter.metrics.telemetry import OrganizationTelemetry, Telemetry
from exporter.model.event import Change, Event
from exporter.model.snapshot import SweepResult
from exporter.model.state import Reason


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


def test_late_counts_do_not_bring_a_removed_organization_back() -> None:
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


def test_an_organization_keeps_its_counters_over_a_reload() -> None:
    telemetry = Telemetry()
    first = telemetry.organization("acme")
    first.retry()
    assert telemetry.organization("acme", begin=False) is first


def test_counters_are_not_exposed_before_the_organization_is_in_effect() -> None:
    telemetry = Telemetry()
    prepared = telemetry.organization("acme", begin=False)
    assert lines_with(telemetry.registry, "acme") == []
    prepared.begin()
    assert 'yunxiao_api_retries_total{organization="acme"} 0.0' in lines_with(telemetry.registry, "acme")


def test_only_enabled_families_have_a_left_out_series() -> None:
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


def test_known_series_start_at_zero_and_end_with_their_organization() -> None:
    telemetry = Telemetry()
    mine = telemetry.organization("acme")
    body = generate_latest(telemetry.registry).decode()
    for line in (
        'yunxiao_sweeps_total{organization="acme",result="success"} 0.0',
        'yunxiao_api_errors_total{organization="acme",reason="timeout"} 0.0',
        'yunxiao_api_requests_total{code="200",operation="list_tokens",organization="acme"} 0.0',
        'yunxiao_parse_errors_total{field="expired_at",organization="acme"} 0.0',
        'yunxiao_exporter_internal_errors_total{where="poll"} 0.0',
    ):
        assert line in body
    mine.retire()
    telemetry.forget("acme")
    mine.request("list_tokens", "500", 0.1)
    assert "acme" not in generate_latest(telemetry.registry).decode()


def test_no_created_series() -> None:
    telemetry = Telemetry()
    telemetry.organization("acme")
    assert "_created" not in generate_latest(telemetry.registry).decode()
