from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from exporter.app.auto_reload import AutoReload
from exporter.app.in_force import Current, InForce
from exporter.app.reloader import DEFECT
from exporter.config.content import FileContent
from exporter.config.errors import ConfigError, Fault, ReloadError

if TYPE_CHECKING:
    from exporter.config.settings import Settings

CONFIG = Path("/etc/config.yaml")
INTERVAL, SETTLE = 30.0, 2.0


class Scene:
    """A file, and a reloader that puts it in effect unless `fault` says why not."""

    def __init__(self) -> None:
        self.text = "a"
        self.fault = ""
        self.defect = False
        self.reloads = self.trials = 0
        self.current = Current(self.settings())
        self.auto_reload = AutoReload(self.current, self.load, self.reload, INTERVAL, self.content)

    def settings(self) -> Settings:
        return cast("Settings", SimpleNamespace(content=self.content(CONFIG)))

    def content(self, file: Path) -> FileContent:
        return FileContent(file, self.text)

    def load(self) -> Settings:
        self.trials += 1
        if self.defect:
            raise OverflowError("defect")
        if self.fault:
            raise self.error()
        return self.settings()

    def error(self) -> ConfigError:
        return ConfigError((Fault("config.yaml", 1, "", self.fault),))

    def reload(self) -> None:
        self.reloads += 1
        if self.fault or self.defect:
            self.refuse(DEFECT if self.defect else str(self.error()))
        self.current.replace(InForce(self.settings(), 2))

    def refuse(self, problem: str) -> None:
        value = self.current.value
        self.current.replace(InForce(value.settings, value.generation, value.refused_since or 1.0))
        raise ReloadError(problem)

    @property
    def in_effect(self) -> str:
        content = self.current.value.settings.content
        assert content is not None
        return content.digest

    def checks(self, number: int = 1) -> tuple[float | None, int]:
        """Seconds until the next check after some checks, and the reloads that they caused."""
        before, wait = self.reloads, cast("float | None", 0.0)
        for _ in range(number):
            wait = self.auto_reload.check()
        return wait, self.reloads - before


def test_nothing_happens_while_nothing_changes() -> None:
    scene = Scene()
    assert scene.checks(5) == (INTERVAL, 0)
    assert scene.trials == 0


def test_a_change_counts_once_two_checks_in_a_row_find_it() -> None:
    scene = Scene()
    scene.text = "b"
    assert scene.checks() == (SETTLE, 0)
    with capture_logs() as logged:
        assert scene.checks() == (INTERVAL, 1)
    assert [entry["file"] for entry in logged] == ["/etc/config.yaml"]
    assert scene.checks(5) == (INTERVAL, 0)


def test_a_file_that_is_still_written_to_is_not_loaded() -> None:
    scene = Scene()
    for content in ("b", "bc", "bcd"):
        scene.text = content
        assert scene.checks() == (SETTLE, 0)
    assert scene.checks() == (INTERVAL, 1)


def test_a_change_that_is_undone_at_once_does_not_count() -> None:
    scene = Scene()
    scene.text = "b"
    scene.checks()
    scene.text = "a"
    assert scene.checks(3) == (INTERVAL, 0)
    scene.text = "b"
    assert scene.checks() == (SETTLE, 0)


def test_a_file_that_is_missing_for_a_moment_causes_no_reload() -> None:
    scene = Scene()
    scene.text = ""
    assert scene.checks() == (INTERVAL, 0)
    scene.text = "a"
    assert scene.checks(3) == (INTERVAL, 0)


def test_a_file_that_stays_away_is_reported_by_one_refused_reload() -> None:
    scene = Scene()
    scene.text, scene.fault = "", "cannot be read"
    assert scene.checks(6) == (INTERVAL, 1)
    assert scene.current.refused_since() is not None
    # Back with the content that is in effect: one reload, so that nothing is reported as refused any more.
    scene.text, scene.fault = "a", ""
    assert scene.checks(5) == (INTERVAL, 1)
    assert scene.current.refused_since() is None


def test_a_bad_content_is_refused_once() -> None:
    scene = Scene()
    scene.text, scene.fault = "b", "is wrong"
    assert scene.checks(2) == (INTERVAL, 1)
    with capture_logs() as logged:
        assert scene.checks(10) == (INTERVAL, 0)
    assert logged == []
    scene.text = "b2"
    assert scene.checks(5) == (INTERVAL, 1)
    scene.text, scene.fault = "b3", ""
    assert scene.checks(5) == (INTERVAL, 1)
    assert scene.in_effect == "b3"


def test_a_file_that_a_refused_configuration_names_may_appear_later() -> None:
    scene = Scene()
    scene.text, scene.fault = "b", "token cannot be read"
    assert scene.checks(4) == (INTERVAL, 1)
    scene.fault = ""
    assert scene.checks() == (INTERVAL, 1)
    assert scene.in_effect == "b"
    assert scene.checks(3) == (INTERVAL, 0)


def test_another_reason_for_the_same_content_is_reported_once() -> None:
    scene = Scene()
    scene.text, scene.fault = "b", "token cannot be read"
    scene.checks(4)
    scene.fault = "token is empty"
    assert scene.checks(5) == (INTERVAL, 1)


def test_what_can_be_loaded_but_is_refused_all_the_same_is_not_tried_for_ever() -> None:
    scene = Scene()
    scene.text, scene.fault = "b", "cannot be built"
    scene.auto_reload._load = scene.settings
    assert scene.checks(10) == (INTERVAL, 2)


def test_a_defect_is_met_once_per_content() -> None:
    scene = Scene()
    scene.text, scene.defect = "b", True
    assert scene.checks(10) == (INTERVAL, 1)
    assert scene.trials == 0


def test_a_defect_on_trial_is_met_once_per_content() -> None:
    scene = Scene()
    scene.text, scene.fault = "b", "token cannot be read"
    scene.checks(2)
    scene.defect = True
    with pytest.raises(OverflowError):
        scene.checks()
    assert scene.checks(5) == (INTERVAL, 0)
    assert scene.trials == 1


def test_a_reload_by_a_signal_meanwhile_is_noticed() -> None:
    scene = Scene()
    scene.text = "b"
    scene.checks()
    scene.reload()
    assert scene.checks(3) == (INTERVAL, 0)


def test_a_configuration_that_a_signal_could_not_load_is_tried_once() -> None:
    scene = Scene()
    scene.fault = "token cannot be read"
    try:
        scene.reload()
    except ReloadError:
        assert scene.checks(5) == (INTERVAL, 1)
    scene.fault = ""
    assert scene.checks(2) == (INTERVAL, 1)
    assert scene.current.refused_since() is None


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "bad", ""]), st.integers(1, 3)), max_size=20))
def test_whatever_happens_the_last_good_content_comes_into_effect(steps: list[tuple[str, int]]) -> None:
    scene = Scene()
    for content, checks in steps:
        scene.text = content
        scene.fault = "is wrong" if content in {"bad", ""} else ""
        before = scene.reloads
        scene.checks(checks)
        # At most one for this content.
        assert scene.reloads - before <= 1
    scene.text, scene.fault = "last", ""
    scene.checks(2)
    assert scene.in_effect == "last"
    assert scene.current.refused_since() is None


def test_without_a_file_there_is_nothing_to_check() -> None:
    scene = Scene()
    scene.current.replace(InForce(cast("Settings", SimpleNamespace(content=None))))
    assert scene.checks() == (None, 0)
