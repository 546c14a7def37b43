"""The annotations and labels of rules: Go templates with the same texts that the daemon sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.alerts.definitions import (
    CREDENTIAL_WORDS,
    EXPORTER_TOKEN_EXPIRING,
    TOKEN_EXPIRED,
    TOKEN_EXPIRING_CRITICAL,
    TOKEN_EXPIRING_WARNING,
    TOKEN_NEVER_EXPIRES,
    TOKEN_POLICY_VIOLATION,
    USER_POLICY_VIOLATION,
    Definition,
)
from exporter.alerts.escaping import template_text
from exporter.common.durations import format_duration
from exporter.model.labels import KIND
from exporter.model.token import CredentialKind
from exporter.policies.base import UserPolicy
from exporter.policies.builtin import POLICIES

if TYPE_CHECKING:
    from collections.abc import Collection

    from exporter.config.alerting import Alerting

# Seconds as the daemon writes them: the first unit of Prometheus' own format, without the sign.
_ROUGH = '{{ $value | humanizeDuration | reReplaceAll "^-|[.][0-9]+| .*" "" | reReplaceAll "^[0-9]+[mun]s$" "0s" }}'
_LONGEST_FOR = 100 * 365 * 86400.0
"""Seconds; Prometheus rejects durations of more than 292 years."""


def _policy_details(*, of_user: bool) -> str:
    chosen = (one for one in POLICIES if issubclass(one, UserPolicy) is of_user)
    cases = (f'if eq $labels.policy "{one.name}" }}}}{one.words}{{{{ ' for one in chosen)
    return f"{{{{ {'else '.join(cases)}end }}}}"


_DETAILS = {
    TOKEN_EXPIRED: f"expired {_ROUGH} ago",
    TOKEN_EXPIRING_CRITICAL: f"expires in {_ROUGH}",
    TOKEN_EXPIRING_WARNING: f"expires in {_ROUGH}",
    TOKEN_NEVER_EXPIRES: "never expires",
    EXPORTER_TOKEN_EXPIRING: (
        f"{{{{ if gt $value 0.0 }}}}expires in {_ROUGH}{{{{ else }}}}expired {_ROUGH} ago{{{{ end }}}}"
    ),
    TOKEN_POLICY_VIOLATION: _policy_details(of_user=False),
    USER_POLICY_VIOLATION: _policy_details(of_user=True),
}
"""What a rule puts in place of ``{detail}`` in a description."""


def alerting_rule(
    definition: Definition,
    alerting: Alerting,
    expression: str,
    label_names: Collection[str] = (),
    *,
    lasting: float = 0.0,
) -> dict[str, Any]:
    """An alerting rule.

    Args:
        definition: name, severity and texts.
        alerting: labels and the address of runbooks.
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
    rule["annotations"] = {
        "summary": _summary(definition),
        "description": _description(definition),
        "runbook_url": template_text(definition.runbook(alerting.runbook_base_url)),
    }
    return rule


def _words() -> dict[str, str]:
    """What the texts call the credential: series of tokens have no label `kind`."""
    of_key, of_token = (CREDENTIAL_WORDS[kind] for kind in (CredentialKind.SSH_KEY, CredentialKind.TOKEN))
    condition = f'eq $labels.{KIND} "{CredentialKind.SSH_KEY.value}"'
    return {
        name: f"{{{{ if {condition} }}}}{of_key[name]}{{{{ else }}}}{of_token[name]}{{{{ end }}}}" for name in of_token
    }


def _summary(definition: Definition) -> str:
    return definition.summary.format(**_words())


def _description(definition: Definition) -> str:
    labels = ("organization", "user", "token", "token_id", "policy")
    values = {label: f"{{{{ $labels.{label} }}}}" for label in labels} | {
        "detail": _DETAILS.get(definition, ""),
        "age": _ROUGH,
        "where": "{{ with $labels.organization }} for {{ . }}{{ end }}",
    }
    return definition.description.format(**values, **_words())


def _label(name: str, value: str, label_names: Collection[str]) -> str:
    """A label of every alert. A rule's label would replace the user's label of that name, which takes precedence."""
    escaped = template_text(value)
    if name not in label_names:
        return escaped
    return f"{{{{ if $labels.{name} }}}}{{{{ $labels.{name} }}}}{{{{ else }}}}{escaped}{{{{ end }}}}"
