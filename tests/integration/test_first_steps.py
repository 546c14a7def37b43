"""The first steps with a new installation: a first configuration, its schema, help and completion."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import pty
import re
import select
import signal
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from support.running import ADMIN_TOKEN, ROOT, a_record, a_simulator, command, keep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.platform.yunxiao.simulator.server import Simulator

COMMANDS = ("serve", "demo", "tokens", "report", "check-config", "config-schema", "init", "rules", "completion")

PROGRAM = "import sys; sys.argv[0] = 'yunxiao-token-exporter'; from exporter.cli import main; main()"


@pytest.fixture
def platform() -> Iterator[Simulator]:
    with a_simulator({"A": [a_record("pt-soon")]}) as simulator:
        yield simulator


def init(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`init` in a folder, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "exporter", "init", *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_a_first_configuration_is_tried_written_and_used_without_a_flag(platform: Simulator, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(ADMIN_TOKEN)
    result = init(tmp_path, "--endpoint", platform.url, "--token-file", "token", "--name", "acme")
    assert result.returncode == 0, result.stderr
    assert "acme: discovery: 1 user(s)" in result.stderr
    assert result.stdout == ("config.yaml: written. Next: yunxiao-token-exporter serve --config.file config.yaml\n")
    config = tmp_path / "config.yaml"
    assert stat.S_IMODE(config.stat().st_mode) == 0o644
    assert ADMIN_TOKEN not in config.read_text() + result.stdout + result.stderr
    listed = subprocess.run(
        [sys.executable, "-m", "exporter", "tokens", "-o", "json"],
        capture_output=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert [one["token_id"] for one in json.loads(listed.stdout)] == ["pt-soon"]


def test_a_configuration_that_the_platform_refuses_is_not_written(platform: Simulator, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("pt-dead_00")
    arguments = ("--endpoint", platform.url, "--token-file", "token", "--user", "A")
    result = init(tmp_path, *arguments)
    assert result.returncode == 1
    assert "caller: failed: unauthorized" in result.stderr
    assert result.stderr.endswith("write it as it is with --no-probe\n")
    assert not (tmp_path / "config.yaml").exists()
    # the hint, obeyed, works
    assert init(tmp_path, *arguments, "--no-probe").returncode == 0
    again = init(tmp_path, *arguments, "--no-probe")
    assert (again.returncode, again.stderr) == (
        1,
        "config.yaml exists; choose another --output-file, or replace it with --force\n",
    )
    assert init(tmp_path, *arguments, "--no-probe", "--force").returncode == 0


def test_without_a_terminal_missing_answers_are_usage_errors(tmp_path: Path) -> None:
    result = init(tmp_path)
    assert result.returncode == 2
    assert "--endpoint: is missing, and there is no terminal to ask on" in result.stderr
    result = init(tmp_path, "--endpoint", "https://acme.example.com", "--token-file", "none")
    assert (result.returncode, result.stderr) == (
        1,
        "--token-file: none does not exist; write the token of an enterprise administrator into it\n",
    )
    (tmp_path / "token").write_text(ADMIN_TOKEN)
    result = init(tmp_path, "--endpoint", "acme", "--token-file", "token")
    assert result.returncode == 1
    assert "organizations[0].endpoint: " in result.stderr


def test_on_a_terminal_it_asks_and_keeps_the_token_secret(platform: Simulator, tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "exporter", "init"]
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        os.execve(sys.executable, arguments, {**os.environ, "PYTHONPATH": str(ROOT)})
    shown = ""
    answers = {"Address of the platform": platform.url, "File with the": "token", "Token, to be": ADMIN_TOKEN}
    answers["Name of the organization"] = "acme"
    end = time.monotonic() + 60
    try:
        while time.monotonic() < end:
            if select.select([terminal], [], [], 0.2)[0]:
                try:
                    part = os.read(terminal, 4096)
                except OSError:
                    break
                if not part:
                    break
                shown += part.decode("utf-8", "replace")
            for question in [one for one in answers if one in shown and shown.rstrip().endswith(":")]:
                os.write(terminal, f"{answers.pop(question)}\n".encode())
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.close(terminal)
    keep("init on a terminal", shown.encode())
    assert (code, answers) == (0, {}), shown
    assert ADMIN_TOKEN not in shown
    token = tmp_path / "token"
    assert (token.read_text(), stat.S_IMODE(token.stat().st_mode)) == (f"{ADMIN_TOKEN}\n", 0o600)
    assert 'token_file: "token"' in (tmp_path / "config.yaml").read_text()


def _plain(value: Any) -> Any:
    """As YAML 1.2, which editors read, has it: dates are text."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, dt.date) else value


def test_the_schema_of_the_configuration_accepts_the_example_and_the_first_one(
    platform: Simulator, tmp_path: Path
) -> None:
    result = command("config-schema")
    assert result.returncode == 0
    schema = json.loads(result.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    (tmp_path / "token").write_text(ADMIN_TOKEN)
    init(tmp_path, "--endpoint", platform.url, "--token-file", "token", "--no-probe")
    for file in (ROOT / "config.example.yaml", tmp_path / "config.yaml"):
        assert [one.message for one in check.iter_errors(_plain(yaml.safe_load(file.read_text())))] == []
    faulty = {"poll": {"interval": 15}, "organizations": [{"name": "a", "endpoint": "x", "users": {}, "colour": 1}]}
    assert len(list(check.iter_errors(faulty))) == 2
    file = tmp_path / "config.schema.json"
    assert command("config-schema", "--output-file", str(file)).returncode == 0
    assert file.read_text() == result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_whole_has_examples_and_names_no_python_type(name: str) -> None:
    text = command(name, "--help", env={"COLUMNS": "80"}).stdout
    assert text.startswith("Usage: ")
    assert "\n  Examples:\n    yunxiao-token-exporter " in text
    assert not re.search(r"<[a-z]+[\[> ]|\[\[|list\[|\{[A-Z]", text.partition("Examples:")[0])


def test_the_list_of_commands_is_whole() -> None:
    text = command("--help", env={"COLUMNS": "80"}).stdout
    assert "..." not in text.partition("Commands:")[2]
    assert [line.split()[0] for line in text.partition("Commands:\n")[2].splitlines()][:2] == ["init", "serve"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [("tok", ["tokens"]), ("tokens --output-", ["--output-file"]), ("report --language ", ["en", "zh"])],
)
def test_a_shell_completes_commands_options_and_values(words: str, expected: list[str], tmp_path: Path) -> None:
    line = f"yunxiao-token-exporter {words}"
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        # without a configuration, which completion must not look for
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "_YUNXIAO_TOKEN_EXPORTER_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(line.count(" ")),
        },
    )
    assert (result.stdout.split(), result.stderr) == (expected, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_for_each_shell(shell: str) -> None:
    result = command("completion", shell)
    assert (result.returncode, result.stderr) == (0, "")
    assert "_YUNXIAO_TOKEN_EXPORTER_COMPLETE" in result.stdout
    assert "yunxiao-token-exporter" in result.stdout


def test_without_a_configuration_the_message_says_what_to_do(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "exporter", "check-config"],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert result.returncode == 2
    assert "neither ./config.yaml nor /etc/yunxiao-token-exporter/config.yaml exists" in result.stderr


OUTPUTS = [
    ["--help"],
    ["--version"],
    ["tokens", "--help"],
    ["rules"],
    ["config-schema"],
    ["completion", "bash"],
    ["check-config", "--config.file", "config.example.yaml"],
    ["rules", "--config.file", "config.example.yaml"],
]


@pytest.mark.parametrize("arguments", OUTPUTS, ids=" ".join)
def test_every_command_says_when_its_output_cannot_be_written(arguments: list[str]) -> None:
    env = {**os.environ, "YUNXIAO_TOKEN": "pt-x_y"}
    call = [sys.executable, "-m", "exporter", *arguments]
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        result = subprocess.run(
            call, stdout=full, stderr=subprocess.PIPE, encoding="utf-8", timeout=60, check=False, cwd=ROOT, env=env
        )
    assert (result.returncode, result.stderr) == (1, "the output cannot be written: No space left on device\n")
    # A reader that has ended, such as head, is no error.
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        call, stdout=writer, stderr=subprocess.PIPE, encoding="utf-8", timeout=60, check=False, cwd=ROOT, env=env
    )
    os.close(writer)
    assert (result.returncode, result.stderr) == (0, "")
