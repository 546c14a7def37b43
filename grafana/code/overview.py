"""The dashboard *Overview*: tokens that expire next or never, alerts, changes, policy violations, failing users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models
from parts import (
    BLUE,
    DAY,
    GREEN,
    HEALTH,
    ORANGE,
    OVERVIEW,
    PAGE,
    PURPLE,
    RED,
    URGENT,
    YELLOW,
    a_dashboard,
    arranged,
    bars,
    choice,
    colored,
    columns,
    constant,
    counts,
    events,
    field,
    grid,
    lines,
    now,
    number,
    query,
    rows,
    text_box,
    variable,
    with_page,
    worded,
)
from selection import (
    CREATED,
    EXPIRY,
    FAILURE,
    FIRING,
    LAST_SUCCESS,
    ORGANIZATION,
    OTHER_OWNERS,
    PERMISSION,
    SERIES,
    VIOLATIONS,
    WHO,
    counted,
    merged,
    selected,
    soonest,
    within,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import barchart, bargauge, stat, table, timeseries

WEEKS = 26
_WEEK = 7 * DAY
_MONDAY = 4 * DAY
"""The first Monday of the epoch."""
_NOON = DAY // 2
"""Weeks are labelled with the noon of their Monday, which has the same date in nearly all time zones."""
STATE_COLORS = {"active": GREEN, "expired": RED, "never_expires": PURPLE, "unknown": YELLOW}
SEVERITY_COLORS = {"critical": RED, "warning": ORANGE, "info": BLUE}
EVENT_COLORS = {
    "created": BLUE,
    "deleted": ORANGE,
    "renewed": GREEN,
    "shortened": YELLOW,
    "permissions_widened": RED,
    "permissions_narrowed": "light-green",
    "permissions_changed": PURPLE,
    "renamed": "light-blue",
}
NOTHING = ((None, GREEN), (1, RED))
WHOSE = {"organization": "Organization", "user": "User"}
TOKEN = {**WHOSE, "token": "Token", "token_id": "Token id"}
OPEN = {PAGE: "Page"}


def _numbers() -> tuple[stat.Panel, ...]:
    """The row of numbers at the top."""
    return (
        number("Users watched", "Users whose tokens are polled, whatever user and owner are selected.",
               f"sum(max by (organization, shard) (yunxiao_users{{{ORGANIZATION}}})) or vector(0)",
               colors=((None, RED), (1, BLUE))),
        number("Active", "Tokens with an expiry that has not passed yet.", counted("active"), colors=((None, GREEN),)),
        number("Within $warning_days days", "Tokens that expire within $warning_days days, and have not yet.",
               within("$warning_days"), colors=((None, GREEN), (1, ORANGE))),
        number("Within $critical_days days", "Tokens that expire within $critical_days days, and have not yet.",
               within("$critical_days"), colors=NOTHING),
        number("Expired", "Tokens whose expiry has passed and that the platform still lists.",
               counted("expired"), colors=NOTHING),
        number("Never expire", "Tokens without an expiry.",
               counted("never_expires"), colors=((None, GREEN), (1, PURPLE))),
        number("Unknown expiry", "Tokens whose expiry could not be read. They raise no expiry alerts.",
               counted("unknown"), colors=((None, GREEN), (1, YELLOW))),
        number("Users failing", "Users whose last poll failed. Their tokens are those seen last.",
               f"count({selected('yunxiao_user_up', 'organization, user_id')} == 0) or vector(0)", colors=NOTHING),
    )  # fmt: skip


def _next_to_expire() -> table.Panel:
    """The tokens that expire next."""
    return _due_next(
        "Next to expire",
        "The 100 tokens that expire next, soonest first. Urgency: critical within $critical_days days, warning within "
        "$warning_days. Tokens with a short lifetime raise their alerts later, and users can have thresholds of their own.",
        EXPIRY,
        TOKEN,
    )


def _due_next(title: str, description: str, expiry: str, names: dict[str, str]) -> table.Panel:
    """A table of what expires next, with time left, time and urgency."""
    panel = arranged(
        grid(title, description, *(rows(with_page(one), ref) for one, ref in zip(soonest(expiry), "ABC", strict=True))),
        {**names, "Value #A": "Time left", "Value #B": "Expires at", "Value #C": "Urgency", **OPEN},
        order="Time left",
    )
    panel.override_by_name("Time left", [field("unit", "s"), field("decimals", 1), field("custom.width", 120)])
    panel.override_by_name("Expires at", [field("unit", "dateTimeAsIso"), field("custom.width", 180)])
    urgency = {"0": ("later", GREEN), "1": ("warning", ORANGE), "2": ("critical", RED)}
    panel.override_by_name("Urgency", [*worded(urgency), field("custom.width", 105)])
    panel.override_by_name(names["token_id"], [field("custom.width", 170)])
    return panel


def _calendar() -> barchart.Panel:
    """How many tokens expire in each of the next weeks."""
    monday = f"{_WEEK} * floor((%s - {_MONDAY}) / {_WEEK}) + {_MONDAY + _NOON}"
    end = f"time() - (time() - {_MONDAY}) % {_WEEK} + {WEEKS * _WEEK}"
    upcoming = f"({EXPIRY} > time() < {end})"
    # Weeks in which nothing expires need a column too; without it the chart would be misleading.
    every_week = "\n".join(
        f'or on (week) 0 * count_values("week", 1000 * ({monday % f"vector(time() + {number * _WEEK})"}))'
        for number in range(WEEKS)
    )
    panel = columns(
        "Expiring by week",
        f"Tokens that expire in this and the next {WEEKS - 1} weeks, by the date of the week's Monday. Weeks begin at 00:00 UTC.",
        rows(f'count_values("week", 1000 * ({monday % upcoming}))\n{every_week}'),
        "Week of",
    )
    names = {"week": "Week of", "Value": "Tokens"}
    for identifier, options in (
        ("organize", {"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": names}),
        ("convertFieldType", {"conversions": [{"targetField": "Week of", "destinationType": "number"}]}),
        ("sortBy", {"fields": {}, "sort": [{"field": "Week of", "desc": False}]}),
    ):
        panel.with_transformation(models.DataTransformerConfig(id_val=identifier, options=options))
    panel.override_by_name("Week of", [field("unit", "time:MM-DD")])
    return panel


def _firing() -> stat.Panel:
    """How many alerts fire."""
    return number(
        "Firing alerts",
        "Alerts that fire according to Prometheus' rules. If the exporter sends alerts itself, see Exporter health.",
        f'count(ALERTS{{{FIRING}, alertstate="firing"}} unless on (organization, user_id) {OTHER_OWNERS}) or vector(0)',
        colors=((None, GREEN), (1, ORANGE)),
    )


def _alerts_over_time() -> timeseries.Panel:
    """Firing alerts by name."""
    return lines(
        "Firing alerts by name",
        "Alerts that fire according to Prometheus' rules. Empty if only the exporter itself sends alerts.",
        query(
            f'count by (alertname) (ALERTS{{{FIRING}, alertstate="firing"}} unless on (organization, user_id) {OTHER_OWNERS})',
            "{{alertname}}",
        ),
    )


def _alerts_now() -> table.Panel:
    """The alerts that fire now."""
    labels = "alertname, severity, organization, user_id, user, token_id, token, policy"
    firing = f'max by ({labels}) (ALERTS{{{FIRING}, alertstate="firing"}})'
    since = f"max by ({labels}) (ALERTS_FOR_STATE{{{FIRING}}}) and on ({labels}) {firing}"
    panel = arranged(
        grid(
            "Alerts firing now",
            "The 200 alerts that began last, according to Prometheus' rules, with the time since when their condition holds.",
            rows(with_page(f"1000 * topk(200, ({since}) unless on (organization, user_id) {OTHER_OWNERS})")),
        ),
        {
            "severity": "Severity",
            "alertname": "Alert",
            **WHOSE,
            "token": "Token",
            "policy": "Policy",
            "Value": "Since",
            **OPEN,
        },
        order="Since",
        descending=True,
    )
    panel.override_by_name("Since", [field("unit", "dateTimeAsIso"), field("custom.width", 180)])
    panel.override_by_name("Severity", [*worded(SEVERITY_COLORS), field("custom.width", 105)])
    panel.override_by_name("Alert", [field("custom.width", 250)])
    return panel


def _expired() -> table.Panel:
    """Tokens that have expired."""
    panel = arranged(
        grid(
            "Expired and still listed",
            "Expired tokens, most recent first: what stopped working, and what should be deleted.",
            rows(with_page(f"topk(500, {EXPIRY} <= time()) * 1000"), "A"),
            rows(with_page(f"time() - topk(500, {EXPIRY} <= time())"), "B"),
        ),
        {**TOKEN, "Value #A": "Expired at", "Value #B": "Expired for", **OPEN},
        order="Expired for",
    )
    panel.override_by_name(
        "Expired for",
        [
            field("unit", "s"),
            field("decimals", 1),
            field("custom.width", 120),
            *colored(((None, RED), (30 * DAY, ORANGE))),
        ],
    )
    panel.override_by_name("Expired at", [field("unit", "dateTimeAsIso"), field("custom.width", 180)])
    return panel


def _endless() -> table.Panel:
    """Tokens without an expiry."""
    panel = arranged(
        grid(
            "Never expiring",
            "Tokens without an expiry, oldest first.",
            rows(with_page(f"topk(500, (time() - {CREATED}) and {EXPIRY} == +Inf)"), "A"),
        ),
        {**TOKEN, "Value": "Age", **OPEN},
        order="Age",
        descending=True,
    )
    panel.override_by_name(
        "Age",
        [field("unit", "s"), field("decimals", 1), *colored(((None, GREEN), (90 * DAY, ORANGE), (365 * DAY, RED)))],
    )
    return panel


def _expiring_permissions() -> table.Panel:
    """The permissions whose tokens expire next, and when the user really loses them."""
    labels = "organization, user_id, user, permission"
    expiry, lost = (
        merged(f"yunxiao_user_permission_{what}_timestamp_seconds", labels, PERMISSION) for what in ("expiry", "lost")
    )
    first = selected("yunxiao_user_permission_expiry_timestamp_seconds", labels, PERMISSION)
    upcoming = f"bottomk(100, {first} - time() > 0 < +Inf)"
    panel = arranged(
        grid(
            "Permissions by the next token to expire",
            "Time until the first of the user's unexpired tokens that grant the permission expires, and until the last of "
            "them does, when the user loses it. The last column needs metrics.permission_lost in the exporter's "
            "configuration.",
            rows(upcoming, "A"),
            # Grafana names the columns after the queries only if each query has rows.
            rows(
                f"(\n  ({lost} < +Inf) - time()\n  or -2 * group by ({labels}) ({lost} == +Inf)\n"
                f"  or -1 * group by ({labels}) ({expiry})\n) and on ({labels}) {upcoming}",
                "B",
            ),
        ),
        {**WHOSE, "permission": "Permission", "Value #A": "Next token", "Value #B": "Lost in"},
        order="Next token",
    )
    left = [field("unit", "s"), field("decimals", 1), *colored(URGENT)]
    others = {
        "-1": {"text": "not exposed", "color": BLUE, "index": 0},
        "-2": {"text": "never", "color": GREEN, "index": 1},
    }
    panel.override_by_name("Permission", [field("custom.width", 270)])
    panel.override_by_name("Next token", left)
    panel.override_by_name("Lost in", [*left, field("mappings", [{"type": "value", "options": others}])])
    return panel


def _tokens_by_permission() -> bargauge.Panel:
    """How many tokens grant each permission."""
    series = selected("yunxiao_user_permission_tokens", "organization, user_id, permission", PERMISSION)
    return bars(
        "Tokens by permission",
        "Tokens by the permission that they grant, without expired ones. X_read includes the tokens with X_read_write.",
        now(
            f"sort_desc(sum by (permission) ({series}))"
            ' or on () label_replace(vector(0), "permission", "no permission", "", "")',
            "{{permission}}",
        ),
    )


def _changes() -> timeseries.Panel:
    """How many tokens changed, by kind of change."""
    panel = counts(
        "Changes of tokens",
        "Changes that polls have found, by kind. GET /api/v1/events and the command events list them. The marks in the "
        "charts of this dashboard are the last change of each kind.",
        query(f"sum by (event) (increase(yunxiao_token_events_total{{{ORGANIZATION}}}[$__interval]))", "{{event}}"),
    )
    for event, color in EVENT_COLORS.items():
        panel.override_by_name(event, [field("color", {"mode": "fixed", "fixedColor": color})])
    return panel


def _last_changes() -> table.Panel:
    """When each kind of change was last found."""
    labels = "organization, event"
    panel = arranged(
        grid(
            "Last change of each kind",
            "When a poll last found such a change, and how many were found within a day.",
            rows(f"1000 * max by ({labels}) (yunxiao_token_last_event_timestamp_seconds{{{ORGANIZATION}}})", "A"),
            rows(
                f"round(sum by ({labels}) (increase(yunxiao_token_events_total{{{ORGANIZATION}}}[1d])))"
                f" and on ({labels}) yunxiao_token_last_event_timestamp_seconds",
                "B",
            ),
        ),
        {"organization": "Organization", "event": "Change", "Value #A": "Last at", "Value #B": "Within a day"},
        order="Last at",
        descending=True,
    )
    panel.override_by_name("Last at", [field("unit", "dateTimeAsIso"), field("custom.width", 180)])
    panel.override_by_name("Within a day", [field("custom.width", 130)])
    return panel


def _violating(title: str, description: str, family: str, names: dict[str, str], labels: str) -> table.Panel:
    """A table of policy violations."""
    panel = arranged(
        grid(title, description, rows(with_page(f"topk(500, {selected(family, f'{labels}, policy, severity')})"))),
        {"severity": "Severity", "policy": "Policy", **names, **OPEN},
        order="Severity",
    )
    panel.override_by_name("Severity", [*worded(SEVERITY_COLORS), field("custom.width", 105)])
    panel.override_by_name("Policy", [field("custom.width", 190)])
    return panel


def _policies() -> tuple[bargauge.Panel | table.Panel, ...]:
    """Violations of policies: how many, by which users and tokens."""
    by_policy = bars(
        "Violations by policy",
        "Number of violations of each policy in the section `policies` of the configuration.",
        now(
            f"sort_desc(sum by (policy) ({VIOLATIONS}))"
            ' or on () label_replace(vector(0), "policy", "no policy configured", "", "")',
            "{{policy}}",
        ),
    )
    users = _violating(
        "Users that violate a policy",
        "Users that violate a policy for users, such as by the number of their tokens; at most 500.",
        "yunxiao_user_policy_violation",
        WHOSE,
        "organization, user_id, user",
    )
    tokens = _violating(
        "Tokens that violate a policy",
        "One row per token and policy, at most 500. Exemptions, with a reason and a last day, are part of the "
        "configuration.",
        "yunxiao_token_policy_violation",
        TOKEN,
        SERIES,
    )
    return by_policy.span(8).height(9), users.span(12).height(9), tokens.span(24).height(10)


def _states() -> timeseries.Panel:
    """Tokens by state over time."""
    series = selected("yunxiao_user_tokens", "organization, user_id, state")
    panel = lines(
        "Tokens by state", "Number of tokens in each state over time.", query(f"sum by (state) ({series})", "{{state}}")
    )
    for state, color in STATE_COLORS.items():
        panel.override_by_name(state, [field("color", {"mode": "fixed", "fixedColor": color})])
    return panel


def _oldest() -> stat.Panel:
    """How old the oldest data is."""
    return number(
        "Oldest data",
        "Time since the last successful poll of the least recently polled user.",
        f"max(time() - {LAST_SUCCESS})",
        unit="s",
        colors=((None, GREEN), (3600, ORANGE), (4 * 3600, RED)),
    )


def _failing() -> table.Panel:
    """Users whose last poll failed."""
    panel = arranged(
        grid(
            "Failing users",
            "Users whose last poll failed, with the reason and the age of their data.",
            rows(with_page(FAILURE), "A"),
            rows(
                with_page(
                    f"((time() - {LAST_SUCCESS}) * on (organization, user_id, user) group_right () {FAILURE}"
                    f" or on (organization, user_id, user) -{FAILURE})"
                ),
                "B",
            ),
        ),
        {**WHOSE, "reason": "Reason", "Value #B": "Age of data", **OPEN},
        order="Age of data",
        descending=True,
    )
    never = {"type": "value", "options": {"-1": {"text": "never polled", "index": 0}}}
    panel.override_by_name(
        "Age of data",
        [
            field("unit", "s"),
            field("decimals", 1),
            field("mappings", [never]),
            *colored(((None, RED), (0, GREEN), (3600, ORANGE), (14_400, RED))),
        ],
    )
    return panel


def _ssh_keys() -> tuple[table.Panel, ...]:
    """SSH keys: the next to expire, and those that are not used."""
    expiry, used, created = (
        selected(f"yunxiao_ssh_key_{what}_timestamp_seconds", SERIES) for what in ("expiry", "last_used", "created")
    )
    names = {**WHOSE, "token": "Key", "token_id": "Key id"}
    due = _due_next(
        "SSH keys next to expire",
        "The 100 SSH keys that expire next, soonest first. Empty unless `credentials` of an organization include `ssh_keys`.",
        expiry,
        names,
    )
    unused = arranged(
        grid(
            "SSH keys not used for 90 days",
            "SSH keys that have not been used for 90 days, or never since they were added, longest first; at most 500.",
            rows(with_page(f"topk(500, time() - ({used} or {created}) > {90 * DAY})")),
        ),
        {**names, "Value": "Unused for", **OPEN},
        order="Unused for",
        descending=True,
    )
    unused.override_by_name("Unused for", [field("unit", "s"), field("decimals", 1), field("custom.width", 120)])
    return due.span(24).height(9), unused.span(24).height(9)


def _variables() -> tuple[
    dashboard.QueryVariable | dashboard.CustomVariable | dashboard.ConstantVariable | dashboard.TextBoxVariable, ...
]:
    """The variables besides data source and organization."""
    return (
        variable("user", f"label_values(yunxiao_user_tokens{{{ORGANIZATION}}}, user)", "User"),
        variable("permission", f"label_values(yunxiao_user_permission_tokens{{{WHO}}}, permission)", "Permission"),
        choice(
            "owner_label",
            "Owner by",
            ("department", "email", "username", "team"),
            "Label of users to filter by: one of users.discover.owner_labels, or of the labels in users' entries.",
        ),
        variable("owner", f"label_values(yunxiao_user_labels{{{ORGANIZATION}}}, $owner_label)", "Owner"),
        text_box(
            "exporter_url",
            "Exporter URL",
            "Address of the exporter for readers, such as https://tokens.example.com, for links to its pages of users.",
        ),
        constant("warning_days", 14, "alerting.thresholds.warning of the exporter, in days."),
        constant("critical_days", 3, "alerting.thresholds.critical of the exporter, in days."),
    )


def build() -> dashboard.Dashboard:
    """The dashboard."""
    board = a_dashboard(
        OVERVIEW,
        "Yunxiao tokens / Overview",
        "Personal access tokens of Yunxiao and Lingma users: which expire next, which never expire, which users cannot be polled.",
        (HEALTH, "Exporter health"),
    )
    for chosen in _variables():
        board.with_variable(chosen)
    last = (
        f"1000 * max by (organization, event) (yunxiao_token_last_event_timestamp_seconds{{{ORGANIZATION}, event%s}})"
    )
    widened = '=~"permissions_widened|permissions_changed"'
    board.annotation(events("Permissions widened", last % widened, RED, "{{event}}"))
    board.annotation(events("Other changes of tokens", last % widened.replace("=~", "!~"), BLUE, "{{event}}"))

    board.with_row(dashboard.Row("Tokens now"))
    for one in _numbers():
        board.with_panel(one.span(3))

    board.with_row(dashboard.Row("Next to expire"))
    board.with_panel(_next_to_expire().span(24).height(10))
    board.with_panel(_calendar().span(24).height(7))

    board.with_row(dashboard.Row("Firing alerts"))
    board.with_panel(_firing().span(4).height(8))
    board.with_panel(_alerts_over_time().span(20).height(8))
    board.with_panel(_alerts_now().span(24).height(9))

    board.with_row(dashboard.Row("Risk"))
    board.with_panel(_expired().span(13).height(9))
    board.with_panel(_endless().span(11).height(9))
    board.with_panel(_tokens_by_permission().span(10).height(11))
    board.with_panel(_expiring_permissions().span(14).height(11))

    board.with_row(dashboard.Row("Changes"))
    board.with_panel(_changes().span(14).height(8))
    board.with_panel(_last_changes().span(10).height(8))

    board.with_row(dashboard.Row("Policies"))
    violations = number(
        "Policy violations",
        "Tokens that violate a policy of the exporter's configuration, and users with too many tokens.",
        f"sum({VIOLATIONS}) or vector(0)",
        colors=((None, GREEN), (1, ORANGE)),
    )
    board.with_panel(violations.span(4).height(9))
    for violating in _policies():
        board.with_panel(violating)

    board.with_row(dashboard.Row("Trends and failing users"))
    board.with_panel(_states().span(9).height(9))
    board.with_panel(_oldest().span(4).height(9))
    board.with_panel(_failing().span(11).height(9))

    # Collapsed, so that its queries cost nothing where no SSH keys are listed.
    ssh_keys = dashboard.Row("SSH keys").collapsed(True)
    for keys in _ssh_keys():
        ssh_keys.with_panel(keys)
    board.with_row(ssh_keys)
    return board
