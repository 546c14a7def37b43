"""Keeps what the test run showed, so that the last test can look for secrets in all of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from support import running

from exporter.common import logs
from exporter.common.log_options import Format, Level

if TYPE_CHECKING:
    from collections.abc import Generator

_LAST = "test_no_secret_shown"
_FIRST = ("tests/e2e/test_soak.py", "tests/integration/test_alert_fidelity.py", "tests/e2e/")
"""The files that take longest: if they came last, they would run alone."""

# How long an example takes says more about what else the machine does than about the code.
hypothesis.settings.register_profile("exporter", deadline=None)
hypothesis.settings.load_profile("exporter")


@pytest.fixture(scope="session", autouse=True)
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for all that the tests and the processes they start print, log and serve; one for several workers."""
    shared = os.environ.get("EVIDENCE_FOLDER")
    running.EVIDENCE = tmp_path_factory.mktemp("evidence") if shared is None else Path(shared)
    logs.configure(Level.DEBUG, Format.LOGFMT)
    return running.EVIDENCE


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if running.EVIDENCE is not None:
        shown = [report.longreprtext, *(content for _, content in report.sections)]
        running.keep(f"report {item.nodeid} {report.when}", "\n".join(shown).encode("utf-8", "replace"))
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests come first, and the search for secrets last, when there is everything to search."""

    def place(item: pytest.Item) -> int:
        if _LAST in item.nodeid:
            return len(_FIRST) + 1
        return next((number for number, name in enumerate(_FIRST) if name in item.nodeid), len(_FIRST))

    items.sort(key=place)


@pytest.fixture
def chromium() -> str:
    return needed("chromium")


@pytest.fixture
def prometheus() -> str:
    return needed("prometheus")


@pytest.fixture
def promtool() -> str:
    return needed("promtool")


@pytest.fixture
def alertmanager() -> str:
    return needed("prometheus-alertmanager")


@pytest.fixture
def amtool() -> str:
    return needed("amtool")


@pytest.fixture(scope="session")
def victoriametrics() -> str:
    return needed("victoria-metrics")


@pytest.fixture(scope="session")
def vmalert() -> str:
    return needed("vmalert")


@pytest.fixture
def redis_server() -> str:
    return needed("redis-server")


@pytest.fixture
def faketime() -> str:
    return needed("faketime")


@pytest.fixture
def systemd_socket_activate() -> str:
    return needed("systemd-socket-activate")


@pytest.fixture
def systemd_analyze() -> str:
    return needed("systemd-analyze")


def needed(command: str) -> str:
    """The path of a server or tool from Debian's packages; without it a test is skipped, but fails under CI."""
    if (path := shutil.which(command)) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{command} is missing; scripts/debian-packages.sh test installs it")
        pytest.skip(f"{command} is missing")
    return path
