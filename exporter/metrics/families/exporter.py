"""The families about the exporter's own process: its configuration, files, storage, replicas and defects."""

from __future__ import annotations

from exporter.metrics.families.base import Kind, OwnFamily
from exporter.model.labels import ORGANIZATION_LABEL_NAMES

FILE_ERRORS = OwnFamily(
    "yunxiao_exporter_file_errors_total",
    Kind.COUNTER,
    (*ORGANIZATION_LABEL_NAMES, "kind"),
    "Times that a token file or user file became invalid at run time; its last valid content stays in effect.",
    "Always.",
    ("increase(yunxiao_exporter_file_errors_total[1h]) > 0", "a secret or list that was not replaced correctly"),
    known=(("token_file", "users_file"),),
)
CLIENT_CERTIFICATE_EXPIRY = OwnFamily(
    "yunxiao_exporter_client_certificate_expiry_timestamp_seconds",
    Kind.GAUGE,
    ("cert_file",),
    "When a client certificate for the platform, Alertmanager or Redis expires, in seconds since "
    "the epoch. The one in use counts, also if its file has become invalid.",
    "For each `tls.cert_file`.",
    (
        "yunxiao_exporter_client_certificate_expiry_timestamp_seconds - time() < 14 * 86400",
        "client certificates to renew, including expired ones",
    ),
)
TLS_FILE_ERRORS = OwnFamily(
    "yunxiao_exporter_tls_file_errors_total",
    Kind.COUNTER,
    (),
    "Times that a CA file, a client certificate or its key became invalid at run time; the last "
    "valid ones stay in use.",
    "Always.",
    ("increase(yunxiao_exporter_tls_file_errors_total[1h]) > 0", "a certificate that was not renewed correctly"),
)
INTERNAL_ERRORS = OwnFamily(
    "yunxiao_exporter_internal_errors_total",
    Kind.COUNTER,
    ("where",),
    "Defects of the exporter that were caught, by the part that caught them; the log has the traceback.",
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
STORAGE_ERRORS = OwnFamily(
    "yunxiao_storage_errors_total",
    Kind.COUNTER,
    (),
    "Times that the storage file could not be read or written; changes are kept in memory and retried.",
    "Always.",
    ("increase(yunxiao_storage_errors_total[1h]) > 0", "state that a restart would lose"),
)
STORAGE_EVENTS_DROPPED = OwnFamily(
    "yunxiao_storage_events_dropped_total",
    Kind.COUNTER,
    (),
    "Events missing in the storage file: more than 1,000 were waiting while it could not be written.",
    "Always.",
    ("increase(yunxiao_storage_events_dropped_total[1d]) > 0", "events that a restart would lose"),
)
LEFT_OUT = OwnFamily(
    "yunxiao_exporter_family_left_out",
    Kind.GAUGE,
    ("family",),
    "1 if the family is left out of the scrape because there would be more series than metrics.max_series. Never 1 for "
    "the expiry of tokens: see yunxiao_exporter_users_left_out.",
    "For each enabled family with per-token or per-permission series.",
    ("yunxiao_exporter_family_left_out == 1", "families that are missing because there are too many series"),
)
BUILD_INFO = OwnFamily(
    "yunxiao_exporter_build_info",
    Kind.GAUGE,
    ("version", "python_version"),
    "1, with the versions of the exporter and of Python.",
    "Always.",
    ("count by (version) (yunxiao_exporter_build_info)", "which versions are running"),
)
LEADER = OwnFamily(
    "yunxiao_exporter_leader",
    Kind.GAUGE,
    (),
    "1 while this process polls, 0 while it is on standby for another replica.",
    "Always; 1 without `redis`.",
    ("sum(yunxiao_exporter_leader)", "whether one process polls for each shard"),
)
REDIS_UP = OwnFamily(
    "yunxiao_exporter_redis_up",
    Kind.GAUGE,
    (),
    "1 if Redis gave a valid answer to the last request, 0 if not.",
    "Where `redis` is configured.",
    ("yunxiao_exporter_redis_up == 0", "processes that cannot exchange state"),
    optional=True,
)
EXCHANGE_ERRORS = OwnFamily(
    "yunxiao_exporter_exchange_errors_total",
    Kind.COUNTER,
    (),
    "Failed exchanges of state with other replicas through Redis, including records that could not be read.",
    "Always; 0 without `redis`.",
    ("increase(yunxiao_exporter_exchange_errors_total[10m]) > 0", "replicas that cannot exchange state"),
)
RELOAD_SUCCESSFUL = OwnFamily(
    "yunxiao_exporter_config_last_reload_successful",
    Kind.GAUGE,
    (),
    "1 if the last attempt to load the configuration succeeded, 0 if an older one is still in effect.",
    "Always.",
    ("yunxiao_exporter_config_last_reload_successful == 0", "a configuration file that is not in effect"),
)
RELOAD_TIME = OwnFamily(
    "yunxiao_exporter_config_last_reload_success_timestamp_seconds",
    Kind.GAUGE,
    (),
    "When the configuration in effect was loaded, in seconds since the epoch.",
    "Always.",
    ("time() - yunxiao_exporter_config_last_reload_success_timestamp_seconds", "age of the configuration in effect"),
)
