"""Which configuration is used if none is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from exporter.cli import options
from exporter.cli.options import default_config, is_there

PACKAGED = options.DEFAULT_CONFIGS[1]


def test_a_file_in_a_folder_without_access_counts_as_there(monkeypatch: pytest.MonkeyPatch) -> None:
    # Root has access everywhere, so that a mode would not do. Path.exists raises this error.
    def refuse(*_: Any) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refuse)
    assert is_there(Path("config.yaml"))


def test_a_missing_file_is_not_there(tmp_path: Path) -> None:
    assert not is_there(tmp_path / "config.yaml")
    (tmp_path / "config.yaml").touch()
    assert is_there(tmp_path / "config.yaml")


@pytest.mark.parametrize(
    ("there", "used"),
    [(set(), Path("config.yaml")), ({PACKAGED}, PACKAGED), ({Path("config.yaml"), PACKAGED}, Path("config.yaml"))],
)
def test_the_first_configuration_that_is_there_is_used(
    there: set[Path], used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "is_there", lambda file: file in there)
    assert default_config() == used
