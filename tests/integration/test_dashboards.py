"""The dashboards are current, importable and complete, and use only families that exist."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import promql_parser
import pytest
import yaml
from support.dashboards import Query, boards, marks, panels, queries
from support.running import ROOT

from exporter.config.alerting import Alerting
from exporter.metrics.families import ALL_FAMILIES, Kind

if TYPE_CHECKING:
    from pathlib import Path

BOARDS = boards()
UIDS = {"overview": "yunxiao-tokens", "exporter-health": "yunxiao-token-exporter"}


def test_the_json_is_what_the_code_builds() -> None:
    result = subprocess.run(
        [sys.executable, "grafana/code/build.py", "--check"], cwd=ROOT, capture_output=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.parametrize("name", UIDS)
def test_one_file_serves_import_and_provisioning(name: str) -> None:
    board = BOARDS[name]
    assert (board["id"], board["uid"]) == (None, UIDS[name])
    text = json.dumps(board)
    assert "__inputs" not in text
    assert "${DS_" not in text
    sources = {json.dumps(value, sort_keys=True) for value in found(board, "datasource") if value}
    assert sources == {'{"type": "prometheus", "uid": "${datasource}"}'}
    variables = [variable["name"] for variable in board["templating"]["list"]]
    assert variables[:2] == ["datasource", "organization"]
    of_grafana = {"__rate_interval", "__interval", "__all", "__value", "__url_time_range"}
    in_label_replace = {"1"}
    assert {*re.findall(r"\$\{?(\w+)", text)} <= {*variables} | of_grafana | in_label_replace


def found(node: Any, key: str) -> list[Any]:
    if isinstance(node, dict):
        return [value for name, value in node.items() if name == key] + [
            one for value in node.values() for one in found(value, key)
        ]
    return [one for item in node for one in found(item, key)] if isinstance(node, list) else []


@pytest.mark.parametrize("name", UIDS)
def test_every_panel_has_title_description_unit_datasource_and_place(name: str) -> None:
    titles = [panel["title"] for panel in panels(BOARDS[name])]
    assert len(titles) == len(set(titles)) > 10
    for panel in panels(BOARDS[name]):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        unit = panel["fieldConfig"]["defaults"].get("unit") or panel["options"]["yAxis"]["unit"]
        assert unit, panel["title"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24


def test_the_overview_can_be_narrowed_to_organization_user_permission_and_owner() -> None:
    variables = {variable["name"]: variable for variable in BOARDS["overview"]["templating"]["list"]}
    selecting = ["datasource", "organization", "user", "permission", "owner_label", "owner"]
    assert list(variables) == [*selecting, "exporter_url", "warning_days", "critical_days"]
    assert variables["owner_label"]["current"]["value"] == "department"
    assert variables["exporter_url"]["query"] == ""


def test_days_are_the_default_thresholds() -> None:
    values = {variable["name"]: variable["query"] for variable in BOARDS["overview"]["templating"]["list"]}
    defaults = Alerting().thresholds
    assert float(values["warning_days"]) * 86_400 == defaults.warning
    assert float(values["critical_days"]) * 86_400 == defaults.critical


OTHER_OWNERS = 'yunxiao_user_labels{organization=~"$organization", $owner_label!~"$owner"}'
ABOUT_USERS = re.compile(r"yunxiao_(?:user|token|ssh_key)_(?!labels|events_total|last_event)\w+(?=\{)")


def test_every_query_about_users_follows_organization_user_and_owner() -> None:
    for query in queries():
        if query.board == "overview":
            places = [match.end() for match in ABOUT_USERS.finditer(query.expr)]
            selectors = [query.expr[place:].partition("}")[0] for place in places]
            assert all(one.startswith('{organization=~"$organization", user=~"$user"') for one in selectors), (
                query.panel
            )
            filtered = f"unless on (organization, user_id) {OTHER_OWNERS}" in query.expr
            assert filtered == bool(places) or "ALERTS" in query.expr, query.panel


def test_tables_can_be_filtered_and_link_to_pages_only_if_their_address_is_known() -> None:
    for board in BOARDS.values():
        for panel in panels(board):
            if panel["type"] == "table":
                assert panel["fieldConfig"]["defaults"]["custom"]["filterable"], panel["title"]
    linked = [query for query in queries() if "$exporter_url" in query.expr]
    assert {"Next to expire", "Failing users", "Alerts firing now"} <= {query.panel for query in linked}
    for query in linked:
        # An empty address leaves only the path, which is removed.
        assert query.expr.endswith('"page", "", "page", "/.*")'), query.panel
        assert '"page", "$exporter_url/users/$1", "page", "(.*)")' in query.expr


def test_links_and_annotations_are_not_hidden_in_a_menu() -> None:
    for board in BOARDS.values():
        assert not any("placement" in one for one in (*board["links"], *board.get("annotations", {}).get("list", ())))


def test_the_last_change_of_each_kind_is_marked_at_its_time() -> None:
    found_marks = BOARDS["overview"]["annotations"]["list"]
    assert [mark["name"] for mark in found_marks] == ["Permissions widened", "Other changes of tokens"]
    for mark in found_marks:
        assert mark["useValueForTime"]
        assert mark["expr"].startswith(
            "1000 * max by (organization, event) (yunxiao_token_last_event_timestamp_seconds"
        )


def test_panels_have_ids_of_their_own() -> None:
    for board in BOARDS.values():
        every = [panel for outer in board["panels"] for panel in (outer, *outer.get("panels", ()))]
        assert [panel["id"] for panel in every] == list(range(1, len(every) + 1))


def test_they_link_to_each_other_and_to_the_runbooks() -> None:
    links = {name: [link["url"] for link in board["links"]] for name, board in BOARDS.items()}
    assert links["overview"][0] == "/d/yunxiao-token-exporter"
    assert links["exporter-health"][0] == "/d/yunxiao-tokens"
    for urls in links.values():
        assert urls[1].endswith("docs/runbooks/README.md")


@pytest.mark.parametrize("query", [*queries(), *marks()], ids=lambda query: f"{query.board}-{query.panel}")
def test_every_query_is_promql_about_families_that_exist(query: Query) -> None:
    promql_parser.parse(query.filled())
    histograms = [family.name for family in ALL_FAMILIES if family.kind is Kind.HISTOGRAM]
    known = {family.name for family in ALL_FAMILIES} | {f"{name}_bucket" for name in histograms}
    used = set(re.findall(r"\b(yunxiao_\w+|ALERTS(?:_FOR_STATE)?)\b", query.expr))
    assert used
    assert used <= known | {"ALERTS", "ALERTS_FOR_STATE"}
    assert len(re.findall(r"\bALERTS", query.expr)) == query.expr.count('{alertname=~"Yunxiao.+"')
    for counter in re.findall(r"(\w+\([^()]*)?\b\w+_(?:total|bucket)\b", query.expr):
        assert counter.startswith(("rate(", "increase(")), query.expr


def test_rates_use_grafanas_rate_interval() -> None:
    ranges = {match for query in queries() for match in re.findall(r"rate\([^\[]*\[([^\]]+)\]", query.expr)}
    assert ranges == {"$__rate_interval"}


AGES_AND_STATES = {"Oldest data", "Last sweep", "Configuration"}


def test_without_data_counts_show_0_and_ages_and_states_show_no_data() -> None:
    for board in BOARDS.values():
        for panel in panels(board):
            if panel["type"] == "stat":
                shows_0 = panel["targets"][0]["expr"].endswith("or vector(0)")
                assert shows_0 == (panel["title"] not in AGES_AND_STATES), panel["title"]
                assert panel["fieldConfig"]["defaults"]["noValue"] == "no data"


def test_no_watched_users_is_red() -> None:
    (panel,) = [panel for panel in panels(BOARDS["overview"]) if panel["title"] == "Users watched"]
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert (steps[0]["color"], steps[1]["value"]) == ("red", 1)


def test_provisioning_matches_the_compose_file() -> None:
    provisioning = ROOT / "grafana/provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())["datasources"]
    assert source["type"] == "prometheus"
    (provider,) = yaml.safe_load((provisioning / "dashboards/yunxiao.yaml").read_text())["providers"]
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
    mounts = compose["services"]["grafana"]["volumes"]
    assert f"../exporter/dashboards:{provider['options']['path']}:ro" in mounts


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "exporter", "dashboards", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=60, check=False)


def test_the_command_writes_all_dashboards_for_others_to_read(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "dashboards"
    result = run("--output-dir", str(folder))
    names = ["overview.json", "exporter-health.json"]
    assert (result.returncode, result.stdout.splitlines()) == (0, [str(folder / name) for name in names])
    for name in names:
        assert (folder / name).read_bytes() == (ROOT / "exporter/dashboards" / name).read_bytes()
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o644


def test_the_command_prints_one_dashboard() -> None:
    result = run("exporter-health")
    assert (result.returncode, json.loads(result.stdout)) == (0, BOARDS["exporter-health"])


def test_the_command_takes_the_thresholds_of_a_configuration(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    (tmp_path / "token").write_text("pt-x_y")
    config.write_text(
        "organizations: [{name: acme, endpoint: http://127.0.0.1:1, token_file: token, users: {static: [{id: a}]}}]\n"
        "alerting: {thresholds: {warning: 30d, critical: 36h}}\n"
    )
    result = run("overview", "--config.file", str(config))
    assert result.returncode == 0, result.stderr
    variables = {one["name"]: one["query"] for one in json.loads(result.stdout)["templating"]["list"]}
    assert (variables["warning_days"], variables["critical_days"]) == ("30", "1.5")


def test_the_command_says_what_it_needs_and_what_fails(tmp_path: Path) -> None:
    result = run()
    assert result.returncode == 2
    assert "give a directory with --output-dir, or the name of one dashboard to print it" in result.stderr
    (tmp_path / "file").write_text("")
    result = run("--output-dir", str(tmp_path / "file"))
    assert result.returncode == 1
    assert result.stderr == f"the dashboard cannot be written: {tmp_path}/file/overview.json: File exists\n"


def test_the_wheel_contains_the_dashboards(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packaged = {name for name in archive.namelist() if name.startswith("exporter/dashboards/")}
    assert packaged == {
        f"exporter/dashboards/{name}" for name in ("__init__.py", "overview.json", "exporter-health.json")
    }


def test_colours_of_time_left_follow_the_default_thresholds() -> None:
    defaults = Alerting().thresholds
    upcoming = next(panel for panel in panels(BOARDS["overview"]) if panel["title"].startswith("Permissions by"))
    steps = next(value for value in found(upcoming["fieldConfig"]["overrides"], "value") if isinstance(value, dict)
                 and "steps" in value)["steps"]  # fmt: skip
    assert [step["value"] for step in steps] == [None, 0, defaults.critical, defaults.warning]
