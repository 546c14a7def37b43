"""Runs last: nothing that the whole run printed, logged, served or raised, at debug level, holds a secret."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from support.running import SECRETS

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_nothing_shown_in_the_whole_run_holds_a_secret(evidence: Path, request: pytest.FixtureRequest) -> None:
    files = sorted(evidence.iterdir())
    assert files
    if "EVIDENCE_FOLDER" in os.environ or len(request.session.items) > 100:
        # A whole run: the search must have had the daemons' logs, the served bodies and the tests' reports before it.
        for kind in ("process.log", "GET_http", "command_", "report_"):
            assert any(kind in file.name for file in files), kind
        assert any(b"level=debug" in file.read_bytes() for file in files if "process.log" in file.name)
    leaks = [file.name for file in files for secret in SECRETS if secret.encode() in file.read_bytes()]
    assert leaks == []


def test_the_search_would_find_a_secret(tmp_path: Path) -> None:
    assert all(len(secret) > 10 for secret in SECRETS)
    (tmp_path / "x").write_bytes(b"..." + SECRETS[0].encode() + b"...")
    assert SECRETS[0].encode() in (tmp_path / "x").read_bytes()
