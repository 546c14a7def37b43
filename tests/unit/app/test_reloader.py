from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from support.builders import NOW, ManualClock

from exporter.app.in_force import Current
from exporter.app.reloader import Announcements, Reloader, Targets
from exporter.common.cancellation import Stop, StoppedError
from exporter.common.worker import Supervisor
from exporter.config.errors import ConfigError, Fault, ReloadError
from exporter.config.schema import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.config.settings import Settings


def settings(name: str) -> Settings:
    config = SimpleNamespace(**dict.fromkeys(Config.model_fields))
    return cast("Settings", SimpleNamespace(name=name, config=config, organizations=(), alertmanagers=()))


class Part:
    """Stands for every part that a configuration is put in force on: one journal of all calls."""

    def __init__(self, scene: Scene, name: str) -> None:
        self._scene, self._name = scene, name

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*arguments: Any, **_: Any) -> Any:
            step = f"{self._name}.{method}"
            self._scene.did.append(step)
            if step in self._scene.broken:
                raise RuntimeError("defect")
            return SimpleNamespace(settings=arguments[0]) if method == "prepare" else None

        return call


IN_ORDER = [
    "organizations.prepare",
    "organizations.put_in_force",
    "notifications.watch",
    "telemetry.reloaded",
    "alerting.put_in_force",
    "organizations.start",
    "warnings",
]


RELOADED = [IN_ORDER[0], "exposition.prepare_for", *IN_ORDER[1:6], "exposition.prepare_all", "warnings"]


class Scene:
    def __init__(self) -> None:
        self.did: list[str] = []
        self.announced: list[str] = []
        self.broken: set[str] = set()
        self.loaded: Callable[[], Settings] = lambda: settings("new")
        self.stop = Stop()
        self.clock = ManualClock()
        self.current = Current(settings("first"))
        self.reloader = Reloader(
            self.current,
            self.load,
            Targets(*(cast("Any", Part(self, name)) for name in Targets.__slots__)),
            Announcements(self.reloading, lambda _: self.did.append("warnings")),
            Supervisor(lambda _: None, self.clock),
            self.stop,
            self.clock,
        )

    def load(self) -> Settings:
        return self.loaded()

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        self.announced.append("begins")
        yield
        self.announced.append("ends")

    def begun(self) -> Scene:
        self.reloader.begin({})
        assert self.since() == IN_ORDER
        return self

    def since(self) -> list[str]:
        did, self.did = self.did, []
        return did

    @property
    def in_force(self) -> Any:
        now = self.current.value
        return cast("Any", now.settings).name, now.generation, now.refused_since


def a_fault() -> ConfigError:
    return ConfigError((Fault("config.yaml", 1, "organizations", "is missing", "add one"),))


def test_everything_is_built_before_anything_is_put_in_force() -> None:
    scene = Scene().begun()
    assert scene.in_force == ("first", 1, None)
    scene.reloader.reload()
    assert scene.since() == [*RELOADED, "garbage.reloaded"]
    assert scene.in_force == ("new", 2, None)
    assert scene.announced == ["begins", "ends"]


def test_a_refused_configuration_changes_only_the_time_of_the_refusal() -> None:
    scene = Scene().begun()

    def refuse() -> Settings:
        raise a_fault()

    scene.loaded = refuse
    for _ in range(2):
        with pytest.raises(ReloadError, match="is missing"):
            scene.reloader.reload()
        scene.clock.advance(60)
    assert scene.since() == ["telemetry.reload_failed"] * 2
    assert scene.in_force == ("first", 1, NOW)
    assert scene.announced == ["begins", "ends"] * 2
    scene.loaded = lambda: settings("new")
    scene.reloader.reload()
    assert scene.in_force == ("new", 2, None)


def test_a_defect_while_new_parts_are_built_changes_nothing_that_is_in_force() -> None:
    scene = Scene().begun()
    scene.broken = {"organizations.prepare"}
    with pytest.raises(ReloadError, match="internal error"):
        scene.reloader.reload()
    assert scene.since() == ["organizations.prepare", "telemetry.internal_error", "telemetry.reload_failed"]
    assert scene.in_force == ("first", 1, NOW)


def test_a_defect_of_alerting_is_counted_and_the_organizations_start_all_the_same() -> None:
    scene = Scene().begun()
    scene.broken = {"alerting.put_in_force"}
    scene.reloader.reload()
    assert scene.since() == [
        *RELOADED[:6],
        "telemetry.internal_error",
        *RELOADED[6:],
        "garbage.reloaded",
    ]
    assert scene.in_force == ("new", 2, None)


def test_series_that_cannot_be_prepared_do_not_refuse_the_configuration() -> None:
    scene = Scene().begun()
    scene.broken = {"exposition.prepare_for"}
    scene.reloader.reload()
    assert scene.since() == [*RELOADED[:2], "telemetry.internal_error", *RELOADED[2:], "garbage.reloaded"]
    assert scene.in_force == ("new", 2, None)


def test_a_reload_that_is_still_loading_at_shutdown_puts_nothing_in_force() -> None:
    scene = Scene().begun()
    loading, go = threading.Event(), threading.Event()

    def load() -> Settings:
        loading.set()
        go.wait(5)
        return settings("late")

    scene.loaded = load
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(scene.reloader.reload)
        assert loading.wait(5)
        scene.stop.set()
        scene.reloader.stop()
        go.set()
        with pytest.raises(ReloadError, match="shutting down"):
            first.result(5)
    assert scene.since() == ["organizations.prepare", "organizations.discard"]
    assert scene.in_force == ("first", 1, None)
    with pytest.raises(ReloadError, match="shutting down"):
        scene.reloader.reload()


def test_a_configuration_is_not_put_in_force_before_the_first_one() -> None:
    scene = Scene()
    with pytest.raises(ReloadError, match="still starting"):
        scene.reloader.reload()
    assert scene.since() == []


def test_a_reload_that_comes_while_the_first_configuration_is_put_in_force_goes_on_from_it() -> None:
    scene = Scene()
    beginning, go = threading.Event(), threading.Event()
    real = scene.reloader._put_in_force

    def put_in_force(new: Any) -> None:
        beginning.set()
        go.wait(5)
        real(new)

    scene.reloader._put_in_force = put_in_force  # type: ignore[method-assign]
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(scene.reloader.begin, {})
        assert beginning.wait(5)
        second = pool.submit(scene.reloader.reload)
        with pytest.raises(TimeoutError):
            second.result(0.05)
        # Nothing is made from organizations that are not in force yet.
        assert scene.since() == ["organizations.prepare"]
        go.set()
        first.result(5)
        second.result(5)
    assert scene.in_force == ("new", 2, None)


def test_after_a_stop_neither_a_configuration_nor_a_role_comes_into_force() -> None:
    scene = Scene()
    scene.stop.set()
    with pytest.raises(StoppedError):
        scene.reloader.begin({})
    scene.reloader.poll(polls=True)
    assert scene.since() == ["organizations.prepare", "organizations.discard"]


def test_a_role_reaches_alerts_and_organizations() -> None:
    scene = Scene().begun()
    scene.reloader.poll(polls=False)
    assert scene.since() == ["alerting.stand_by", "organizations.poll"]


def test_many_waiting_requests_cause_one_reload() -> None:
    scene = Scene().begun()
    loads = threading.Semaphore(0)
    done = threading.Event()

    def load() -> Settings:
        loads.release()
        done.wait(5)
        return settings("new")

    scene.loaded = load
    for _ in range(200):
        scene.reloader.request()
    scene.reloader.start()
    assert loads.acquire(timeout=5)
    for _ in range(200):
        scene.reloader.request()
    done.set()
    assert loads.acquire(timeout=5)
    assert not loads.acquire(timeout=0.05)
    scene.reloader.stop()
    assert scene.in_force == ("new", 3, None)
