"""Makes rows for people and scripts, without those that cannot be made."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.model.user import UserKey
    from exporter.web.refusals import Refusals

_log = structlog.get_logger(__name__)
Source = TypeVar("Source")
Made = TypeVar("Made")


class Guard:
    """Leaves out rows that cannot be made: a defect in one must not break the list. Each is logged and counted once.

    Args:
        refusals: counts them.
    """

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals
        # At most one entry for each user.
        self._failed: set[UserKey] = set()

    def made(
        self, found: Iterable[Source], make: Callable[[Source], Made], whose: Callable[[Source], UserKey]
    ) -> list[Made]:
        """The rows.

        Args:
            found: what they are made from.
            make: makes one.
            whose: the organization and the user that one is about.
        """
        every = []
        for one in found:
            try:
                every.append(make(one))
            except Exception as error:  # noqa: BLE001 - counted; one row must not break the list
                self._report(whose(one), error)
        return every

    def _report(self, user: UserKey, error: Exception) -> None:
        if user in self._failed:
            return
        self._failed.add(user)
        self._refusals.internal_error("render")
        organization, user_id = user
        _log.error(
            "a row cannot be rendered and is left out of pages and the API",
            organization=organization,
            user_id=user_id,
            exc_info=error,
        )
