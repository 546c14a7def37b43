"""The daemon checks the exporter's own token."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from support.running import SUCCESSOR, Exporter, a_record, a_simulator, wait_until, write_config

from exporter.platform.yunxiao.simulator.faults import Fault, Quirks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.platform.yunxiao.simulator.server import Simulator

EXPIRY = 'yunxiao_exporter_token_expiry_timestamp_seconds{organization="acme"}'
DAY = 86400


@pytest.fixture
def platform() -> Iterator[Simulator]:
    with a_simulator({"u1": [a_record()]}) as simulator:
        yield simulator


@pytest.mark.parametrize("quirks", [Quirks(), Quirks(masked_ids=True), Quirks(older_caller=True)])
def test_the_expiry_is_a_series_and_a_line_at_the_start(platform: Simulator, tmp_path: Path, quirks: Quirks) -> None:
    platform.faults.quirks = quirks
    platform.own_expires_at = float(int(time.time()) + 12 * DAY + 60)
    with Exporter(write_config(tmp_path, platform, ["u1"])).ready() as exporter:
        wait_until(lambda: exporter.samples().get(EXPIRY) == platform.own_expires_at)
        assert "own token expires in 12d" in exporter.output


def test_a_token_that_never_expires(platform: Simulator, tmp_path: Path) -> None:
    platform.own_expires_at = None
    with Exporter(write_config(tmp_path, platform, ["u1"])).ready() as exporter:
        wait_until(lambda: exporter.samples().get(EXPIRY) == float("inf"))
        assert "own token never expires" in exporter.output


def test_without_the_scope_there_is_a_log_line_and_no_series(platform: Simulator, tmp_path: Path) -> None:
    platform.faults.for_user("/platform/user", Fault.parse("403"))
    with Exporter(write_config(tmp_path, platform, ["u1"])).ready() as exporter:
        wait_until(lambda: "own token is not watched: the platform does not let this token read it" in exporter.output)
        assert EXPIRY not in exporter.samples()
        assert "level=error" not in exporter.output


def test_a_rotation_is_seen_at_once(platform: Simulator, tmp_path: Path) -> None:
    config = write_config(tmp_path, platform, ["u1"], token_file=None, token_files=["token", "next"])
    (tmp_path / "next").write_text(SUCCESSOR)
    first = platform.own_expires_at = float(int(time.time()) + 2 * DAY)
    with Exporter(config).ready() as exporter:
        wait_until(lambda: exporter.samples().get(EXPIRY) == first)
        platform.own_expires_at = first + 90 * DAY
        platform.token = SUCCESSOR
        wait_until(lambda: exporter.samples()[EXPIRY] == first + 90 * DAY)
        assert "poll failed" not in exporter.output
