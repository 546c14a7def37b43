"""The command line before any command runs: it must answer at once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from exporter import __version__

_LOADED = """
import sys
from exporter.cli import main
try:
    main()
finally:
    print(*sorted(sys.modules), sep="\\n", file=sys.stderr)
"""
# Without pydantic: Typer imports it itself to read the options of a command.
_SLOW = {"bcrypt", "jinja2", "msgspec", "redis", "requests", "rich", "starlette", "structlog", "uvicorn"}
_COMMANDS = (
    "serve",
    "demo",
    "tokens",
    "report",
    "events",
    "rules",
    "dashboards",
    "check-config",
    "config-schema",
    "init",
    "healthcheck",
    "completion",
)
_OWN = {"exporter.app.daemon", "exporter.app.organization", "exporter.common.fields", "exporter.config.load"}


@pytest.mark.parametrize(
    "arguments",
    [["--version"], ["--help"], *([name, "--help"] for name in _COMMANDS)],
)
def test_version_and_help_import_no_library_that_only_commands_need(arguments: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _LOADED, *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        env={**os.environ, "COLUMNS": "120"},
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith((f"yunxiao-token-exporter {__version__}\n", "Usage: "))
    loaded = set(result.stderr.splitlines())
    assert {"typer", "exporter.cli.serve"} <= loaded
    assert loaded & (_SLOW | _OWN) == set()
