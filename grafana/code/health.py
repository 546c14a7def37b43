"""The dashboard *Exporter health*: whether what the other one shows can be believed."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models
from parts import (
    GREEN,
    HEALTH,
    ORANGE,
    OVERVIEW,
    RED,
    YELLOW,
    a_dashboard,
    field,
    heat,
    lines,
    number,
    query,
)

ORGANIZATION = 'organization=~"$organization"'


def rate(family: str, by: str, selector: str = ORGANIZATION) -> str:
    """Events a second over a window that suits the panel, by a label."""
    return f"sum by ({by}) (rate({family}{{{selector}}}[$__rate_interval]))"


def none(label: str) -> str:
    """A line at 0 where there is nothing to show, so that silence does not look like a broken panel."""
    return f'or on () label_replace(vector(0), "{label}", "none", "", "")'


def build() -> dashboard.Dashboard:
    """The dashboard."""
    board = a_dashboard(
        HEALTH,
        "Yunxiao tokens / Exporter health",
        "Sweeps, requests to the platform, age of data, notifications, and the exporter's own process.",
        (OVERVIEW, "Overview"),
    )
    board.with_row(dashboard.Row("At a glance"))
    age = f"time() - max by (organization, shard) (yunxiao_sweep_last_completed_timestamp_seconds{{{ORGANIZATION}}})"
    success = f"max by (organization, user_id) (yunxiao_user_last_success_timestamp_seconds{{{ORGANIZATION}}})"
    numbers = (
        number("Exporters", "Exporters that Prometheus has scraped lately.",
               "count(yunxiao_exporter_build_info) or vector(0)", colors=((None, RED), (1, GREEN))),
        number("Configuration", "1: the configuration file is in force. 0: it was refused and an older one is.",
               "min(yunxiao_exporter_config_last_reload_successful)", colors=((None, RED), (1, GREEN))),
        number("Last sweep", "Time since the last completed sweep, of the organization where it is longest.",
               f"max({age})", unit="s", colors=((None, GREEN), (1800, ORANGE), (3600, RED))),
        number("Oldest data", "Age of the user's data that was read longest ago.",
               f"max(time() - {success})", unit="s", colors=((None, GREEN), (3600, ORANGE), (14_400, RED))),
        number("Not polled yet", "Users that have not been polled since the start.",
               f"sum(max by (organization, shard) (yunxiao_users_pending{{{ORGANIZATION}}})) or vector(0)",
               colors=((None, GREEN), (1, YELLOW))),
        number("Sweeps skipped", "Sweeps left out in the last day because the one before was still going.",
               f"sum(increase(yunxiao_sweeps_skipped_total{{{ORGANIZATION}}}[1d])) or vector(0)",
               colors=((None, GREEN), (1, ORANGE))),
        number("Unreadable fields", "Fields of listed tokens that could not be read in the last day.",
               f"sum(increase(yunxiao_parse_errors_total{{{ORGANIZATION}}}[1d])) or vector(0)",
               colors=((None, GREEN), (1, ORANGE))),
        number("Defects met", "Defects of the exporter that it met and survived in the last day; the log has tracebacks.",
               "sum(increase(yunxiao_exporter_internal_errors_total[1d])) or vector(0)",
               colors=((None, GREEN), (1, RED))),
    )  # fmt: skip
    words = {"0": ("refused", RED), "1": ("in force", GREEN)}
    results = {value: models.ValueMappingResult(text=text, color=color) for value, (text, color) in words.items()}
    numbers[1].mappings([models.ValueMap(options=results)])
    for one in numbers:
        board.with_panel(one.span(3))

    board.with_row(dashboard.Row("Sweeps"))
    sweeps = lines(
        "Sweep time against interval",
        "How long the last sweep took, and the interval that it has to fit into. With poll.spread a sweep takes most of it.",
        query(
            f"max by (organization, shard) (yunxiao_sweep_duration_seconds{{{ORGANIZATION}}})", "{{organization}}", "A"
        ),
        query(
            f"max by (organization) (yunxiao_sweep_interval_seconds{{{ORGANIZATION}}})",
            "{{organization}}: interval",
            "B",
        ),
        unit="s",
    )
    sweeps.override_by_query(
        "B", [field("custom.lineStyle", {"fill": "dash", "dash": [8, 8]}), field("custom.fillOpacity", 0)]
    )
    board.with_panel(sweeps.span(12))
    board.with_panel(
        lines(
            "Age of data",
            "Age of the data of the user that was read longest ago, and of half of the users.",
            query(f"max by (organization) (time() - {success})", "{{organization}}: oldest", "A"),
            query(f"quantile by (organization) (0.5, time() - {success})", "{{organization}}: half", "B"),
            unit="s",
        ).span(12)
    )

    board.with_row(dashboard.Row("Requests to the platform"))
    board.with_panel(
        lines(
            "Requests by code",
            "Requests a second by HTTP status, retries included; error stands for no whole answer.",
            query(rate("yunxiao_api_requests_total", "code"), "{{code}}"),
            unit="reqps",
        ).span(12)
    )
    board.with_panel(
        heat(
            "Latency",
            "How long requests to the platform take, from sending to the last byte.",
            rate("yunxiao_api_request_duration_seconds_bucket", "le"),
            unit="s",
        ).span(12)
    )
    board.with_panel(
        lines(
            "Failed requests by reason",
            "Requests a second that failed. docs/metrics.md says what each reason means.",
            query(f"{rate('yunxiao_api_errors_total', 'reason')} > 0\n{none('reason')}", "{{reason}}"),
            unit="reqps",
        ).span(12)
    )
    board.with_panel(
        lines(
            "Retries",
            "Requests a second that were made again: trouble that does not show in the numbers yet.",
            query(rate("yunxiao_api_retries_total", "organization"), "{{organization}}"),
            unit="reqps",
        ).span(12)
    )

    board.with_row(dashboard.Row("Alerts that the exporter itself sends"))
    board.with_panel(
        lines(
            "Firing alerts",
            "What the exporter holds to be firing. Empty without alerting.alertmanagers: then Prometheus' rules do it.",
            query(f"max by (alertname) (yunxiao_alerts_firing) > 0\n{none('alertname')}", "{{alertname}}"),
        ).span(12)
    )
    board.with_panel(
        lines(
            "Notifications",
            "Alerts a second that each Alertmanager took, that could not be delivered, and that were given up.",
            query(rate("yunxiao_notifications_sent_total", "alertmanager", ""), "{{alertmanager}}: sent", "A"),
            query(rate("yunxiao_notifications_errors_total", "alertmanager", ""), "{{alertmanager}}: failed", "B"),
            query(rate("yunxiao_notifications_dropped_total", "alertmanager", ""), "{{alertmanager}}: dropped", "C"),
            unit="cps",
        ).span(12)
    )

    board.with_row(dashboard.Row("Process"))
    own = "and on (job, instance) yunxiao_exporter_build_info"
    board.with_panel(
        lines(
            "CPU",
            "Cores that the exporter keeps busy.",
            query(f"rate(process_cpu_seconds_total[$__rate_interval]) {own}", "{{instance}}"),
            unit="short",
        ).span(12)
    )
    board.with_panel(
        lines(
            "Memory",
            "Resident memory of the exporter.",
            query(f"process_resident_memory_bytes {own}", "{{instance}}"),
            unit="bytes",
        ).span(12)
    )
    return board
