"""The recording rules: the latest series without `instance` and `pod`, and each token's thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.alerts.promql import EXPIRY, POLLED, TOKEN, latest, seconds
from exporter.model.labels import KIND
from exporter.model.stages import CRITICAL_SHARE, WARNING_SHARE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exporter.config.alerting import Alerting


def recording_rules(alerting: Alerting, label_names: Sequence[str]) -> Iterator[dict[str, str]]:
    """The rules that the alerts about tokens are based on.

    Args:
        alerting: thresholds.
        label_names: the labels that users' entries carry.
    """
    for what in ("expiry", "created"):
        # Series of SSH keys have the label `kind` beside those of tokens, so they get the same alerts.
        of_tokens = latest(TOKEN, f"yunxiao_token_{what}_timestamp_seconds", present=POLLED)
        of_keys = latest(f"{TOKEN}, {KIND}", f"yunxiao_ssh_key_{what}_timestamp_seconds", present=POLLED)
        yield record(f"yunxiao:token_{what}_timestamp_seconds", f"{of_tokens}\nor\n{of_keys}")
    yield from _threshold("warning", alerting.thresholds.warning, WARNING_SHARE)
    yield from _threshold("critical", alerting.thresholds.critical, CRITICAL_SHARE)
    if label_names:
        yield _user_labels(label_names)


def record(name: str, expression: str) -> dict[str, str]:
    """A recording rule."""
    return {"record": name, "expr": expression}


def _threshold(name: str, general: float, share: int) -> Iterator[dict[str, str]]:
    """A token's threshold: that of its user or the general one, but at most a share of the token's lifetime."""
    selector = f'{{threshold="{name}"}}'
    of_user = latest("organization, user_id", "yunxiao_user_alert_threshold_seconds", selector, POLLED)
    expiring = f"({EXPIRY} < +Inf)"
    configured = f"yunxiao:token_{name}_configured_seconds"
    yield record(
        configured,
        f"0 * {expiring} + on (organization, user_id) group_left ()\n  {of_user}\n"
        f"or\n0 * {expiring} + {seconds(general)}",
    )
    lifetime = f"({expiring} - yunxiao:token_created_timestamp_seconds)"
    # The smaller of two vectors: the first where it is below the second, else the second.
    yield record(
        f"yunxiao:token_{name}_threshold_seconds",
        f"({lifetime} / {share} > 0) < {configured}\nor\n{configured}",
    )


def _user_labels(label_names: Sequence[str]) -> dict[str, str]:
    """One series a user, even while a label changes: topk keeps a join from finding two."""
    labels = f"organization, user_id, {', '.join(label_names)}"
    one_each = "topk by (organization, user_id) (1, {})".format
    return record(
        "yunxiao:user_labels",
        one_each(f"max by ({labels}) (yunxiao_user_labels)")
        + "\nor on (organization, user_id)\n"
        + one_each(latest(labels, "yunxiao_user_labels")),
    )
