"""The commands as a person or a script meets them: output, errors, exit codes."""

from __future__ import annotations

import csv
import io
import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import openpyxl
import pytest
from support.commands import run
from support.running import ADMIN_TOKEN, ROOT, Running, a_record, a_simulator, command, free_port, get, wait_until
from support.running import write_config as written

from exporter import __version__
from exporter.platform.yunxiao.simulator.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.platform.yunxiao.simulator.server import Simulator


@pytest.fixture
def platform() -> Iterator[Simulator]:
    tokens = {
        "A": [a_record("pt-soon", expires_in=2 * 86400 + 60), a_record("pt-late", expires_in=30 * 86400 + 60)],
        "B": [a_record("pt-never", expires_in=None)],
    }
    with a_simulator(tokens) as simulator:
        yield simulator


def test_tokens_lists_everything_and_finds_nothing_wrong(platform: Simulator, tmp_path: Path) -> None:
    result = command("tokens", "--config.file", str(written(tmp_path, platform, "AB")))
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["USER", "TOKEN", "TOKEN", "ID", "EXPIRES", "AT", "PERMISSIONS"]
    assert [line.split()[2] for line in lines[1:]] == ["pt-soon", "pt-late", "pt-never"]
    assert "expires in 2d" in lines[1]
    assert result.stderr == ""


def test_tokens_in_the_window_exit_with_1(platform: Simulator, tmp_path: Path) -> None:
    config = str(written(tmp_path, platform, "AB"))
    result = command("tokens", "--config.file", config, "--expires-within", "7d", "--output", "json")
    assert result.returncode == 1
    (token,) = json.loads(result.stdout)
    assert (token["token_id"], token["state"]) == ("pt-soon", "active")
    assert 2 * 86400 < token["expires_in_seconds"] <= 2 * 86400 + 60
    assert command("tokens", "--config.file", config, "--expires-within", "1h").returncode == 0


def test_tokens_of_users_that_failed_exit_with_3_and_say_why(platform: Simulator, tmp_path: Path) -> None:
    platform.faults.for_user("B", Fault.parse("403"))
    result = command("tokens", "--config.file", str(written(tmp_path, platform, "AB")), "-o", "csv")
    assert result.returncode == 3
    assert [record["token_id"] for record in csv.DictReader(io.StringIO(result.stdout))] == ["pt-soon", "pt-late"]
    assert "acme: B (B): forbidden: HTTP 403 Forbidden" in result.stderr


def test_tokens_with_a_refused_token_reports_it_once(platform: Simulator, tmp_path: Path) -> None:
    config = written(tmp_path, platform, "AB")
    (tmp_path / "token").write_text("pt-dead_00")
    result = command("tokens", "--config.file", str(config), "--expires-within", "7d")
    assert result.returncode == 2
    assert result.stderr.count("unauthorized: HTTP 401") == 1


def test_a_list_that_cannot_be_written_is_an_error_of_its_own(platform: Simulator, tmp_path: Path) -> None:
    config = written(tmp_path, platform, "AB")
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        result = subprocess.run(
            [sys.executable, "-m", "exporter", "tokens", "--config.file", str(config), "-o", "csv"],
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            check=False,
            cwd=ROOT,
        )
    assert (result.returncode, result.stderr) == (2, "the list cannot be written: No space left on device\n")
    narrow = command("tokens", "--config.file", str(config), env={"PYTHONIOENCODING": "latin-1"})
    assert narrow.returncode == 0


EVIL = "\x1b]0;x\x07acme: forged\x9b31m\u202e\nacme: forged line"


@pytest.mark.parametrize(
    "arguments",
    [
        ["tokens"],
        ["tokens", "-o", "json"],
        ["report", "-o", "markdown"],
        ["report", "-o", "csv"],
        ["check-config", "--probe"],
    ],
)
def test_names_do_not_reach_the_terminal_as_commands(platform: Simulator, tmp_path: Path, arguments: list[str]) -> None:
    platform.faults.for_user("B", Fault.parse("403"))
    platform.faults.for_user("A\x1b[31m", Fault.parse("403"))
    users = [{"id": "A", "name": EVIL}, {"id": "A\x1b[31m", "name": EVIL}, {"id": "B", "name": "李\u3000伟"}]
    config = written(tmp_path, platform, "A", users={"static": users})
    result = command(*arguments, "--config.file", str(config))
    shown = result.stdout + result.stderr
    assert not [char for char in shown if not char.isprintable() and char not in "\n\u3000"]
    assert not [line for line in result.stderr.split("\n") if line.startswith("acme: forged")]
    # A cell of CSV may have several lines, in quotes.
    assert "csv" in arguments or "\nacme: forged" not in result.stdout
    assert "李\u3000伟 (B)" in result.stderr or arguments[0] == "check-config"


def test_keys_of_a_configuration_do_not_reach_the_terminal_as_commands(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text('organizations:\n  - "bad\\e]0;T\\akey\\nc.yaml: forged": 1\n    name: "a\\e[31mX"\n')
    result = command("check-config", "--config.file", str(config))
    assert result.returncode == 1
    assert "organizations[0].bad\ufffd]0;T\ufffdkey\ufffdc.yaml: forged: unknown key" in result.stderr
    assert all(line.isprintable() and not line.startswith("c.yaml") for line in result.stderr.splitlines())


HOSTILE = ("<img src=x onerror=alert(1)>", "=cmd|' /C calc'!A0", "a;=1+1")
OUTPUTS = [
    *(["tokens", "--wide", "-o", form] for form in ("table", "json", "csv", "xlsx", "ics", "prometheus")),
    *(["report", "-o", form] for form in ("html", "markdown", "csv", "json", "xlsx")),
    ["report", "--language", "zh", "-o", "html"],
]


@pytest.mark.parametrize("arguments", OUTPUTS, ids=" ".join)
def test_hostile_names_are_text_in_every_output(tmp_path: Path, arguments: list[str]) -> None:
    records = [a_record(f"pt-{number}", name=name) for number, name in enumerate(HOSTILE)]
    file = tmp_path / "out"
    with a_simulator({"A": records}) as platform:
        config = written(tmp_path, platform, "A", users={"static": [{"id": "A", "name": HOSTILE[1]}]})
        config.write_text(config.read_text() + "policies: {max_lifetime: {limit: 1h}}\n")
        result = run(*arguments, "-c", str(config), "--output-file", str(file))
    assert (result.returncode, result.stderr) == (0, "")
    content = file.read_bytes()
    if arguments[-1] == "xlsx":
        found = [
            cell for sheet in openpyxl.load_workbook(io.BytesIO(content)) for row in sheet.iter_rows() for cell in row
        ]
        assert {*HOSTILE} <= {cell.value for cell in found}
        assert {cell.data_type for cell in found} <= {"s", "n", "d"}
        return
    text = content.decode("utf-8-sig")
    # Quoted for HTML, Markdown or iCalendar, or as it is.
    assert any(name in text.replace("\\", "").replace("\r\n ", "") for name in ("=cmd|", "=cmd\\|"))
    if arguments[-1] == "html":
        assert "<img" not in text
    if arguments[-1] == "markdown":
        assert "<img" not in text.replace("\\<", "")
    if arguments[-1] == "csv":
        rows = [row for mark in ",;\t" for row in csv.reader(io.StringIO(text), delimiter=mark)]
        cells = [cell for row in rows for cell in row]
        assert not [cell for cell in cells if cell.lstrip('" ').startswith(("=", "+", "@"))]


def test_filters_formats_and_files(platform: Simulator, tmp_path: Path) -> None:
    config = str(written(tmp_path, platform, "AB"))

    def listed(*arguments: str) -> list[str]:
        result = run("tokens", "-c", config, "-o", "json", *arguments)
        assert (result.returncode, result.stderr) == (0, "")
        return [one["token_id"] for one in json.loads(result.stdout)]

    assert listed("--user", "b") == ["pt-never"]
    assert listed("--state", "active", "--top", "1") == ["pt-soon"]
    assert listed("--organization", "acme", "--permission", "base_user_*") == ["pt-soon", "pt-late", "pt-never"]
    assert listed("--owner", "*") == []
    file = tmp_path / "tokens.csv"
    assert run("tokens", "-c", config, "--output-file", str(file)).returncode == 0
    assert file.read_bytes().startswith(b"\xef\xbb\xbforganization,")
    assert run("tokens", "-c", config, "--output-file", str(file), "--no-bom").returncode == 0
    assert file.read_bytes().startswith(b"organization,")
    assert run("tokens", "-c", config, "--output-file", "-", "-o", "csv", "--bom").stdout.startswith("\ufefforgan")
    unknown = run("tokens", "-c", config, "--output-file", str(tmp_path / "tokens.pdf"))
    assert (unknown.returncode, "the suffix .pdf belongs to no format" in unknown.stderr) == (2, True)
    columns = run("tokens", "-c", config, "--columns", "token_id,colour")
    assert (columns.returncode, "unknown: colour; there are expires, organization" in columns.stderr) == (2, True)
    assert run("tokens", "-c", config, "--columns", "token_id,state").stdout.splitlines()[1:] == [
        "pt-soon   active",
        "pt-late   active",
        "pt-never  never_expires",
    ]


def test_a_ci_job_works_with_one_failing_user(platform: Simulator, tmp_path: Path) -> None:
    platform.faults.for_user("B", Fault.parse("403"))
    config = str(written(tmp_path, platform, "AB"))

    def code(*arguments: str) -> int:
        return run("tokens", "-c", config, *arguments).returncode

    assert code("--expires-within", "1h") == 3
    assert code("--expires-within", "1h", "--allow-failed", "1") == 0
    assert code("--expires-within", "7d", "--allow-failed", "1") == 1
    assert code("--expires-within", "7d") == 1
    platform.faults.for_user("A", Fault.parse("403"))
    assert code("--allow-failed", "5") == 2


def test_a_report_shows_what_was_fixed_since_another(platform: Simulator, tmp_path: Path) -> None:
    config = written(tmp_path, platform, "AB")
    config.write_text(config.read_text() + "policies: {never_expires: forbid}\n")
    old = tmp_path / "old.json"
    assert run("report", "-c", str(config), "--output-file", str(old)).returncode == 0
    platform.enterprise.set_tokens("B", [])
    result = run("report", "-c", str(config), "-o", "json", "--compare", str(old))
    comparison = json.loads(result.stdout)["comparison"]
    assert [(one["token_id"], one["problem"]) for one in comparison["fixed"]] == [("pt-never", "never_expires")]
    assert comparison["new"] == []
    config.write_text("")
    refused = run("report", "-c", str(written(tmp_path, platform, "AB")), "-o", "json", "--compare", str(config))
    assert (refused.returncode, "--compare: " in refused.stderr) == (1, True)


POLICIES = """policies:
  never_expires: {exceptions: [{user: B, reason: machine, until: 2026-01-01}]}
  max_lifetime: {limit: 10d, severity: critical}
"""


def test_tokens_that_break_a_policy_exit_with_1(platform: Simulator, tmp_path: Path) -> None:
    config = written(tmp_path, platform, "AB")
    config.write_text(config.read_text() + POLICIES)
    # pt-late lives for 30 days, pt-soon for 2; the exception for pt-never has run out
    result = command("tokens", "--config.file", str(config), "--policy", "--output", "json")
    assert result.returncode == 1, result.stderr
    found = {token["token_id"]: token["policies"] for token in json.loads(result.stdout)}
    assert found == {"pt-late": ["max_lifetime"], "pt-never": ["never_expires"]}
    result = command("tokens", "--config.file", str(config), "--policy", "max_lifetime", "-o", "csv")
    (record,) = csv.DictReader(io.StringIO(result.stdout))
    assert (record["token_id"], record["policies"]) == ("pt-late", "max_lifetime")
    config.write_text(config.read_text().replace("10d", "60d"))
    assert command("tokens", "--config.file", str(config), "--policy", "max_lifetime").returncode == 0
    assert (
        "ended on 2026-01-01 and no longer exempts tokens"
        in command("check-config", "--config.file", str(config)).stderr
    )


def test_a_check_of_policies_that_could_find_nothing_is_refused(platform: Simulator, tmp_path: Path) -> None:
    config = written(tmp_path, platform, "AB")
    result = command("tokens", "--config.file", str(config), "--policy")
    assert (result.returncode, result.stderr) == (
        2,
        "--policy: the configuration has no policies; give it a section policies\n",
    )
    config.write_text(config.read_text() + POLICIES)
    result = command("tokens", "--config.file", str(config), "--policy", "max_age")
    assert (result.returncode, result.stderr) == (2, "--policy: not in the section policies: max_age\n")
    assert command("tokens", "--config.file", str(config), "--policy", "nonsense").returncode == 2
    assert command("tokens", "--config.file", str(config), "max_lifetime").returncode == 2
    assert platform.requests() == 0


def test_report_in_every_format_and_into_a_file(platform: Simulator, tmp_path: Path) -> None:
    config = written(tmp_path, platform, "AB")
    config.write_text(config.read_text() + POLICIES)
    result = command("report", "--config.file", str(config), "--output", "json")
    assert (result.returncode, result.stderr) == (0, "")
    data = json.loads(result.stdout)
    assert data["tokens_by_state"] == {"active": 2, "expired": 0, "never_expires": 1, "unknown": 0}
    assert {one["policy"]: one["count"] for one in data["violations_by_policy"]} == {
        "max_lifetime": 1,
        "never_expires": 1,
    }
    assert command("report", "--config.file", str(config), "-o", "csv").stdout.startswith("section,organization,")
    assert command("report", "--config.file", str(config), "-o", "markdown").stdout.startswith("# Personal access")
    page = tmp_path / "报告.html"
    result = command("report", "--config.file", str(config), "--output-file", str(page))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    page.chmod(0o644)
    result = command("report", "--config.file", str(config), "--output-file", str(page), "-o", "csv")
    assert page.read_text("utf-8").startswith("\ufeffsection,")
    assert stat.S_IMODE(page.stat().st_mode) == 0o644
    assert sorted(file.name for file in tmp_path.iterdir()) == ["config.yaml", "token", "报告.html"]


def test_a_report_of_a_sweep_that_failed_in_part_says_so_and_exits_with_3(platform: Simulator, tmp_path: Path) -> None:
    platform.faults.for_user("B", Fault.parse("403"))
    page = tmp_path / "report.html"
    config = str(written(tmp_path, platform, "AB"))
    result = command("report", "--config.file", config, "--output-file", str(page))
    assert result.returncode == 3
    assert "acme: B (B): forbidden: HTTP 403 Forbidden" in result.stderr
    assert "This report is incomplete" in page.read_text("utf-8")
    assert "acme: B (B): forbidden: HTTP 403 Forbidden" in page.read_text("utf-8")


def test_a_report_that_cannot_be_written_is_an_error_and_a_device_stays_a_device(
    platform: Simulator, tmp_path: Path
) -> None:
    config = str(written(tmp_path, platform, "AB"))
    nowhere = tmp_path / "nowhere" / "report.html"
    result = command("report", "--config.file", config, "--output-file", str(nowhere))
    assert result.returncode == 2
    assert result.stderr == f"the report cannot be written: {nowhere}: No such file or directory\n"
    result = command("report", "--config.file", config, "--output-file", "/dev/full")
    assert (result.returncode, "No space left on device" in result.stderr) == (2, True)
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)
    link = tmp_path / "link.html"
    link.symlink_to(tmp_path / "real.html")
    assert command("report", "--config.file", config, "--output-file", str(link)).returncode == 0
    assert link.is_symlink()
    assert (tmp_path / "real.html").is_file()


def test_check_config(platform: Simulator, tmp_path: Path) -> None:
    config = written(tmp_path, platform, "AB")
    result = command("check-config", "--config.file", str(config))
    assert (result.returncode, result.stdout) == (0, f"{config}: valid; 1 organization(s), 2 user(s)\n")
    (tmp_path / "token").write_bytes(f"{ADMIN_TOKEN}\n{ADMIN_TOKEN}\n".encode())
    config.write_text(config.read_text().replace("interval: 1s", "interval: fast"))
    result = command("check-config", "--config.file", str(config))
    assert result.returncode == 1
    assert "organizations[0].token_file" in result.stderr
    assert "contains more than one line" in result.stderr
    assert "poll.interval: 'fast' is not a valid duration" in result.stderr
    assert platform.requests() == 0


def test_check_config_checks_the_web_configuration_as_serve_does(platform: Simulator, tmp_path: Path) -> None:
    config, web = written(tmp_path, platform, "AB"), tmp_path / "web.yml"
    arguments = ["--config.file", str(config), "--web.config.file", str(web)]
    for content, fault in (
        ("basic_auth_users: {a: b}\n", "basic_auth_users"),
        ("tls_server_config: {cert_file: none.pem, key_file: none.pem}\n", "none.pem"),
        ("nonsense: 1\n", "nonsense"),
        (None, str(web)),
    ):
        if content is None:
            web.unlink()
        else:
            web.write_text(content)
        checked, served = command("check-config", *arguments), command("serve", *arguments)
        assert (checked.returncode, served.returncode) == (1, 1)
        assert fault in checked.stderr
        assert checked.stderr == served.stderr
    # This refuses every request, which is allowed.
    web.write_text("rate_limit: {interval: 1s, burst: 0}\n")
    checked = command("check-config", *arguments)
    valid = f"{config}: valid; 1 organization(s), 2 user(s)\n{web}: valid\n"
    assert (checked.returncode, checked.stdout) == (0, valid)
    assert checked.stderr.startswith(f"{web}: warning: ")


def test_check_config_lists_the_errors_of_both_files(platform: Simulator, tmp_path: Path) -> None:
    config, web = written(tmp_path, platform, "AB"), tmp_path / "web.yml"
    config.write_text(config.read_text().replace("interval: 1s", "interval: fast"))
    web.write_text("nonsense: 1\n")
    result = command("check-config", "--config.file", str(config), "--web.config.file", str(web))
    assert result.returncode == 1
    assert "poll.interval" in result.stderr
    assert "nonsense" in result.stderr


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\xff\xfe\x00", b"a: [", b"{}", b"- 1", b"a: 2026-12-31"])
def test_an_invalid_file_is_an_error_and_never_a_traceback(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(content)
    for arguments in (["check-config"], ["serve"], ["tokens"]):
        result = command(*arguments, "--config.file", str(file), env={"LANG": "C", "LC_ALL": "C"})
        assert result.returncode == (2 if arguments == ["tokens"] else 1)
        assert result.stderr.startswith(f"{file}:")
        assert "Traceback" not in result.stderr


def test_the_example_configuration_is_valid() -> None:
    result = command("check-config", "--config.file", "config.example.yaml", env={"YUNXIAO_TOKEN": "pt-x_y"})
    assert result.returncode == 0, result.stderr


def test_version_and_usage() -> None:
    assert command("--version").stdout == f"yunxiao-token-exporter {__version__}\n"
    assert command("serve").returncode == 2
    assert command("nonsense").returncode == 2
    assert command("tokens", "--config.file", "x", "--expires-within", "soon").returncode == 2


@pytest.mark.parametrize("name", ["serve", "demo", "tokens", "report", "check-config"])
def test_help_names_the_environment_variable_of_every_flag(name: str) -> None:
    text = command(name, "--help", env={"COLUMNS": "200"}).stdout
    options = re.split(r"\n  -+", text)[1:]
    unnamed = [option for option in options if not re.search(r"env\s+var:\s+YUNXIAO_TOKEN_EXPORTER_", option)]
    assert len(options) > 1
    assert [option.split()[0] for option in unnamed] == ["h,"]


def test_a_flag_may_come_from_the_environment(platform: Simulator, tmp_path: Path) -> None:
    config = str(written(tmp_path, platform, "AB"))
    env = {"YUNXIAO_TOKEN_EXPORTER_CONFIG_FILE": config, "YUNXIAO_TOKEN_EXPORTER_EXPIRES_WITHIN": "7d"}
    assert command("tokens", env=env).returncode == 1


def test_demo_on_all_interfaces_says_so_and_has_nothing_to_warn_about(tmp_path: Path) -> None:
    arguments = [sys.executable, "-u", "-m", "exporter", "demo", "--web.listen-address", f":{free_port()}"]
    with Running(arguments, env={"TMPDIR": str(tmp_path)}) as demo:
        wait_until(lambda: "sweep completed" in demo.output)
        assert "It listens on all interfaces: anyone who can reach this machine" in demo.output
        assert "level=warn" not in demo.output


def test_demo_prints_its_address_and_serves(tmp_path: Path) -> None:
    port = free_port()
    arguments = [
        sys.executable,
        "-u",
        "-m",
        "exporter",
        "demo",
        "--no-lively",
        "--web.listen-address",
        f"127.0.0.1:{port}",
    ]
    with Running(arguments, env={"TMPDIR": str(tmp_path)}) as demo:
        wait_until(lambda: "sweep completed" in demo.output)
        assert f"Exporter: http://127.0.0.1:{port}/" in demo.output
        text = get(f"http://127.0.0.1:{port}/metrics").text
        assert text.count("\nyunxiao_user_up{") == 25
        assert "all interfaces" not in demo.output
        demo.process.terminate()
        assert demo.ended() == 0
    assert list(tmp_path.iterdir()) == []
    assert (ROOT / "exporter").is_dir()
