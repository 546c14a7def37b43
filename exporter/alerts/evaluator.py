"""Evaluates the conditions on the stored state; counts and logs what cannot be evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from exporter.alerts.conditions import Evaluation, evaluate

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.config.schema import Config
    from exporter.state.audit import LastEvents
    from exporter.state.store import Store

_log = structlog.get_logger(__name__)


class Evaluator:
    """Finds the alerts that fire.

    Args:
        store: the state that the alerts are about.
        refused_since: since when reloads have been refused, in epoch seconds; None if the last one succeeded.
        last_events: when each change of tokens was last seen, by organization and change.
        internal_error: counts defects by place.
    """

    def __init__(
        self,
        store: Store,
        refused_since: Callable[[], float | None],
        last_events: Callable[[], LastEvents],
        internal_error: Callable[[str], None],
    ) -> None:
        self._store = store
        self._refused_since = refused_since
        self._last_events = last_events
        self._internal_error = internal_error

    def evaluate(self, config: Config, now: float) -> Evaluation:
        """The alerts that fire at ``now``, in epoch seconds."""
        failures = 0

        def failed() -> None:
            nonlocal failures
            failures += 1
            self._internal_error("alerts")
            if failures == 1:
                _log.exception("the alerts of a user or organization cannot be evaluated and stay as they were")

        found = evaluate(self._store.view(), config, self._refused_since(), now, self._last_events(), failed=failed)
        if failures > 1:
            _log.error("alerts cannot be evaluated and stay as they were", users_or_organizations=failures)
        return found
