"""The tree of departments: which are below a department, and what they are called."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import structlog

from exporter.model.state import Reason
from exporter.platform.base import ApiError, Operation, Refusal
from exporter.platform.yunxiao.directory import Department, parse_departments
from exporter.platform.yunxiao.pagination import PagingError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from exporter.common.cancellation import Stop
    from exporter.platform.yunxiao.lists import ListReader
    from exporter.platform.yunxiao.places import Place

_log = structlog.get_logger(__name__)
_MOST_DEPARTMENTS = 10_000
"""Limit for the departments below one; a tree with more is taken for endless."""


class Departments:
    """Finds departments and remembers their names. One thread at a time.

    Args:
        organization: its name, for the log.
        lists: reads lists.
    """

    def __init__(self, organization: str, lists: ListReader) -> None:
        self._lists = lists
        self._names: dict[str, str] = {}
        # The names of these departments are unknown and not requested again.
        self._nameless: set[str] = set()
        self._log = _log.bind(organization=organization)

    def name(self, department_id: str) -> str:
        """The name of a department; its id if the name is unknown."""
        return self._names.get(department_id, department_id)

    def with_those_below(self, place: Place, roots: Collection[str], missing: set[str], stop: Stop) -> set[str]:
        """The ids of departments and of all below them.

        Args:
            place: the calls to use.
            roots: the departments.
            missing: departments that were not found yet; those found here are removed from it.
            stop: cancels the calls.

        Raises:
            ApiError: a list could not be read to its end.
            StoppedError: the calls were cancelled.
        """
        found = set(roots)
        for root in roots:
            try:
                found.update(department.department_id for department in self._below(place, root, stop))
            except ApiError as error:
                # A department belongs to one organization; the others do not know it.
                if not _is_unknown(error):
                    raise
            else:
                missing.discard(root)
        return found

    def learn_names(self, listed: set[str], places: Sequence[Place], stop: Stop) -> None:
        """Fetch the names of departments that are new; if that fails, their ids are shown.

        Args:
            listed: the departments of all users; the names of others may be forgotten.
            places: the calls to use.
            stop: cancels the calls.

        Raises:
            ApiError: the platform refused the token.
            StoppedError: the calls were cancelled.
        """
        self._nameless |= self._still_unknown(listed - self._names.keys() - self._nameless, places, stop)
        # A limit: ids that change all the time must not fill the memory.
        self._nameless &= listed
        if len(self._names) > _MOST_DEPARTMENTS:
            self._names = {one: name for one, name in self._names.items() if one in listed}

    def _still_unknown(self, unknown: set[str], places: Sequence[Place], stop: Stop) -> set[str]:
        """Fetch these names; the departments that the platform does not name."""
        try:
            for place in places:
                for _ in self._below(place, "", stop) if unknown else ():
                    unknown -= self._names.keys()
                    if not unknown:
                        return set()
        except ApiError as error:
            if error.refusal is Refusal.TOKEN:
                raise
            self._log.info("names of departments cannot be fetched, their ids are shown", detail=error.detail)
            if not error.not_offered:
                return set()  # the next refresh tries again
        return unknown

    def _below(self, place: Place, root: str, stop: Stop) -> Iterator[Department]:
        """All departments below one, each once, even if the platform lists them in a cycle."""
        seen = {root}
        todo = deque([root])
        while todo:
            for child in self._children(place, todo.popleft(), stop):
                self._names[child.department_id] = child.name
                if child.department_id in seen:
                    continue
                seen.add(child.department_id)
                if len(seen) > _MOST_DEPARTMENTS:
                    raise PagingError(
                        f"there are more than {_MOST_DEPARTMENTS} departments, the tree seems to be endless"
                    )
                yield child
                if child.has_children:
                    todo.append(child.department_id)

    def _children(self, place: Place, parent: str, stop: Stop) -> tuple[Department, ...]:
        return self._lists.read(
            Operation.LIST_DEPARTMENTS,
            place.departments_path,
            {**place.query, "parentId": parent},
            parse_departments,
            lambda one: one.department_id,
            stop,
            paged=False,
        ).entries


def _is_unknown(error: ApiError) -> bool:
    """Whether the platform does not know a department; some lists answer 400 for an unknown id."""
    return error.reason in {Reason.NOT_FOUND, Reason.BAD_REQUEST}
