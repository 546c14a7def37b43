"""promtool plays the cases of `support.rule_cases` against the rules that the command prints."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml
from support.histories import History, promtool_case, write_rules
from support.rule_cases import CASES, Case

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_rules_raise_the_expected_alerts(case: Case, promtool: str, tmp_path: Path) -> None:
    history = History(case.config)
    case.play(history)
    write_rules(case.config, case.label_names, tmp_path / "rules.yaml")
    document = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [promtool_case(case.name, history, case.expected)],
    }
    (tmp_path / "case.test.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    result = subprocess.run(
        [promtool, "test", "rules", "case.test.yaml"],
        cwd=tmp_path, capture_output=True, encoding="utf-8", check=False, timeout=60,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
