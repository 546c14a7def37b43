"""What the routes expose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.texts.catalogue import Language

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from exporter.common.clock import Clock
    from exporter.config.schema import Config
    from exporter.metrics.exposition import Exposition
    from exporter.model.event import Event
    from exporter.state.store import Store
    from exporter.state.token_index import TokenIndex


@dataclass(frozen=True, slots=True)
class Served:
    """What the routes expose.

    Attributes:
        exposition: renders `/metrics`.
        store: the state of all users.
        index: the same as numbers and sorted tokens.
        config: the configuration in effect.
        events: the latest changes of tokens, newest first.
        reload: reloads the configuration, raising `ReloadError`; None if that is not allowed over HTTP.
        clock: the current time.
        problems: problems of essential threads; empty if healthy.
        language: the language for clients that ask for none.
        zones: the time zone of each organization.
    """

    exposition: Exposition
    store: Store
    index: TokenIndex
    config: Callable[[], Config]
    events: Callable[[], Sequence[Event]]
    reload: Callable[[], None] | None
    clock: Clock
    problems: Callable[[], tuple[str, ...]] = tuple
    language: Callable[[], Language] = lambda: Language.EN
    zones: Callable[[], Mapping[str, ZoneInfo]] = dict
