"""The same alerts as Prometheus rules, from the same thresholds and words.

The token rules stand on recorded series without `instance` and `pod`, so that two replicas give one alert and a
restart gives no new one, and look a few minutes back, so that a missed scrape resolves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from exporter.alerts.definitions import (
    CONFIG_RELOAD_FAILED,
    DISCOVERY_FAILING,
    EXPORTER_DOWN,
    EXPORTER_TOKEN_EXPIRING,
    SWEEP_STALLED,
    TOKEN_EXPIRED,
    TOKEN_EXPIRING_CRITICAL,
    TOKEN_EXPIRING_WARNING,
    TOKEN_NEVER_EXPIRES,
    TOKEN_PERMISSIONS_WIDENED,
    TOKEN_POLICY_VIOLATION,
    USER_DATA_STALE,
    USER_POLICY_VIOLATION,
    USER_POLL_FAILING,
    Definition,
)
from exporter.alerts.escaping import promql_regex, promql_string, template_text
from exporter.alerts.thresholds import (
    CRITICAL_SHARE,
    GAP,
    WARNING_SHARE,
    WIDENED_FOR,
    failing_after,
    stale_after,
    stalled_after,
    undiscovered_after,
)
from exporter.common.durations import format_duration
from exporter.model.event import GRANTS_MORE
from exporter.model.labels import ORGANIZATION, SHARD, TOKEN_LABEL_NAMES, USER_LABEL_NAMES
from exporter.policies.definitions import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.config.alerting import Alerting, Ignore
    from exporter.config.schema import Poll
    from exporter.policies.schema import Policies

_USER = ", ".join(USER_LABEL_NAMES)
_PART = f"{ORGANIZATION}, {SHARD}"
"""Where users are divided among shards, each says of the organization what it knows of its part."""
_POLLED = "yunxiao_user_last_success_timestamp_seconds"
_TOKEN = ", ".join(TOKEN_LABEL_NAMES)
# Seconds as the daemon's words have them: the first unit of Prometheus' own writing, without the sign.
_ROUGH = '{{ $value | humanizeDuration | reReplaceAll "^-|[.][0-9]+| .*" "" | reReplaceAll "^[0-9]+[mun]s$" "0s" }}'


def _policy_words(*, of_user: bool) -> str:
    cases = (f'if eq $labels.policy "{one}" }}}}{one.words}{{{{ ' for one in Policy if one.of_user is of_user)
    return f"{{{{ {'else '.join(cases)}end }}}}"


_WORDS = {
    TOKEN_EXPIRED: f"expired {_ROUGH} ago",
    TOKEN_EXPIRING_CRITICAL: f"expires in {_ROUGH}",
    TOKEN_EXPIRING_WARNING: f"expires in {_ROUGH}",
    TOKEN_NEVER_EXPIRES: "never expires",
    EXPORTER_TOKEN_EXPIRING: (
        f"{{{{ if gt $value 0.0 }}}}expires in {_ROUGH}{{{{ else }}}}expired {_ROUGH} ago{{{{ end }}}}"
    ),
    TOKEN_POLICY_VIOLATION: _policy_words(of_user=False),
    USER_POLICY_VIOLATION: _policy_words(of_user=True),
}
_REMEMBERED = "1d"
"""How long an organization that no exporter answers for is known by name."""
_LONGEST_FOR = 100 * 365 * 86400.0
"""Seconds; Prometheus reads no duration of more than 292 years."""
_DOWN_FOR = 300.0
"""Seconds, so that a Prometheus that has just been started does not cry before its first scrape."""


@dataclass(frozen=True, slots=True)
class _Record:
    name: str
    expr: str


def rules(
    alerting: Alerting,
    poll: Poll,
    label_names: Iterable[str] = (),
    policies: Policies | None = None,
    discover_intervals: Iterable[float] = (),
) -> dict[str, Any]:
    """The content of a rule file for Prometheus.

    Args:
        alerting: thresholds, labels and ignored tokens.
        poll: how often data comes.
        label_names: the labels that users' entries carry; the rules take them from `yunxiao_user_labels`.
        policies: what tokens must be like; None where that is not known, and the rules speak of any policy.
        discover_intervals: seconds between two looks at the lists of users.
    """
    names = sorted(set(label_names))
    # One group: its rules are evaluated one after the other, so that alerts see what has just been recorded.
    tokens = [*(_record(one) for one in _records(alerting, names)), *_token_rules(alerting, names)]
    if policies is None or policies.configured:
        tokens += _policy_rules(alerting, names)
    if alerting.permissions_widened:
        tokens.append(_widened_rule(alerting))
    return {
        "groups": [
            {"name": "yunxiao-tokens", "rules": tokens},
            {"name": "yunxiao-exporter", "rules": list(_exporter_rules(alerting, poll, names, discover_intervals))},
        ]
    }


def rules_text(
    alerting: Alerting,
    poll: Poll,
    label_names: Iterable[str] = (),
    policies: Policies | None = None,
    discover_intervals: Iterable[float] = (),
) -> str:
    """`rules` as YAML, expressions in blocks that people can read."""
    text = yaml.dump(
        rules(alerting, poll, label_names, policies, discover_intervals),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=10_000,
    )
    return (
        "# Made by `yunxiao-token-exporter rules`; print them anew after a change of thresholds, labels or ignored\n"
        "# tokens in the exporter's configuration.\n" + str(text)
    )


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        return super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _record(record: _Record) -> dict[str, Any]:
    return {"record": record.name, "expr": record.expr}


def _latest(labels: str, family: str, selector: str = "", alive: str = "") -> str:
    """The present series, and the last ones of what is not there at all just now.

    Args:
        labels: what tells the series apart; those of the exporter's place are left out.
        family: the family's name.
        selector: which of its series, in braces.
        alive: a family that every user who is there has a series of. Where it has one, what has gone from ``family``
            has gone for good, such as a token that was deleted. Without it, look back for everything.
    """
    before = f"max by ({labels}) (last_over_time({family}{selector}[{GAP}]))"
    if not alive:
        return before
    return (
        f"(\n  max by ({labels}) ({family}{selector})\n  or\n  ({before} unless on (organization, user_id) {alive})\n)"
    )


def _records(alerting: Alerting, names: list[str]) -> Iterable[_Record]:
    for what in ("expiry", "created"):
        yield _Record(
            f"yunxiao:token_{what}_timestamp_seconds",
            _latest(_TOKEN, f"yunxiao_token_{what}_timestamp_seconds", alive=_POLLED),
        )
    for name, share in (("warning", WARNING_SHARE), ("critical", CRITICAL_SHARE)):
        general = getattr(alerting.thresholds, name)
        own = _latest(
            "organization, user_id", "yunxiao_user_alert_threshold_seconds", f'{{threshold="{name}"}}', _POLLED
        )
        expiring = "(yunxiao:token_expiry_timestamp_seconds < +Inf)"
        yield _Record(
            f"yunxiao:token_{name}_configured_seconds",
            f"0 * {expiring} + on (organization, user_id) group_left ()\n  {own}\n"
            f"or\n0 * {expiring} + {_seconds(general)}",
        )
        life = f"({expiring} - yunxiao:token_created_timestamp_seconds)"
        configured = f"yunxiao:token_{name}_configured_seconds"
        # The smaller of two vectors: the one where it is below the other, else the other.
        yield _Record(
            f"yunxiao:token_{name}_threshold_seconds",
            f"({life} / {share} > 0) < {configured}\nor\n{configured}",
        )
    if names:
        by = f"organization, user_id, {', '.join(names)}"
        # topk leaves one series a user, even while a label is being changed, so that no join finds two.
        yield _Record(
            "yunxiao:user_labels",
            f"topk by (organization, user_id) (1, max by ({by}) (yunxiao_user_labels))\n"
            f"or on (organization, user_id)\n"
            f"topk by (organization, user_id) (1, {_latest(by, 'yunxiao_user_labels')})",
        )


def _token_rules(alerting: Alerting, names: list[str]) -> Iterable[dict[str, Any]]:
    left = "(yunxiao:token_expiry_timestamp_seconds - time())"
    expressions = {
        TOKEN_EXPIRED: f"{left} <= 0",
        TOKEN_EXPIRING_CRITICAL: f"0 < {left} < yunxiao:token_critical_threshold_seconds",
        TOKEN_EXPIRING_WARNING: (
            f"0 < {left} < yunxiao:token_warning_threshold_seconds >= yunxiao:token_critical_threshold_seconds"
        ),
    }
    if alerting.never_expires:
        expressions[TOKEN_NEVER_EXPIRES] = "yunxiao:token_expiry_timestamp_seconds == +Inf"
    for definition, expression in expressions.items():
        yield _rule(definition, alerting, _owned(_unmuted(expression, alerting.ignore), names), names)


def _policy_rules(alerting: Alerting, names: list[str]) -> Iterable[dict[str, Any]]:
    """The severity is the series' own: no label of the rule replaces it."""
    of_token, of_user = "yunxiao:token_policy_violation", "yunxiao_user_policy_violation"
    labels = "policy, severity"
    yield _record(_Record(of_token, _latest(f"{_TOKEN}, {labels}", of_token.replace(":", "_", 1), alive=_POLLED)))
    muted = _unmuted(of_token, alerting.ignore, of_token)
    yield _rule(TOKEN_POLICY_VIOLATION, alerting, _owned(muted, names), names)
    yield _rule(
        USER_POLICY_VIOLATION, alerting, _owned(_latest(f"{_USER}, {labels}", of_user, alive=_POLLED), names), names
    )


def _widened_rule(alerting: Alerting) -> dict[str, Any]:
    changes = "|".join(sorted(GRANTS_MORE))
    # Not the counter, which begins anew with each process: what its first sweep finds would be no increase.
    last = _latest(ORGANIZATION, "yunxiao_token_last_event_timestamp_seconds", f'{{event=~"{changes}"}}')
    expression = f"time() - {last} < {_seconds(WIDENED_FOR)}"
    return _rule(TOKEN_PERMISSIONS_WIDENED, alerting, expression)


def _unmuted(expression: str, ignored: Iterable[Ignore], series: str = "yunxiao:token_expiry_timestamp_seconds") -> str:
    for entry in ignored:
        for selector in _selectors(entry):
            expression += f"\nunless ({series}{{{selector}}} and on () vector(time()) < {entry.ends_at:.0f})"
    return expression


def _selectors(entry: Ignore) -> Iterable[str]:
    matchers = []
    if entry.token_id is not None:
        matchers.append(f"token_id={promql_string(entry.token_id)}")
    if entry.name is not None:
        matchers.append(f"token=~{promql_regex(entry.name)}")
    if entry.user is None:
        return [", ".join(matchers)]
    return [", ".join([f"{label}={promql_string(entry.user)}", *matchers]) for label in ("user_id", "user")]


def _owned(expression: str, names: list[str]) -> str:
    """The expression with the labels of the user's entry; users without any keep their alert."""
    if not names:
        return expression
    return (
        f"(\n  ({expression})\n  * on (organization, user_id) group_left ({', '.join(names)})"
        f" yunxiao:user_labels\n)\nor on ({_TOKEN}) ({expression})"
    )


def _exporter_rules(
    alerting: Alerting, poll: Poll, names: list[str], discover_intervals: Iterable[float]
) -> Iterable[dict[str, Any]]:
    yield _rule(
        DISCOVERY_FAILING,
        alerting,
        f"{_latest('organization', 'yunxiao_discovery_up')} == 0",
        lasting=undiscovered_after(discover_intervals),
    )
    yield _rule(
        USER_POLL_FAILING,
        alerting,
        _owned(f"{_latest(_USER, 'yunxiao_user_up', alive='yunxiao_user_up')} == 0", names),
        names,
        lasting=failing_after(poll),
    )
    stale = f"time() - {_latest(_USER, _POLLED, alive=_POLLED)} > {_seconds(stale_after(poll))}"
    yield _rule(USER_DATA_STALE, alerting, _owned(stale, names), names)
    swept = _latest(_PART, "yunxiao_sweep_last_completed_timestamp_seconds")
    # Never swept: as long ago as the watch began.
    watched = _latest(_PART, "yunxiao_watched_since_timestamp_seconds")
    yield _rule(
        SWEEP_STALLED,
        alerting,
        f"time() - (\n  {swept}\n  or\n  {watched}\n) > {_seconds(stalled_after(poll))}",
    )
    # The soonest, should two exporters have tokens of their own.
    own = f"min by (organization) (last_over_time(yunxiao_exporter_token_expiry_timestamp_seconds[{GAP}]))"
    yield _rule(EXPORTER_TOKEN_EXPIRING, alerting, f"{own} - time() < {_seconds(alerting.thresholds.warning)}")
    yield _rule(
        CONFIG_RELOAD_FAILED,
        alerting,
        f"min(last_over_time(yunxiao_exporter_config_last_reload_successful[{GAP}])) == 0",
    )
    present = f"last_over_time(yunxiao_exporter_build_info[{GAP}])"
    # An organization that an exporter answered for within the last day, when that exporter is gone and no other has
    # taken over. Where the exporter is still there, somebody took the organization out of its configuration.
    abandoned = (
        f"group by ({_PART}) (\n"
        f"  last_over_time(yunxiao_users[{_REMEMBERED}]) unless on (job, instance) {present}\n"
        f")\n"
        f"unless on ({_PART}) last_over_time(yunxiao_users[{GAP}])"
    )
    yield _rule(
        EXPORTER_DOWN,
        alerting,
        f"(\n{abandoned}\n)\nor\n(absent_over_time(yunxiao_exporter_build_info[{GAP}]) unless on () (\n{abandoned}\n))",
        lasting=_DOWN_FOR,
    )


def _rule(
    definition: Definition, alerting: Alerting, expression: str, names: Iterable[str] = (), *, lasting: float = 0.0
) -> dict[str, Any]:
    rule: dict[str, Any] = {"alert": definition.name, "expr": expression}
    if lasting:
        rule["for"] = format_duration(min(lasting, _LONGEST_FOR))
    general = {name: _general(name, value, names) for name, value in sorted(alerting.labels.items()) if value}
    severity = {} if definition.severity is None else {"severity": definition.severity.value}
    if labels := severity | general:
        rule["labels"] = labels
    rule["annotations"] = {
        "summary": template_text(definition.summary),
        "description": _description(definition),
        "runbook_url": template_text(definition.runbook(alerting.runbook_base_url)),
    }
    return rule


def _seconds(value: float) -> str:
    """A number as PromQL takes it, to the millisecond and without an exponent."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _description(definition: Definition) -> str:
    labels = (*TOKEN_LABEL_NAMES, "policy")
    places = {label: f"{{{{ $labels.{label} }}}}" for label in labels} | {
        "words": _WORDS.get(definition, ""),
        "age": _ROUGH,
        "where": "{{ with $labels.organization }} for {{ . }}{{ end }}",
    }
    return definition.description.format(**places)


def _general(name: str, value: str, names: Iterable[str]) -> str:
    """A label for every alert. A rule's label would replace the user's own of that name, which is to win."""
    escaped = template_text(value)
    if name not in names:
        return escaped
    return f"{{{{ if $labels.{name} }}}}{{{{ $labels.{name} }}}}{{{{ else }}}}{escaped}{{{{ end }}}}"
