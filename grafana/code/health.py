"""The dashboard *Exporter health*: whether the data of the other dashboard is complete and current."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models
from parts import (
    GREEN,
    HEALTH,
    ORANGE,
    OVERVIEW,
    RED,
    URGENT,
    YELLOW,
    a_dashboard,
    arranged,
    colored,
    field,
    grid,
    heat,
    lines,
    number,
    query,
    rows,
    worded,
)

NEVER = 10_000_000_000
"""More seconds than any expiry is away."""
ORGANIZATION = 'organization=~"$organization"'


def rate(family: str, by: str, selector: str = ORGANIZATION) -> str:
    """Events per second by a label, over the panel's rate interval."""
    return f"sum by ({by}) (rate({family}{{{selector}}}[$__rate_interval]))"


def none(label: str) -> str:
    """A line at 0 if there is no data, so that an empty panel does not look broken."""
    return f'or on () label_replace(vector(0), "{label}", "none", "", "")'


def _add_discovery(board: dashboard.Dashboard) -> None:
    """Whether the list of users is current, and how long it is."""
    board.with_row(dashboard.Row("Discovery of users"))
    found = f"max by (organization) (yunxiao_discovered_users{{{ORGANIZATION}}})"
    watched = f"sum by (organization) (max by (organization, shard) (yunxiao_users{{{ORGANIZATION}}}))"
    users = lines(
        "Users found and watched",
        "Users that discovery found, and users that are watched. Users of static lists and files are watched too, and "
        "with shards each process watches a part.",
        query(found, "{{organization}}: found", "A"),
        query(watched, "{{organization}}: watched", "B"),
    )
    board.with_panel(users.span(12))
    refreshed = f"max by (organization) (yunxiao_discovery_last_success_timestamp_seconds{{{ORGANIZATION}}})"
    board.with_panel(
        lines(
            "Age of the list of users",
            "Time since the list of users was last fetched. If it cannot be fetched, the previous one stays in effect.",
            query(f"time() - {refreshed}", "{{organization}}"),
            unit="s",
        ).span(8)
    )
    failing = number(
        "Discovery failing",
        "Organizations whose last refresh of the list of users failed.",
        f"count(max by (organization) (yunxiao_discovery_up{{{ORGANIZATION}}}) == 0) or vector(0)",
        colors=((None, GREEN), (1, RED)),
    )
    board.with_panel(failing.span(4).height(8))


def _add_own_token(board: dashboard.Dashboard) -> None:
    """When the exporter's own token expires, and whether the platform still accepts it."""
    board.with_row(dashboard.Row("The exporter's own token"))
    expiry = f"max by (organization) (yunxiao_exporter_token_expiry_timestamp_seconds{{{ORGANIZATION}}})"
    panel = arranged(
        grid(
            "The exporter's tokens",
            "When the token of each organization expires. Without it, nothing is known about the users. Missing if the "
            "platform does not list the token among the tokens of its owner.",
            # Grafana names the columns after the queries only if each query has rows, so +Inf stays, as a large number.
            rows(f"clamp_max({expiry} - time(), {NEVER})", "A"),
            rows(f"clamp_max(1000 * {expiry}, {1000 * NEVER})", "B"),
        ),
        {"organization": "Organization", "Value #A": "Time left", "Value #B": "Expires at"},
        order="Time left",
    )
    never, never_at = (
        field("mappings", [{"type": "range", "options": {"from": least, "to": None, "result": {"text": "never"}}}])
        for least in (NEVER, 1000 * NEVER)
    )
    panel.override_by_name("Time left", [field("unit", "s"), field("decimals", 1), never, *colored(URGENT)])
    panel.override_by_name("Expires at", [field("unit", "dateTimeAsIso"), never_at])
    board.with_panel(panel.span(12).height(7))
    board.with_panel(
        lines(
            "Refused requests",
            "Requests per second that the platform refused to authorize. If all users fail with unauthorized, the "
            "exporter's token is wrong, revoked or expired.",
            query(rate("yunxiao_api_errors_total", "organization, reason", f'{ORGANIZATION}, reason=~"unauthorized|forbidden"'),
                  "{{organization}}: {{reason}}"),
            unit="reqps",
        ).span(12).height(7)
    )  # fmt: skip


def _add_completeness(board: dashboard.Dashboard) -> None:
    """Whether state is written, and which series are missing."""
    board.with_row(dashboard.Row("Storage and left-out series"))
    numbers = (
        number("Storage errors", "Times that the storage file could not be read or written, in the last day. Changes stay in memory and are retried.",
               "sum(increase(yunxiao_storage_errors_total[1d])) or vector(0)", colors=((None, GREEN), (1, RED))),
        number("Events lost", "Events missing in the storage file, in the last day, because too many were waiting.",
               "sum(increase(yunxiao_storage_events_dropped_total[1d])) or vector(0)", colors=((None, GREEN), (1, ORANGE))),
        number("Users left out", "Users whose series about tokens and permissions are left out, because there would be more series than metrics.max_series.",
               f"sum(max by (organization, shard) (yunxiao_exporter_users_left_out{{{ORGANIZATION}}})) or vector(0)",
               colors=((None, GREEN), (1, RED))),
        number("Tokens left out", "Tokens beyond metrics.max_tokens_per_user, which are counted but have no series of their own.",
               f"sum(max by (organization, user_id) (yunxiao_user_tokens_left_out{{{ORGANIZATION}}})) or vector(0)",
               colors=((None, GREEN), (1, ORANGE))),
    )  # fmt: skip
    for one in numbers:
        board.with_panel(one.span(4).height(7))
    panel = arranged(
        grid(
            "Left-out families",
            "Families that are left out of the scrape because there would be more series than metrics.max_series.",
            rows("max by (family) (yunxiao_exporter_family_left_out)"),
        ),
        {"family": "Family", "Value": "State"},
        order="State",
        descending=True,
    )
    panel.override_by_name(
        "State", [*worded({"0": ("exposed", GREEN), "1": ("left out", RED)}), field("custom.width", 110)]
    )
    board.with_panel(panel.span(8).height(7))


def build() -> dashboard.Dashboard:
    """The dashboard."""
    board = a_dashboard(
        HEALTH,
        "Yunxiao tokens / Exporter health",
        "Sweeps, requests to the platform, age of data, discovery, the exporter's own token, notifications, and its process.",
        (OVERVIEW, "Overview"),
    )
    board.with_row(dashboard.Row("At a glance"))
    age = f"time() - max by (organization, shard) (yunxiao_sweep_last_completed_timestamp_seconds{{{ORGANIZATION}}})"
    success = f"max by (organization, user_id) (yunxiao_user_last_success_timestamp_seconds{{{ORGANIZATION}}})"
    numbers = (
        number("Exporters", "Exporters that Prometheus scrapes.",
               "count(yunxiao_exporter_build_info) or vector(0)", colors=((None, RED), (1, GREEN))),
        number("Configuration", "1: the configuration file is in effect. 0: its reload was refused, and the previous configuration is in effect.",
               "min(yunxiao_exporter_config_last_reload_successful)", colors=((None, RED), (1, GREEN))),
        number("Last sweep", "Time since the last completed sweep, maximum over organizations.",
               f"max({age})", unit="s", colors=((None, GREEN), (1800, ORANGE), (3600, RED))),
        number("Oldest data", "Time since the last successful poll of the least recently polled user.",
               f"max(time() - {success})", unit="s", colors=((None, GREEN), (3600, ORANGE), (14_400, RED))),
        number("Not polled yet", "Users that have not been polled since the start.",
               f"sum(max by (organization, shard) (yunxiao_users_pending{{{ORGANIZATION}}})) or vector(0)",
               colors=((None, GREEN), (1, YELLOW))),
        number("Sweeps skipped", "Sweeps skipped in the last day because the previous one was still running.",
               f"sum(increase(yunxiao_sweeps_skipped_total{{{ORGANIZATION}}}[1d])) or vector(0)",
               colors=((None, GREEN), (1, ORANGE))),
        number("Unreadable fields", "Fields in answers of the platform that could not be read, in the last day.",
               f"sum(increase(yunxiao_parse_errors_total{{{ORGANIZATION}}}[1d])) or vector(0)",
               colors=((None, GREEN), (1, ORANGE))),
        number("Internal errors", "Defects of the exporter that were caught in the last day. The log has the tracebacks.",
               "sum(increase(yunxiao_exporter_internal_errors_total[1d])) or vector(0)",
               colors=((None, GREEN), (1, RED))),
    )  # fmt: skip
    words = {"0": ("refused", RED), "1": ("in effect", GREEN)}
    results = {value: models.ValueMappingResult(text=text, color=color) for value, (text, color) in words.items()}
    numbers[1].mappings([models.ValueMap(options=results)])
    for one in numbers:
        board.with_panel(one.span(3))

    board.with_row(dashboard.Row("Sweeps"))
    sweeps = lines(
        "Sweep duration and interval",
        "Duration of the last sweep, and the interval that it must fit into. With poll.spread, a sweep takes most of the interval.",
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
            "Age of the oldest data of any user, and the median over all users.",
            query(f"max by (organization) (time() - {success})", "{{organization}}: oldest", "A"),
            query(f"quantile by (organization) (0.5, time() - {success})", "{{organization}}: median", "B"),
            unit="s",
        ).span(12)
    )

    board.with_row(dashboard.Row("Requests to the platform"))
    board.with_panel(
        lines(
            "Requests by code",
            'Requests per second by HTTP status, including retries. "error" means that there was no complete answer.',
            query(rate("yunxiao_api_requests_total", "code"), "{{code}}"),
            unit="reqps",
        ).span(12)
    )
    board.with_panel(
        heat(
            "Latency",
            "Duration of requests to the platform, from sending to the last byte.",
            rate("yunxiao_api_request_duration_seconds_bucket", "le"),
            unit="s",
        ).span(12)
    )
    board.with_panel(
        lines(
            "Failed requests by reason",
            "Failed requests per second. docs/metrics.md explains the reasons.",
            query(f"{rate('yunxiao_api_errors_total', 'reason')} > 0\n{none('reason')}", "{{reason}}"),
            unit="reqps",
        ).span(12)
    )
    board.with_panel(
        lines(
            "Retries",
            "Repeated requests per second: problems that are not visible in other metrics yet.",
            query(rate("yunxiao_api_retries_total", "organization"), "{{organization}}"),
            unit="reqps",
        ).span(12)
    )

    _add_discovery(board)
    _add_own_token(board)
    _add_completeness(board)
    board.with_row(dashboard.Row("Alerts sent by the exporter"))
    board.with_panel(
        lines(
            "Firing alerts",
            "Alerts that fire according to the exporter. Empty without alerting.alertmanagers, when Prometheus' rules are used.",
            query(f"max by (alertname) (yunxiao_alerts_firing) > 0\n{none('alertname')}", "{{alertname}}"),
        ).span(12)
    )
    board.with_panel(
        lines(
            "Notifications",
            "Notifications per second for each Alertmanager: delivered, failed and to be retried, and dropped.",
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
            "CPU cores used by the exporter.",
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
