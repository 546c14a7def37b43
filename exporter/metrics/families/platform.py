"""The families about requests to the platform, sweeps, and what they found."""

from __future__ import annotations

from exporter.metrics.families.base import Kind, OwnFamily
from exporter.model.event import Change
from exporter.model.labels import ORGANIZATION_LABEL_NAMES
from exporter.model.snapshot import SweepResult
from exporter.model.state import Reason
from exporter.platform.base import OPERATIONS, PARSE_FIELDS, TRUNCATED_FIELDS

SWEEPS = OwnFamily(
    "yunxiao_sweeps_total",
    Kind.COUNTER,
    (*ORGANIZATION_LABEL_NAMES, "result"),
    "Sweeps that ended, by result: success (every poll worked), partial (some failed), failed (none worked, or the "
    "exporter's token was rejected), cancelled (by shutdown or reload).",
    "Always.",
    ('increase(yunxiao_sweeps_total{result="failed"}[1h])', "sweeps that updated no user"),
    known=(tuple(SweepResult),),
)
SWEEPS_SKIPPED = OwnFamily(
    "yunxiao_sweeps_skipped_total",
    Kind.COUNTER,
    ORGANIZATION_LABEL_NAMES,
    "Sweeps that were skipped because the previous one was still running.",
    "Always.",
    ("increase(yunxiao_sweeps_skipped_total[1d])", "whether poll.interval is too short for the allowed rate"),
)
SHORTEST_INTERVAL = OwnFamily(
    "yunxiao_sweep_shortest_interval_seconds",
    Kind.GAUGE,
    ORGANIZATION_LABEL_NAMES,
    "Shortest poll.interval, in seconds, in which limits.requests_per_second allows polling every user once.",
    "Always; 0 without a limit.",
    (
        "yunxiao_sweep_shortest_interval_seconds > yunxiao_sweep_interval_seconds",
        "intervals that are too short for the rate limit",
    ),
)
API_REQUESTS = OwnFamily(
    "yunxiao_api_requests_total",
    Kind.COUNTER,
    (*ORGANIZATION_LABEL_NAMES, "operation", "code"),
    'Requests to the platform, including retries, by HTTP status; code "error" if there was no complete response.',
    "Always for code 200; other codes from their first occurrence.",
    ("sum by (organization, code) (rate(yunxiao_api_requests_total[5m]))", "load on the platform, and its responses"),
    known=(OPERATIONS, ("200",)),
)
API_DURATION = OwnFamily(
    "yunxiao_api_request_duration_seconds",
    Kind.HISTOGRAM,
    (*ORGANIZATION_LABEL_NAMES, "operation"),
    "Duration of requests to the platform, in seconds, from sending to the last byte or the failure.",
    "Always.",
    (
        "histogram_quantile(0.95, sum by (organization, le) (rate(yunxiao_api_request_duration_seconds_bucket[5m])))",
        "95th percentile of the platform's response time",
    ),
    known=(OPERATIONS,),
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
API_RETRIES = OwnFamily(
    "yunxiao_api_retries_total",
    Kind.COUNTER,
    ORGANIZATION_LABEL_NAMES,
    "Requests that were retried after a transient failure.",
    "Always.",
    ("rate(yunxiao_api_retries_total[5m])", "failures that retries still hide"),
)
API_ERRORS = OwnFamily(
    "yunxiao_api_errors_total",
    Kind.COUNTER,
    (*ORGANIZATION_LABEL_NAMES, "reason"),
    "Requests to the platform that failed, by reason.",
    "Always; each reason starts at 0.",
    ("increase(yunxiao_api_errors_total[1h]) > 0", "which failures occurred"),
    known=(tuple(reason for reason in Reason if reason is not Reason.INTERNAL),),
)
PARSE_ERRORS = OwnFamily(
    "yunxiao_parse_errors_total",
    Kind.COUNTER,
    (*ORGANIZATION_LABEL_NAMES, "field"),
    "Fields of listed tokens and SSH keys that could not be parsed. token and token_id: the entry was skipped; "
    "user_id: the list was another user's and was refused; user: a listed user, organization or department without an "
    "id was skipped; encoding: a response with bytes that are neither UTF-8 nor GB 18030, which are shown as U+FFFD.",
    "Always; each field starts at 0.",
    ('increase(yunxiao_parse_errors_total{field="expired_at"}[1d]) > 0', "tokens whose expiry is not monitored"),
    known=(PARSE_FIELDS,),
)
TRUNCATED = OwnFamily(
    "yunxiao_truncated_fields_total",
    Kind.COUNTER,
    (*ORGANIZATION_LABEL_NAMES, "field"),
    "Fields of the platform's responses that were too long and were truncated, with a mark at the end: ids of tokens "
    "and permissions at 128 characters, names, descriptions and other texts at 256. Permissions beyond the 256th of a "
    "token or the 1,024th of a user count as well. user: any text about a user or a department. Counted at each poll.",
    "Always; each field starts at 0.",
    ("increase(yunxiao_truncated_fields_total[1h]) > 0", "texts that are shown truncated"),
    known=(TRUNCATED_FIELDS,),
)
TOKEN_EVENTS = OwnFamily(
    "yunxiao_token_events_total",
    Kind.COUNTER,
    (*ORGANIZATION_LABEL_NAMES, "event"),
    "Changes of tokens that polls have found since the start of the exporter; /api/v1/events lists the latest. The "
    "tokens found by a user's first successful poll do not count, nor do changes of SSH keys.",
    "Always; each event starts at 0.",
    (
        'increase(yunxiao_token_events_total{event="permissions_widened"}[1d]) > 0',
        "whether a token gained permissions",
    ),
    known=(tuple(Change),),
)
TOKEN_LAST_EVENT = OwnFamily(
    "yunxiao_token_last_event_timestamp_seconds",
    Kind.GAUGE,
    (*ORGANIZATION_LABEL_NAMES, "event"),
    "When a poll last found such a change, in seconds since the epoch; kept over restarts with storage.path.",
    "From the first such event.",
    (
        'time() - yunxiao_token_last_event_timestamp_seconds{event="permissions_widened"} < 3600',
        "whether a token gained permissions within the last hour",
    ),
)
