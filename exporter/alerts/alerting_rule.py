"""An alerting rule: its name, expression, duration and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.alerts.escaping import template_text
from exporter.common.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Collection

    from exporter.alerts.definitions import Definition
    from exporter.config.alerting import Alerting

_LONGEST_FOR = 100 * 365 * 86400.0
"""Seconds; Prometheus rejects durations of more than 292 years."""


def alerting_rule(
    definition: Definition,
    alerting: Alerting,
    expression: str,
    label_names: Collection[str] = (),
    *,
    lasting: float = 0.0,
) -> dict[str, Any]:
    """An alerting rule, without its annotations: see `RuleTexts`.

    Args:
        definition: name and severity.
        alerting: the configured labels.
        expression: the condition in PromQL.
        label_names: the labels of users' entries that the expression brings along.
        lasting: seconds for which the condition must hold.
    """
    rule: dict[str, Any] = {"alert": definition.name, "expr": expression}
    if lasting:
        rule["for"] = format_duration(min(lasting, _LONGEST_FOR))
    configured = {name: _label(name, value, label_names) for name, value in sorted(alerting.labels.items()) if value}
    severity = {} if definition.severity is None else {"severity": definition.severity.value}
    if labels := severity | configured:
        rule["labels"] = labels
    return rule


def _label(name: str, value: str, label_names: Collection[str]) -> str:
    """A label of every alert. A rule's label would replace the user's label of that name, which takes precedence."""
    escaped = template_text(value)
    if name not in label_names:
        return escaped
    return f"{{{{ if $labels.{name} }}}}{{{{ $labels.{name} }}}}{{{{ else }}}}{escaped}{{{{ end }}}}"
