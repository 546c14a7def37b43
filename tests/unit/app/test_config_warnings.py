from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from structlog.testing import capture_logs
from support.builders import ManualClock

from exporter.app.config_warnings import ConfigWarnings
from exporter.app.in_force import Current, InForce

if TYPE_CHECKING:
    from exporter.config.settings import Settings


def settings(*notes: str, storage: str | None = None, redis: str | None = None) -> Settings:
    made = SimpleNamespace(
        storage=None if storage is None else Path(storage),
        redis=None if redis is None else SimpleNamespace(config=redis),
        warnings=lambda _: notes,
    )
    return cast("Settings", made)


class Scene:
    def __init__(self, first: Settings) -> None:
        self.current = Current(first)
        self.warnings = ConfigWarnings(self.current, ManualClock())

    def check(self) -> list[str]:
        with capture_logs() as logged:
            self.warnings.check()
        return [entry["note"] for entry in logged]

    def reload(self, new: Settings) -> list[str]:
        self.current.replace(InForce(new))
        with capture_logs() as logged:
            self.warnings.report(new)
        return [entry["event"] for entry in logged]


def test_a_warning_is_logged_once_for_as_long_as_it_applies() -> None:
    scene = Scene(settings("b", "a"))
    assert scene.check() == ["a", "b"]
    assert scene.check() == []
    scene.current.replace(InForce(settings("b")))
    assert scene.check() == []
    scene.current.replace(InForce(settings("a", "b")))
    assert scene.check() == ["a"]


def test_what_needs_a_restart_is_reported_at_each_reload() -> None:
    scene = Scene(settings(storage="/state", redis="one"))
    assert scene.reload(settings(storage="/state", redis="one")) == []
    moved = settings("a", storage="/other", redis="two")
    restart = [
        "storage.path has changed; it takes effect at the next start",
        "redis has changed; it takes effect at the next start",
    ]
    assert scene.reload(moved) == [*restart, "configuration warning"]
    assert scene.reload(moved) == restart
    assert scene.reload(settings(storage="/state")) == restart[1:]
