from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from exporter.app.in_force import Current, InForce

if TYPE_CHECKING:
    from exporter.config.settings import Settings


def settings(*names: str, stale_after: float = 600.0) -> Settings:
    config = SimpleNamespace(poll=SimpleNamespace(stale_after=stale_after))
    organizations = [SimpleNamespace(config=SimpleNamespace(name=name)) for name in names]
    return cast("Settings", SimpleNamespace(config=config, organizations=organizations))


def test_readers_see_the_configuration_that_was_set_last() -> None:
    current = Current(settings("a"))
    assert (current.value.generation, current.organizations, current.refused_since()) == (0, frozenset({"a"}), None)
    newer = settings("a", "b", stale_after=90.0)
    current.replace(InForce(newer, 1, refused_since=5.0))
    assert current.organizations == {"a", "b"}
    assert (current.config(), current.stale_after(), current.refused_since()) == (newer.config, 90.0, 5.0)
