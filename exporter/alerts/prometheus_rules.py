"""The alerts as a rule file for Prometheus, with the same thresholds and texts as the daemon's.

Every alert is one rule that needs no other. The rules about tokens and users are based on the entries of
`exporter.metrics.families.alerts`, so their cost follows the number of alerts. They look a few minutes back, so that
missed scrapes and a restart resolve nothing; entries that have ended are exposed as such, so that nothing comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.alerts.alerting_rule import alerting_rule
from exporter.alerts.definitions import (
    CONFIG_RELOAD_FAILED,
    DEFINITIONS_BY_NAME,
    DISCOVERY_FAILING,
    EXPORTER_DOWN,
    EXPORTER_TOKEN_EXPIRING,
    EXPORTER_TOKEN_EXPIRING_CRITICAL,
    NOT_REMOVED_FORMS,
    ORGANIZATION_UNREADABLE,
    POLICY_VIOLATION,
    SWEEP_STALLED,
    TOKEN_EXPIRED,
    TOKEN_EXPIRING_CRITICAL,
    TOKEN_EXPIRING_INFO,
    TOKEN_EXPIRING_WARNING,
    TOKEN_NEVER_EXPIRES,
    TOKEN_NOT_REMOVED,
    TOKEN_PERMISSIONS_WIDENED,
    TOKEN_POLICY_VIOLATION,
    USER_DATA_STALE,
    USER_POLICY_VIOLATION,
    USER_POLL_FAILING,
    Definition,
)
from exporter.alerts.promql import SHARD, SOURCE, TOKEN, USER, entries, latest, lookback, seconds
from exporter.alerts.rule_formats import RuleFormat, rules_as_text
from exporter.alerts.rule_texts import RuleTexts
from exporter.alerts.thresholds import (
    WIDENED_FOR,
    failing_after,
    stale_after,
    stalled_after,
    undiscovered_after,
)
from exporter.config.alerting import PolicyAlerts
from exporter.model.event import GRANTS_MORE
from exporter.model.stages import Stage
from exporter.model.token_texts import OWNER_TEXTS, TOKEN_TEXTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.config.alerting import Alerting
    from exporter.config.schema import Poll
    from exporter.policies.schema import Policies

_REMEMBERED = "1d"
"""How long the name of an organization is known after its exporter went down."""
_DOWN_FOR = 300.0
"""Seconds, so that a Prometheus that just started raises no alert before its first scrape."""


def rules(
    alerting: Alerting,
    poll: Poll,
    label_names: Iterable[str] = (),
    policies: Policies | None = None,
    discover_intervals: Iterable[float] = (),
    external_url: str | None = None,
) -> dict[str, Any]:
    """The content of a rule file for Prometheus.

    Args:
        alerting: thresholds, labels and silences.
        poll: how often users are polled.
        label_names: the labels that users' entries carry: they become labels of the alerts.
        policies: the configured policies; None if unknown, which gives rules for any policy.
        discover_intervals: seconds between two fetches of each list of users.
        external_url: the URL under which people open the exporter, for links.
    """
    names = sorted(set(label_names))
    tokens = [*_token_rules(alerting, names)]
    if policies is None or policies.configured:
        tokens += _policy_rules(alerting, names)
    if alerting.permissions_widened:
        tokens.append(_widened_rule(alerting))
    exporter = [
        _discovery_rule(alerting, discover_intervals),
        *_user_rules(alerting, poll, names),
        *_exporter_rules(alerting, poll),
    ]
    texts = RuleTexts.of(alerting, external_url, policies)
    definitions = DEFINITIONS_BY_NAME | {TOKEN_NOT_REMOVED.name: NOT_REMOVED_FORMS[alerting.policy_violations]}
    for rule in (*tokens, *exporter):
        rule["annotations"] = texts.annotations(definitions[rule["alert"]])
    return {"groups": [{"name": "yunxiao-tokens", "rules": tokens}, {"name": "yunxiao-exporter", "rules": exporter}]}


def rules_text(
    alerting: Alerting,
    poll: Poll,
    label_names: Iterable[str] = (),
    policies: Policies | None = None,
    discover_intervals: Iterable[float] = (),
    external_url: str | None = None,
) -> str:
    """`rules` as a rule file."""
    content = rules(alerting, poll, label_names, policies, discover_intervals, external_url)
    return rules_as_text(content, RuleFormat.PROMETHEUS)


def _entry_rule(
    definition: Definition,
    alerting: Alerting,
    expression: str,
    names: Iterable[str],
    texts: Iterable[str],
    *,
    lasting: float = 0.0,
) -> dict[str, Any]:
    """A rule whose series have labels that are texts: an alert is the same one whatever these say."""
    rule = alerting_rule(definition, alerting, expression, tuple(names), lasting=lasting)
    dropped = {name: "" for name in texts if name not in names}
    return rule | {"labels": dropped | rule.get("labels", {})}


_OF_STAGES = {
    Stage.EXPIRED: TOKEN_EXPIRED,
    Stage.CRITICAL: TOKEN_EXPIRING_CRITICAL,
    Stage.WARNING: TOKEN_EXPIRING_WARNING,
    Stage.INFO: TOKEN_EXPIRING_INFO,
    Stage.NOT_REMOVED: TOKEN_NOT_REMOVED,
}


def _token_rules(alerting: Alerting, names: list[str]) -> Iterator[dict[str, Any]]:
    for stage, definition in _OF_STAGES.items():
        if stage is Stage.NOT_REMOVED and alerting.policy_violations is not PolicyAlerts.PER_TOKEN:
            yield _not_removed_rule(alerting, names)
            continue
        expression = f"{_token_entries(stage.value, names, *_not_yet_or_no_more(stage))} - time()"
        yield _entry_rule(definition, alerting, expression, names, TOKEN_TEXTS)
    if alerting.never_expires:
        yield _entry_rule(TOKEN_NEVER_EXPIRES, alerting, _token_entries("never_expires", names), names, TOKEN_TEXTS)


def _not_removed_rule(alerting: Alerting, names: list[str]) -> dict[str, Any]:
    """One alert for an organization or a user: the families about policies count these tokens without a policy."""
    definition = NOT_REMOVED_FORMS[alerting.policy_violations]
    if alerting.policy_violations is PolicyAlerts.PER_POLICY:
        series, texts = lookback("yunxiao_policy_alert_violations", '{policy=""}'), ("users", "worst")
        return _entry_rule(definition, alerting, entries(series, SHARD, _with(SHARD, (), texts)), (), texts)
    series = lookback("yunxiao_user_alert_policy_violations", '{policy=""}')
    expression = entries(series, "organization, user_id", _with(USER, names, OWNER_TEXTS))
    return _entry_rule(definition, alerting, expression, names, OWNER_TEXTS)


def _token_entries(stage: str, names: list[str], *unless: tuple[str, str]) -> str:
    series = lookback("yunxiao_token_alert_expiry_timestamp_seconds", f'{{alert_stage="{stage}"}}')
    one_by = "organization, user_id, token_id, token, kind"
    return entries(series, one_by, _with(TOKEN, names, TOKEN_TEXTS), unless)


def _not_yet_or_no_more(stage: Stage) -> Iterator[tuple[str, str]]:
    """A stage that begins within the hour is exposed before that, so that it begins even if scrapes are missed."""
    by, due = f"{SOURCE}, user_id, token_id, token, kind", "yunxiao_token_alert_due_timestamp_seconds"
    every = list(Stage)
    following = "|".join(every[every.index(stage) + 1 :])
    yield by, lookback(due, f'{{alert_stage="{stage}"}}') + " > time()"
    if following:
        yield by, lookback(due, f'{{alert_stage=~"{following}"}}') + " > 0 <= time()"


def _with(labels: str, names: Iterable[str], texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*labels.split(", "), *names, *texts]))


def _policy_rules(alerting: Alerting, names: list[str]) -> Iterator[dict[str, Any]]:
    """The severity is a label of the series; the rules set none."""
    if alerting.policy_violations is PolicyAlerts.PER_POLICY:
        texts = ("users", "worst")
        series = lookback("yunxiao_policy_alert_violations", '{policy!=""}')
        expression = entries(series, f"{SHARD}, policy", _with(f"{SHARD}, policy, severity", (), texts))
        yield _entry_rule(POLICY_VIOLATION, alerting, expression, (), texts)
        return
    for definition, match in (
        (TOKEN_POLICY_VIOLATION, '{token_id!=""}'),
        (USER_POLICY_VIOLATION, '{token_id="",policy!=""}'),
    ):
        of_token = definition is TOKEN_POLICY_VIOLATION
        if of_token and alerting.policy_violations is PolicyAlerts.PER_USER:
            continue
        series = lookback("yunxiao_user_alert_policy_violations", match)
        one_by = f"organization, user_id{', token_id, token' if of_token else ''}, policy"
        labels = f"{USER}{', token_id, token' if of_token else ''}, policy, severity"
        expression = entries(series, one_by, _with(labels, names, OWNER_TEXTS))
        yield _entry_rule(definition, alerting, expression, names, OWNER_TEXTS)


def _widened_rule(alerting: Alerting) -> dict[str, Any]:
    changes = "|".join(sorted(GRANTS_MORE))
    # Not the counter, which starts at 0 in each process: what the first sweep finds would be no increase.
    events = lookback("yunxiao_token_last_event_timestamp_seconds", f'{{event=~"{changes}"}}')
    widened = f"time() - max by (organization) ({events}) < {seconds(WIDENED_FOR)}"
    return alerting_rule(TOKEN_PERMISSIONS_WIDENED, alerting, widened)


def _discovery_rule(alerting: Alerting, intervals: Iterable[float]) -> dict[str, Any]:
    failing = f"{latest('organization', 'yunxiao_discovery_up')} == 0"
    return alerting_rule(DISCOVERY_FAILING, alerting, failing, lasting=undiscovered_after(intervals))


def _user_rules(alerting: Alerting, poll: Poll, names: list[str]) -> Iterator[dict[str, Any]]:
    texts = ("reason", *OWNER_TEXTS)
    labels = _with(USER, names, texts)
    unreadable = (SOURCE, f"{lookback('yunxiao_organization_poll_alerts_suppressed')} > 0")

    def series(alert: str) -> str:
        return lookback("yunxiao_user_alert_since_timestamp_seconds", f'{{alert="{alert}"}}')

    failing = entries(series("poll_failing"), "organization, user_id", labels, [unreadable], since=True)
    yield _entry_rule(USER_POLL_FAILING, alerting, failing, names, texts, lasting=failing_after(poll))
    last = entries(series("data_stale"), "organization, user_id", labels, [unreadable], since=True)
    yield _entry_rule(USER_DATA_STALE, alerting, f"{last} > {seconds(stale_after(poll))}", names, texts)
    series_of_organization = lookback("yunxiao_organization_unreadable_since_timestamp_seconds")
    since = entries(series_of_organization, SHARD, _with(SHARD, (), ["reason"]), since=True)
    yield _entry_rule(ORGANIZATION_UNREADABLE, alerting, since, (), ["reason"])


def _exporter_rules(alerting: Alerting, poll: Poll) -> Iterator[dict[str, Any]]:
    swept = latest(SHARD, "yunxiao_sweep_last_completed_timestamp_seconds")
    # Before the first sweep, the time counts from the start of watching.
    watched = latest(SHARD, "yunxiao_watched_since_timestamp_seconds")
    stalled = f"time() - (\n  {swept}\n  or\n  {watched}\n) > {seconds(stalled_after(poll))}"
    yield alerting_rule(SWEEP_STALLED, alerting, stalled)
    # The first to expire, if two exporters use different tokens.
    own = f"min by (organization) ({lookback('yunxiao_exporter_token_expiry_timestamp_seconds')})"
    warning, critical = seconds(alerting.thresholds.warning), seconds(alerting.thresholds.critical)
    yield alerting_rule(EXPORTER_TOKEN_EXPIRING, alerting, f"{own} - time() < {warning} >= {critical}")
    yield alerting_rule(EXPORTER_TOKEN_EXPIRING_CRITICAL, alerting, f"{own} - time() < {critical}")
    refused = f"min({lookback('yunxiao_exporter_config_last_reload_successful')}) == 0"
    yield alerting_rule(CONFIG_RELOAD_FAILED, alerting, refused)
    # An organization that was exposed within the last day, if its exporter is down and no other has taken over. If the
    # exporter is up, the organization was removed from its configuration.
    abandoned = (
        f"group by ({SHARD}) (\n"
        f"  last_over_time(yunxiao_users[{_REMEMBERED}]) unless on (job, instance)"
        f" {lookback('yunxiao_exporter_build_info')}\n"
        f")\n"
        f"unless on ({SHARD}) {lookback('yunxiao_users')}"
    )
    absent = lookback("yunxiao_exporter_build_info").replace("last_over_time", "absent_over_time")
    down = f"(\n{abandoned}\n)\nor\n({absent} unless on () (\n{abandoned}\n))"
    yield alerting_rule(EXPORTER_DOWN, alerting, down, lasting=_DOWN_FOR)
