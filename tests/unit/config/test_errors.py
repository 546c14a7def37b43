from __future__ import annotations

import pytest

from exporter.common.redaction import Redactor
from exporter.config.errors import ConfigError, Fault, KeyPath, path_text


@pytest.mark.parametrize(
    ("path", "text"),
    [((), ""), (("a",), "a"), (("a", 0, "b"), "a[0].b"), ((0, "a"), "[0].a")],
)
def test_key_paths_as_text(path: KeyPath, text: str) -> None:
    assert path_text(path) == text


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault("c.yaml", None, "", "is empty"), "c.yaml: is empty"),
        (Fault("c.yaml", 3, "", "is empty", "fill it"), "c.yaml:3: is empty; fill it"),
        (Fault("c.yaml", 3, "a.b", "is empty", "fill it"), "c.yaml:3: a.b: is empty; fill it"),
        (Fault("c.yaml", 3, "a\nb", "is empty"), "c.yaml:3: a\ufffdb: is empty"),
    ],
)
def test_a_fault_is_one_line(fault: Fault, text: str) -> None:
    assert str(fault) == text


def test_an_error_shows_a_hundred_faults_and_counts_the_rest() -> None:
    error = ConfigError(tuple(Fault("c.yaml", line, "", "is empty") for line in range(1, 104)))
    lines = str(error).splitlines()
    assert (len(lines), lines[99], lines[100]) == (101, "c.yaml:100: is empty", "and 3 more")


def test_known_secrets_are_removed() -> None:
    redactor = Redactor()
    redactor.add("hunter2")
    error = ConfigError((Fault("hunter2.yaml", 1, "hunter2", "hunter2 is wrong", "not hunter2"),)).cleaned(redactor)
    assert "hunter2" not in str(error)
