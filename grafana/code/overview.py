"""The dashboard *Overview*: tokens that expire next or never, permissions, policy violations, failing users."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, table
from grafana_foundation_sdk.models import dashboard as models
from parts import (
    BLUE,
    DAY,
    GREEN,
    HEALTH,
    ORANGE,
    OVERVIEW,
    PURPLE,
    RED,
    URGENT,
    YELLOW,
    a_dashboard,
    arranged,
    bars,
    colored,
    columns,
    field,
    grid,
    lines,
    now,
    number,
    query,
    rows,
    variable,
)

WHO = 'organization=~"$organization", user=~"$user"'
SERIES = "organization, user_id, user, token_id, token"
# Replicas expose the same series with different instance labels; max keeps one of each.
EXPIRY = f"max by ({SERIES}) (yunxiao_token_expiry_timestamp_seconds{{{WHO}}})"
CREATED = f"max by ({SERIES}) (yunxiao_token_created_timestamp_seconds{{{WHO}}})"
LEFT = f"({EXPIRY} - time())"
FAILURE = f"max by (organization, user_id, user, reason) (yunxiao_user_failure{{{WHO}}})"
VIOLATIONS = 'max by (organization, policy, shard) (yunxiao_policy_violations{organization=~"$organization"})'
PERMISSION = f'{WHO}, permission=~"$permission"'
WEEKS = 26
# Weeks in which nothing expires need a column too; without it the chart would be misleading.
EVERY_WEEK = "\n".join(f'or on (week) label_replace(vector(0), "week", "{week}", "", "")' for week in range(WEEKS))
STATE_COLORS = {"active": GREEN, "expired": RED, "never_expires": PURPLE, "unknown": YELLOW}
SEVERITY_COLORS = {"critical": RED, "warning": ORANGE, "info": BLUE}
NOTHING = ((None, GREEN), (1, RED))


def counted(state: str) -> str:
    """The number of tokens in a state; 0 if there are none."""
    series = f'max by (organization, user_id, user) (yunxiao_user_tokens{{{WHO}, state="{state}"}})'
    return f"sum({series}) or vector(0)"


def expiring_permissions() -> table.Panel:
    """The permissions whose tokens expire next, and when the user really loses them."""
    labels = "organization, user_id, user, permission"
    first, lost = (
        f"max by ({labels}) (yunxiao_user_permission_{what}_timestamp_seconds{{{PERMISSION}}})"
        for what in ("expiry", "lost")
    )
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
                f"  or -1 * group by ({labels}) ({first})\n) and on ({labels}) {upcoming}",
                "B",
            ),
        ),
        {
            "organization": "Organization",
            "user": "User",
            "permission": "Permission",
            "Value #A": "Next token",
            "Value #B": "Lost in",
        },
        order="Next token",
    )
    left = [field("unit", "s"), field("decimals", 1), *colored(URGENT)]
    others = {
        "-1": {"text": "not exposed", "color": BLUE, "index": 0},
        "-2": {"text": "never", "color": GREEN, "index": 1},
    }
    panel.override_by_name("Permission", [field("custom.width", 240)])
    panel.override_by_name("Next token", left)
    panel.override_by_name("Lost in", [*left, field("mappings", [{"type": "value", "options": others}])])
    return panel


def build() -> dashboard.Dashboard:
    """The dashboard."""
    board = a_dashboard(
        OVERVIEW,
        "Yunxiao tokens / Overview",
        "Personal access tokens of Yunxiao and Lingma users: which expire next, which never expire, which users cannot be polled.",
        (HEALTH, "Exporter health"),
    )
    board.with_variable(
        variable("user", 'label_values(yunxiao_user_tokens{organization=~"$organization"}, user)', "User")
    ).with_variable(
        variable(
            "permission",
            f"label_values(yunxiao_user_permission_tokens{{{WHO}}}, permission)",
            "Permission",
        )
    )
    board.with_row(dashboard.Row("Tokens now"))
    numbers = (
        number("Users watched", "Users whose tokens are polled.",
               'sum(max by (organization, shard) (yunxiao_users{organization=~"$organization"})) or vector(0)',
               colors=((None, RED), (1, BLUE))),
        number("Active", "Tokens with an expiry that has not passed yet.", counted("active"), colors=((None, GREEN),)),
        number("Within 7 days", "Tokens that expire within the next seven days.",
               f"count(0 < {LEFT} < {7 * DAY}) or vector(0)", colors=((None, GREEN), (1, ORANGE))),
        number("Expired", "Tokens whose expiry has passed and that the platform still lists.",
               counted("expired"), colors=NOTHING),
        number("Never expire", "Tokens without an expiry.",
               counted("never_expires"), colors=((None, GREEN), (1, PURPLE))),
        number("Unknown expiry", "Tokens whose expiry could not be read. They raise no expiry alerts.",
               counted("unknown"), colors=((None, GREEN), (1, YELLOW))),
        number("Users failing", "Users whose last poll failed. Their tokens are those seen last.",
               f"count(max by (organization, user_id) (yunxiao_user_up{{{WHO}}}) == 0) or vector(0)", colors=NOTHING),
        number("Oldest data", "Time since the last successful poll of the least recently polled user.",
               f"max(time() - max by (organization, user_id) (yunxiao_user_last_success_timestamp_seconds{{{WHO}}}))",
               unit="s", colors=((None, GREEN), (3600, ORANGE), (4 * 3600, RED))),
    )  # fmt: skip
    for one in numbers:
        board.with_panel(one.span(3))

    board.with_row(dashboard.Row("Next to expire"))
    names = {
        "organization": "Organization",
        "user": "User",
        "token": "Token",
        "token_id": "Token id",
        "Value #A": "Time left",
        "Value #B": "Expires at",
    }
    upcoming = arranged(
        grid(
            "Next to expire",
            "The 100 tokens that expire next, soonest first. Colours follow the default alert thresholds.",
            rows(f"bottomk(100, {LEFT} > 0 < +Inf)", "A"),
            rows(f"{EXPIRY} * 1000 and bottomk(100, {LEFT} > 0 < +Inf)", "B"),
        ),
        names,
        order="Time left",
    )
    upcoming.override_by_name("Time left", [field("unit", "s"), field("decimals", 1), *colored(URGENT)])
    upcoming.override_by_name("Expires at", [field("unit", "dateTimeAsIso")])
    upcoming.override_by_name("Token id", [field("custom.width", 140)])
    board.with_panel(upcoming.span(14).height(11))
    calendar = columns(
        "Expiring by week",
        "Tokens by the number of full weeks left, for the next half year; 0 means within seven days.",
        rows(f'count_values("week", floor({LEFT} / {7 * DAY}) >= 0 < {WEEKS})\n{EVERY_WEEK}'),
        "Weeks left",
    )
    for identifier, options in (
        (
            "organize",
            {
                "excludeByName": {"Time": True},
                "indexByName": {},
                "renameByName": {"week": "Weeks left", "Value": "Tokens"},
            },
        ),
        ("convertFieldType", {"conversions": [{"targetField": "Weeks left", "destinationType": "number"}]}),
        ("sortBy", {"fields": {}, "sort": [{"field": "Weeks left", "desc": False}]}),
        ("convertFieldType", {"conversions": [{"targetField": "Weeks left", "destinationType": "string"}]}),
    ):
        calendar.with_transformation(models.DataTransformerConfig(id_val=identifier, options=options))
    board.with_panel(calendar.span(10).height(11))

    board.with_row(dashboard.Row("Risk"))
    expired = arranged(
        grid(
            "Expired and still listed",
            "Expired tokens, most recent first: what stopped working, and what should be deleted.",
            rows(f"-{LEFT} >= 0", "A"),
        ),
        {
            "organization": "Organization",
            "user": "User",
            "token": "Token",
            "token_id": "Token id",
            "Value": "Expired for",
        },
        order="Expired for",
    )
    expired.override_by_name(
        "Expired for", [field("unit", "s"), field("decimals", 1), *colored(((None, RED), (30 * DAY, ORANGE)))]
    )
    board.with_panel(expired.span(12).height(9))
    endless = arranged(
        grid(
            "Never expiring",
            "Tokens without an expiry, oldest first.",
            rows(f"(time() - {CREATED}) and {EXPIRY} == +Inf", "A"),
        ),
        {"organization": "Organization", "user": "User", "token": "Token", "token_id": "Token id", "Value": "Age"},
        order="Age",
        descending=True,
    )
    endless.override_by_name(
        "Age",
        [field("unit", "s"), field("decimals", 1), *colored(((None, GREEN), (90 * DAY, ORANGE), (365 * DAY, RED)))],
    )
    board.with_panel(endless.span(12).height(9))
    permissions = bars(
        "Tokens by permission",
        "Tokens by the permission that they grant, without expired ones. X_read includes the tokens with X_read_write.",
        now(
            "sort_desc(sum by (permission) (max by (organization, user_id, permission) "
            f"(yunxiao_user_permission_tokens{{{PERMISSION}}})))"
            ' or on () label_replace(vector(0), "permission", "no permission", "", "")',
            "{{permission}}",
        ),
    )
    board.with_panel(permissions.span(10).height(11))
    board.with_panel(expiring_permissions().span(14).height(11))

    board.with_row(dashboard.Row("Policies"))
    board.with_panel(
        number(
            "Policy violations",
            "Tokens that violate a policy of the exporter's configuration, and users with too many tokens.",
            f"sum({VIOLATIONS}) or vector(0)",
            colors=((None, GREEN), (1, ORANGE)),
        )
        .span(4)
        .height(9)
    )
    by_policy = bars(
        "Violations by policy",
        "Number of violations of each policy in the section `policies` of the configuration.",
        now(
            f"sort_desc(sum by (policy) ({VIOLATIONS}))"
            ' or on () label_replace(vector(0), "policy", "no policy configured", "", "")',
            "{{policy}}",
        ),
    )
    board.with_panel(by_policy.span(8).height(9))
    policy_columns = {"policy": "Policy", "severity": "Severity"}
    violating_users = arranged(
        grid(
            "Users that violate a policy",
            "Users that violate a policy for users, such as by the number of their tokens.",
            rows(f"max by (organization, user_id, user, policy, severity) (yunxiao_user_policy_violation{{{WHO}}})"),
        ),
        {"organization": "Organization", "user": "User"} | policy_columns,
        order="User",
    )
    board.with_panel(violating_users.span(12).height(9))
    violating_tokens = arranged(
        grid(
            "Tokens that violate a policy",
            "One row per token and policy. Exemptions, with a reason and a last day, are part of the configuration.",
            rows(f"max by ({SERIES}, policy, severity) (yunxiao_token_policy_violation{{{WHO}}})"),
        ),
        {"organization": "Organization", "user": "User", "token": "Token", "token_id": "Token id"} | policy_columns,
        order="Severity",
    )
    colors = {name: {"color": color, "index": place} for place, (name, color) in enumerate(SEVERITY_COLORS.items())}
    for panel in (violating_users, violating_tokens):
        panel.override_by_name(
            "Severity",
            [
                field("mappings", [{"type": "value", "options": colors}]),
                field("custom.cellOptions", {"type": "color-text"}),
            ],
        )
    board.with_panel(violating_tokens.span(24).height(10))

    board.with_row(dashboard.Row("Trends and failing users"))
    states = lines(
        "Tokens by state",
        "Number of tokens in each state over time.",
        query(f"sum by (state) (max by (organization, user_id, state) (yunxiao_user_tokens{{{WHO}}}))", "{{state}}"),
    )
    for state, color in STATE_COLORS.items():
        states.override_by_name(state, [field("color", {"mode": "fixed", "fixedColor": color})])
    board.with_panel(states.span(12).height(9))
    failing = arranged(
        grid(
            "Failing users",
            "Users whose last poll failed, with the reason and the age of their data.",
            rows(FAILURE, "A"),
            rows(
                f"(time() - max by (organization, user_id, user) (yunxiao_user_last_success_timestamp_seconds{{{WHO}}}))"
                f" * on (organization, user_id, user) group_right () {FAILURE}"
                f" or on (organization, user_id, user) -{FAILURE}",
                "B",
            ),
        ),
        {"organization": "Organization", "user": "User", "reason": "Reason", "Value #B": "Age of data"},
        order="Age of data",
        descending=True,
    )
    never = {"type": "value", "options": {"-1": {"text": "never polled", "index": 0}}}
    failing.override_by_name(
        "Age of data",
        [
            field("unit", "s"),
            field("decimals", 1),
            field("mappings", [never]),
            *colored(((None, RED), (0, GREEN), (3600, ORANGE), (14_400, RED))),
        ],
    )
    board.with_panel(failing.span(12).height(9))
    return board
