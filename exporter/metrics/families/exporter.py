"""The families that the exporter fills about itself."""

from __future__ import annotations

from exporter.metrics.families.base import Kind, OwnFamily
from exporter.metrics.families.http import HTTP_FAMILIES
from exporter.model.event import Change
from exporter.model.snapshot import SweepResult
from exporter.model.state import Reason
from exporter.platform.base import OPERATIONS, PARSE_FIELDS, TRUNCATED_FIELDS

SWEEPS = OwnFamily(
    "yunxiao_sweeps_total",
    Kind.COUNTER,
    ("organization", "result"),
    "Sweeps ended, by result: success, every user worked; partial, some failed; failed, none worked or the token was "
    "refused; cancelled, by shutdown or reload.",
    "Always.",
    ('increase(yunxiao_sweeps_total{result="failed"}[1h])', "sweeps that brought nothing"),
    known=(tuple(SweepResult),),
)
SWEEPS_SKIPPED = OwnFamily(
    "yunxiao_sweeps_skipped_total",
    Kind.COUNTER,
    ("organization",),
    "Sweeps that were due while the one before was still going, and were left out.",
    "Always.",
    ("increase(yunxiao_sweeps_skipped_total[1d])", "whether poll.interval is too short for the allowed rate"),
)
SHORTEST_INTERVAL = OwnFamily(
    "yunxiao_sweep_shortest_interval_seconds",
    Kind.GAUGE,
    ("organization",),
    "Shortest poll.interval in seconds in which limits.requests_per_second allows every user to be asked once.",
    "Always; 0 without a limit.",
    ("yunxiao_sweep_shortest_interval_seconds > yunxiao_sweep_interval_seconds", "intervals that cannot be kept"),
)
API_REQUESTS = OwnFamily(
    "yunxiao_api_requests_total",
    Kind.COUNTER,
    ("organization", "operation", "code"),
    'Requests to the platform, retries included, by HTTP status; code "error" where no whole answer came.',
    "Always for code 200; others from their first time.",
    ("sum by (organization, code) (rate(yunxiao_api_requests_total[5m]))", "load on the platform and how it answers"),
    known=(OPERATIONS, ("200",)),
)
API_DURATION = OwnFamily(
    "yunxiao_api_request_duration_seconds",
    Kind.HISTOGRAM,
    ("organization", "operation"),
    "How long requests to the platform took, in seconds, from sending to the last byte or the failure.",
    "Always.",
    (
        "histogram_quantile(0.95, sum by (organization, le) (rate(yunxiao_api_request_duration_seconds_bucket[5m])))",
        "how slow the platform is for one in twenty requests",
    ),
    known=(OPERATIONS,),
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
API_RETRIES = OwnFamily(
    "yunxiao_api_retries_total",
    Kind.COUNTER,
    ("organization",),
    "Requests made again after a failure that may pass.",
    "Always.",
    ("rate(yunxiao_api_retries_total[5m])", "trouble that retries still hide"),
)
API_ERRORS = OwnFamily(
    "yunxiao_api_errors_total",
    Kind.COUNTER,
    ("organization", "reason"),
    "Requests to the platform that failed, by reason.",
    "Always; each reason starts at 0.",
    ("increase(yunxiao_api_errors_total[1h]) > 0", "what has been going wrong"),
    known=(tuple(reason for reason in Reason if reason is not Reason.INTERNAL),),
)
PARSE_ERRORS = OwnFamily(
    "yunxiao_parse_errors_total",
    Kind.COUNTER,
    ("organization", "field"),
    "Fields of listed tokens that could not be read; token and token_id mean that the whole entry was left out, user "
    "that a listed user, organization or department without an id was.",
    "Always; each field starts at 0.",
    ('increase(yunxiao_parse_errors_total{field="expired_at"}[1d]) > 0', "tokens whose expiry nobody watches"),
    known=(PARSE_FIELDS,),
)
TRUNCATED = OwnFamily(
    "yunxiao_truncated_fields_total",
    Kind.COUNTER,
    ("organization", "field"),
    "Fields of the platform's answers that were longer than is accepted and were cut, with a mark at the end: ids of "
    "tokens and permissions at 128 characters, names and other texts at 256; a permission beyond the 256th of a token "
    "or the 1,024th of a user counts as well. user means any text about a user or a department. Each poll counts.",
    "Always; each field starts at 0.",
    ("increase(yunxiao_truncated_fields_total[1h]) > 0", "texts that are not shown as they are"),
    known=(TRUNCATED_FIELDS,),
)
TOKEN_EVENTS = OwnFamily(
    "yunxiao_token_events_total",
    Kind.COUNTER,
    ("organization", "event"),
    "Changes of tokens that polls have found since the start of the exporter; /api/v1/events has the last ones. What a "
    "user has at their first successful poll is no event.",
    "Always; each event starts at 0.",
    (
        'increase(yunxiao_token_events_total{event="permissions_widened"}[1d]) > 0',
        "whether a token was granted more",
    ),
    known=(tuple(Change),),
)
TOKEN_LAST_EVENT = OwnFamily(
    "yunxiao_token_last_event_timestamp_seconds",
    Kind.GAUGE,
    ("organization", "event"),
    "When a poll last found such a change of a token, in seconds since the epoch; with storage.path over restarts.",
    "From the first such event.",
    (
        'time() - yunxiao_token_last_event_timestamp_seconds{event="permissions_widened"} < 3600',
        "whether a token was granted more within the last hour",
    ),
)
FILE_ERRORS = OwnFamily(
    "yunxiao_exporter_file_errors_total",
    Kind.COUNTER,
    ("organization", "kind"),
    "Times that a token file or user file went bad while running; what it last said stays in force.",
    "Always.",
    ("increase(yunxiao_exporter_file_errors_total[1h]) > 0", "a secret or list that was not replaced as it should"),
    known=(("token_file", "users_file"),),
)
INTERNAL_ERRORS = OwnFamily(
    "yunxiao_exporter_internal_errors_total",
    Kind.COUNTER,
    ("where",),
    "Defects of the exporter that it met and survived, by the part that caught them; the log has the traceback.",
    "Always.",
    ("increase(yunxiao_exporter_internal_errors_total[1d]) > 0", "defects to report"),
    known=(
        (
            "poll",
            "sweep",
            "watch",
            "reload",
            "alerts",
            "notify",
            "discovery",
            "changes",
            "stop",
            "render",
            "web",
            "lease",
            "exchange",
            "scheduler",
            "storage",
            "watchdog",
        ),
    ),
)
BUILD_INFO = OwnFamily(
    "yunxiao_exporter_build_info",
    Kind.GAUGE,
    ("version", "python_version"),
    "1, with the versions of the exporter and of Python.",
    "Always.",
    ("count by (version) (yunxiao_exporter_build_info)", "which versions run"),
)
LEADER = OwnFamily(
    "yunxiao_exporter_leader",
    Kind.GAUGE,
    (),
    "1 while this process polls, 0 while it stands by for another replica.",
    "Always; 1 without `redis`.",
    ("sum(yunxiao_exporter_leader)", "whether as many poll as there are shards"),
)
REDIS_UP = OwnFamily(
    "yunxiao_exporter_redis_up",
    Kind.GAUGE,
    (),
    "1 if Redis gave a usable answer when it was last asked, 0 if not.",
    "Where `redis` is configured.",
    ("yunxiao_exporter_redis_up == 0", "processes that do not hear of each other"),
)
EXCHANGE_ERRORS = OwnFamily(
    "yunxiao_exporter_exchange_errors_total",
    Kind.COUNTER,
    (),
    "Times that state could not be exchanged with other replicas through Redis, or what one wrote could not be read.",
    "Always; 0 without `redis`.",
    ("increase(yunxiao_exporter_exchange_errors_total[10m]) > 0", "replicas that do not hear of each other"),
)
RELOAD_SUCCESSFUL = OwnFamily(
    "yunxiao_exporter_config_last_reload_successful",
    Kind.GAUGE,
    (),
    "1 if the last attempt to load the configuration worked, 0 if an older one is still in force.",
    "Always.",
    ("yunxiao_exporter_config_last_reload_successful == 0", "a configuration file that is not in force"),
)
RELOAD_TIME = OwnFamily(
    "yunxiao_exporter_config_last_reload_success_timestamp_seconds",
    Kind.GAUGE,
    (),
    "When the configuration in force was loaded, in seconds since the epoch.",
    "Always.",
    ("time() - yunxiao_exporter_config_last_reload_success_timestamp_seconds", "age of the configuration in force"),
)

STORAGE_ERRORS = OwnFamily(
    "yunxiao_storage_errors_total",
    Kind.COUNTER,
    (),
    "Times that the storage file could not be read or written; what could not be written is kept and tried again.",
    "Always.",
    ("increase(yunxiao_storage_errors_total[1h]) > 0", "state that a restart would lose"),
)
STORAGE_EVENTS_DROPPED = OwnFamily(
    "yunxiao_storage_events_dropped_total",
    Kind.COUNTER,
    (),
    "Events that the storage file lacks: while it could not be written, more than the last 1,000 were waiting.",
    "Always.",
    ("increase(yunxiao_storage_events_dropped_total[1d]) > 0", "events that a restart would lose"),
)
LEFT_OUT = OwnFamily(
    "yunxiao_exporter_family_left_out",
    Kind.GAUGE,
    ("family",),
    "1 if the family is left out of the scrape for every user because all series together would be more than "
    "metrics.max_series. That of the expiry of tokens never is: see yunxiao_exporter_users_left_out.",
    "For each family with a series a token or permission that is enabled.",
    ("yunxiao_exporter_family_left_out == 1", "numbers that are missing because there are too many"),
)
_ALERTMANAGER = "Only with `alerting.alertmanagers`."
NOTIFICATIONS_SENT = OwnFamily(
    "yunxiao_notifications_sent_total",
    Kind.COUNTER,
    ("alertmanager",),
    "Alerts that Alertmanager took, re-sent and resolved ones included.",
    _ALERTMANAGER,
    ("rate(yunxiao_notifications_sent_total[5m])", "whether Alertmanager is being told"),
)
NOTIFICATIONS_ERRORS = OwnFamily(
    "yunxiao_notifications_errors_total",
    Kind.COUNTER,
    ("alertmanager",),
    "Alerts that could not be delivered, counted at each try; they wait and are tried again.",
    _ALERTMANAGER,
    ("increase(yunxiao_notifications_errors_total[15m]) > 0", "an Alertmanager that cannot be reached"),
)
NOTIFICATIONS_DROPPED = OwnFamily(
    "yunxiao_notifications_dropped_total",
    Kind.COUNTER,
    ("alertmanager",),
    "Alerts given up: the queue was full (then those go that Alertmanager took most recently), they waited for longer "
    "than their lease, or Alertmanager refused them.",
    _ALERTMANAGER,
    ("increase(yunxiao_notifications_dropped_total[1h]) > 0", "alerts that nobody heard of"),
)
NOTIFICATIONS_QUEUE = OwnFamily(
    "yunxiao_notifications_queue_length",
    Kind.GAUGE,
    ("alertmanager",),
    "Alerts that wait for delivery; a newer notification of an alert replaces the one that waits.",
    _ALERTMANAGER,
    ("yunxiao_notifications_queue_length / yunxiao_notifications_queue_capacity", "how full the queue is"),
)
NOTIFICATIONS_CAPACITY = OwnFamily(
    "yunxiao_notifications_queue_capacity",
    Kind.GAUGE,
    (),
    "Alerts that can wait for one Alertmanager.",
    _ALERTMANAGER,
    ("yunxiao_notifications_queue_capacity", "the size of the queue"),
)
NOTIFICATIONS_LATENCY = OwnFamily(
    "yunxiao_notifications_latency_seconds",
    Kind.HISTOGRAM,
    ("alertmanager",),
    "How long the delivery of a batch took, in seconds.",
    _ALERTMANAGER,
    (
        "histogram_quantile(0.95, sum by (alertmanager, le) (rate(yunxiao_notifications_latency_seconds_bucket[5m])))",
        "how slow an Alertmanager is",
    ),
    buckets=(0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0),
)
ALERTS_FIRING = OwnFamily(
    "yunxiao_alerts_firing",
    Kind.GAUGE,
    ("alertname",),
    "Alerts that the exporter itself holds to be firing, by name.",
    _ALERTMANAGER,
    ("sum by (alertname) (yunxiao_alerts_firing)", "what Alertmanager should know of"),
)

OWN_FAMILIES: tuple[OwnFamily, ...] = (
    NOTIFICATIONS_SENT,
    NOTIFICATIONS_ERRORS,
    NOTIFICATIONS_DROPPED,
    NOTIFICATIONS_QUEUE,
    NOTIFICATIONS_CAPACITY,
    NOTIFICATIONS_LATENCY,
    ALERTS_FIRING,
    SWEEPS,
    SWEEPS_SKIPPED,
    SHORTEST_INTERVAL,
    API_REQUESTS,
    API_DURATION,
    API_RETRIES,
    API_ERRORS,
    PARSE_ERRORS,
    TRUNCATED,
    TOKEN_EVENTS,
    TOKEN_LAST_EVENT,
    FILE_ERRORS,
    INTERNAL_ERRORS,
    STORAGE_ERRORS,
    STORAGE_EVENTS_DROPPED,
    LEFT_OUT,
    BUILD_INFO,
    LEADER,
    REDIS_UP,
    EXCHANGE_ERRORS,
    RELOAD_SUCCESSFUL,
    RELOAD_TIME,
    *HTTP_FAMILIES,
)
