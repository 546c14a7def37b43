"""Organizations and the exporter's own status, for the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exporter import __version__
from exporter.common.text import utc
from exporter.model.token import TokenState
from exporter.web.answers import Answer
from exporter.web.glance import DAYS, organization_record
from exporter.web.lists_api import HEADERS, JSON

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.web.glance import State


class OverviewApi:
    """Answers requests about all organizations. Methods may run in any thread.

    Args:
        state: the state at a glance.
        problems: problems of essential threads; empty if healthy.
    """

    def __init__(self, state: Callable[[], State], problems: Callable[[], tuple[str, ...]]) -> None:
        self._state = state
        self._problems = problems

    def organizations(self) -> Answer:
        """All organizations."""
        records = [organization_record(one) for one in self._state().organizations]
        return Answer(msgspec.json.encode(records), JSON, 200, HEADERS)

    def status(self) -> Answer:
        """The exporter's own status, and the numbers of all organizations."""
        state, problems = self._state(), self._problems()
        record = {
            "version": __version__,
            "time": utc(state.at),
            "ready": state.ready,
            "healthy": not problems,
            "problems": list(problems),
            "organizations": len(state.organizations),
            "organizations_unreadable": sum(one.outage is not None for one in state.organizations),
            "users": state.users,
            "users_failing": state.failing,
            "tokens": {one.value: state.tokens(one) for one in TokenState},
            "expiring_within_days": {str(days): state.expiring(days) for days in DAYS},
            "violations": {policy.name: state.violations_of(policy.name) for policy in state.policies},
            "violations_complete": state.evaluated,
        }
        return Answer(msgspec.json.encode(record), JSON, 200, HEADERS)
