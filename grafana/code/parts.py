"""Building blocks of the dashboards: variables, queries, and panels with title, description and unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.builders import (
    barchart,
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
RUNBOOKS = "https://github.com/yunxiao-token-exporter/yunxiao-token-exporter/blob/main/docs/runbooks/README.md"
OVERVIEW = "yunxiao-tokens"
HEALTH = "yunxiao-token-exporter"
DAY = 86_400
RED, ORANGE, YELLOW, GREEN, BLUE, PURPLE = "red", "orange", "yellow", "green", "blue", "purple"
URGENT = ((None, "dark-red"), (0, RED), (3 * DAY, ORANGE), (14 * DAY, GREEN))
"""Colours for the seconds left, by the default alert thresholds."""


PAGE = "page"
"""The label with the address of the exporter's page of a user."""
ONLY_THIS_USER = {
    "title": "Show only this user",
    "url": f"/d/{OVERVIEW}?${{__url_time_range}}&${{datasource:queryparam}}&${{organization:queryparam}}"
    "&${exporter_url:queryparam}&var-user=${__value.raw:percentencode}",
}
THE_EXPORTERS_PAGE = {
    "title": "Open the exporter's page of this user",
    "url": "${__value.raw}",
    "targetBlank": True,
}


def with_page(expr: str) -> str:
    """The series with the address of the exporter's page of their user as a label; without it if $exporter_url is empty.

    A data link alone would lead nowhere while the variable is empty.
    """
    user = f'label_join({expr}, "{PAGE}", "/", "organization", "user_id")'
    address = f'label_replace({user}, "{PAGE}", "$exporter_url/users/$1", "{PAGE}", "(.*)")'
    return f'label_replace({address}, "{PAGE}", "", "{PAGE}", "/.*")'


def variable(name: str, query: str, label: str) -> dashboard.QueryVariable:
    """A variable with values from Prometheus; several or all can be selected."""
    every = models.VariableOption(selected=True, text=["All"], value=["$__all"])
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": query, "refId": name})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(every)
    )


def constant(name: str, value: float, description: str) -> dashboard.ConstantVariable:
    """A hidden variable with a fixed value, which the command dashboards takes from a configuration."""
    return dashboard.ConstantVariable(name).description(description).value(f"{value:g}")


def text_box(name: str, label: str, description: str) -> dashboard.TextBoxVariable:
    """A text box, empty by default."""
    empty = models.VariableOption(selected=True, text="", value="")
    return dashboard.TextBoxVariable(name).label(label).description(description).default_value("").current(empty)


def choice(name: str, label: str, values: Sequence[str], description: str) -> dashboard.CustomVariable:
    """A variable with fixed values, the first of which is selected."""
    options = [models.VariableOption(selected=value == values[0], text=value, value=value) for value in values]
    return (
        dashboard.CustomVariable(name)
        .label(label)
        .description(description)
        .values(",".join(values))
        .options(options)
        .current(options[0])
        .allow_custom_value(True)
    )


def events(name: str, expr: str, color: str, title: str) -> dashboard.AnnotationQuery:
    """Annotations at the times, in milliseconds, that the series of an expression have as values."""
    return (
        dashboard.AnnotationQuery()
        .name(name)
        .datasource(SOURCE)
        .enable(True)
        .icon_color(color)
        .expr(expr)
        .use_value_for_time(True)
        .title_format(title)
        .tag_keys("organization")
    )


def a_dashboard(uid: str, title: str, description: str, other: tuple[str, str]) -> dashboard.Dashboard:
    """An empty dashboard with the shared variables and links to the other dashboard and the runbooks."""
    link = (
        dashboard.DashboardLink(other[1])
        .type(models.DashboardLinkType.LINK)
        .url(f"/d/{other[0]}")
        .icon("dashboard")
        .include_vars(True)
        .keep_time(True)
    )
    runbooks = (
        dashboard.DashboardLink("Runbooks")
        .type(models.DashboardLinkType.LINK)
        .url(RUNBOOKS)
        .icon("doc")
        .target_blank(True)
    )
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["yunxiao", "tokens"])
        .readonly()
        .refresh("1m")
        .time("now-24h", "now")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(link)
        .link(runbooks)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(variable("organization", "label_values(yunxiao_users, organization)", "Organization"))
    )


def query(expr: str, legend: str = "", ref: str = "A") -> prometheus.Dataquery:
    """A query over the time range."""
    return prometheus.Dataquery().expr(expr).range().legend_format(legend).ref_id(ref)


def now(expr: str, legend: str = "", ref: str = "A") -> prometheus.Dataquery:
    """A query for the current value."""
    return prometheus.Dataquery().expr(expr).instant().legend_format(legend).ref_id(ref)


def rows(expr: str, ref: str = "A") -> prometheus.Dataquery:
    """A query for the current values as rows of a table."""
    return now(expr, "", ref).format(PromQueryFormat.TABLE)


def steps(pairs: Iterable[tuple[float | None, str]]) -> dashboard.ThresholdsConfig:
    """Colours by threshold; None in the first pair means everything below the second."""
    found = [models.Threshold(value=value, color=color) for value, color in pairs]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(found)


def number(
    title: str, description: str, expr: str, *, unit: str = "short", colors: Sequence[tuple[float | None, str]]
) -> stat.Panel:
    """One number. Without data it shows "no data"; queries that count end in `or vector(0)` to show 0 instead."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(now(expr))
        .unit(unit)
        .no_value("no data")
        .thresholds(steps(colors))
        .color_mode(common_models.BigValueColorMode.VALUE)
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .text_mode(common_models.BigValueTextMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
        .height(4)
    )


def lines(title: str, description: str, *queries: prometheus.Dataquery, unit: str = "short") -> timeseries.Panel:
    """Lines over time."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .line_width(1)
        .fill_opacity(8)
        .show_points(common_models.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(common_models.LegendDisplayMode.LIST)
            .placement(common_models.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_models.TooltipDisplayMode.MULTI)
            .sort(common_models.SortOrder.DESCENDING)
        )
        .height(8)
    )
    for one in queries:
        panel.with_target(one)
    return panel


def counts(title: str, description: str, *queries: prometheus.Dataquery) -> timeseries.Panel:
    """Stacked columns over time, for numbers of events."""
    for one in queries:
        one.interval("5m")  # so that each range has several samples
    return (
        lines(title, description, *queries)
        .draw_style(common_models.GraphDrawStyle.BARS)
        .fill_opacity(70)
        .stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL))
    )


def bars(title: str, description: str, target: prometheus.Dataquery, *, unit: str = "short") -> bargauge.Panel:
    """A bar for each series, longest first."""
    return (
        bargauge.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(target)
        .unit(unit)
        .min(0)
        .thresholds(steps([(None, BLUE)]))
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .display_mode(common_models.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
    )


def columns(title: str, description: str, target: prometheus.Dataquery, x: str) -> barchart.Panel:
    """A column for each row, over the field x."""
    return (
        barchart.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(target)
        .unit("short")
        .decimals(0)
        .min(0)
        .thresholds(steps([(None, BLUE)]))
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .x_field(x)
        .bar_width(0.8)
        .legend(
            common.VizLegendOptions()
            .display_mode(common_models.LegendDisplayMode.LIST)
            .placement(common_models.LegendPlacement.BOTTOM)
            .show_legend(False)
        )
        .height(8)
    )


def heat(title: str, description: str, expr: str, *, unit: str) -> heatmap.Panel:
    """The distribution of a histogram over time."""
    return (
        heatmap.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(query(expr, "{{le}}").format(PromQueryFormat.HEATMAP))
        .calculate(False)
        .color(heatmap.HeatmapColorOptions().mode(heatmap_models.HeatmapColorMode.SCHEME).scheme("Oranges").steps(64))
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .show_legend()
        .height(8)
    )


def grid(title: str, description: str, *queries: prometheus.Dataquery) -> table.Panel:
    """A table whose rows come from queries with the same labels."""
    panel = table.Panel().title(title).description(description).datasource(SOURCE).unit("short").height(10)
    for one in queries:
        panel.with_target(one)
    if len(queries) > 1:
        panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    return panel


UNNAMED = ("Time", "user_id", "token_id", "Value", "Value #A")
"""Columns that a table has only if it names them."""


def arranged(panel: table.Panel, names: dict[str, str], *, order: str, descending: bool = False) -> table.Panel:
    """The table with only these columns under these headings, sorted by one of them."""
    options: dict[str, Any] = {
        "excludeByName": {name: True for name in UNNAMED if name not in names},
        "includeByName": {},
        "indexByName": {name: position for position, name in enumerate(names)},
        "renameByName": names,
    }
    # With Grafana's minimum of 150 pixels, the last column, the most important one, is not visible on a small screen.
    panel.override_by_regexp(".*", [field("custom.minWidth", 60)])
    panel.filterable(True)
    if "Organization" in names.values():
        panel.override_by_name("Organization", [field("custom.minWidth", 125)])
    if "User" in names.values():
        panel.override_by_name("User", [field("links", [ONLY_THIS_USER])])
    if PAGE in names:
        opened = {"type": "regex", "options": {"pattern": ".*", "result": {"text": "open", "index": 0}}}
        panel.override_by_name(
            names[PAGE],
            [
                field("links", [THE_EXPORTERS_PAGE]),
                field("mappings", [opened]),
                field("custom.width", 70),
                field("custom.filterable", False),
            ],
        )
    return panel.with_transformation(models.DataTransformerConfig(id_val="organize", options=options)).sort_by(
        [common.TableSortByFieldState().display_name(order).desc(descending)]
    )


def field(name: str, value: object) -> models.DynamicConfigValue:
    """One property of an override."""
    return models.DynamicConfigValue(id_val=name, value=value)


def worded(results: dict[str, tuple[str, str]] | dict[str, str]) -> list[models.DynamicConfigValue]:
    """Properties that show each value of a column in a colour, and in other words if there are any."""
    options = {
        value: {"color": result, "index": place}
        if isinstance(result, str)
        else {"text": result[0], "color": result[1], "index": place}
        for place, (value, result) in enumerate(results.items())
    }
    return [
        field("mappings", [{"type": "value", "options": options}]),
        field("custom.cellOptions", {"type": "color-text"}),
    ]


def colored(pairs: Iterable[tuple[float | None, str]]) -> list[models.DynamicConfigValue]:
    """Properties that show a column's text in the colours of thresholds."""
    return [
        field(
            "thresholds", {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in pairs]}
        ),
        field("custom.cellOptions", {"type": "color-text"}),
    ]
