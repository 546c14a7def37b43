"""Finds the users to watch, from the lists of the platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from exporter.model.state import Reason
from exporter.model.user import Owner, User
from exporter.platform.base import ApiError, FoundUsers, Operation
from exporter.platform.yunxiao.departments import Departments
from exporter.platform.yunxiao.fields import USER_TEXT, Fields, unchanged
from exporter.platform.yunxiao.lists import ListReader, PageClient
from exporter.platform.yunxiao.pagination import Listing, TooLongError
from exporter.platform.yunxiao.places import Place, find_places
from exporter.platform.yunxiao.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.common.cancellation import Stop
    from exporter.config.discovery import Discover
    from exporter.platform.yunxiao.directory import Person

_log = structlog.get_logger(__name__)
_ENOUGH = 2
"""Lists that are kept until all have been read: it matters whether there are several."""


class Discoverer:
    """Finds the users that the configuration selects. One thread at a time.

    Args:
        organization: its name, for the log.
        client: the API.
        config: the section `users.discover`.
        redact: replaces known secrets in a text.
    """

    def __init__(
        self, organization: str, client: PageClient, config: Discover, redact: Callable[[str], str] = unchanged
    ) -> None:
        self._config = config
        self._redact = redact
        self._lists = ListReader(client, redact)
        self._departments = Departments(organization, self._lists)
        self._selection = Selection(config)
        # The ids on the list when it was last read, if it has several pages and did not seem to change meanwhile.
        self._listed: frozenset[str] | None = None
        # Whether the platform has refused to list the users of all departments at once.
        self._by_department = False
        self._log = _log.bind(organization=organization)

    def find_users(self, stop: Stop) -> FoundUsers:
        """The users that the platform lists now, each id once.

        Args:
            stop: cancels the calls.

        Raises:
            ApiError: a list could not be read to its end; `PagingError` if its pages are inconsistent.
            StoppedError: the calls were cancelled.
        """
        places = find_places(self._config, self._lists, stop)
        selected: dict[str, Person] = {}
        unselected: set[str] = set()
        listings: list[Listing[Person]] = []
        missing = set(self._config.departments)
        for place in places:
            departments = self._wanted_departments(place, missing, stop)
            for listing, by_department in self._people(place, departments, stop):
                listings = [*listings, listing][:_ENOUGH]
                for person in listing.entries:
                    if not self._selection.selects(person):
                        unselected.add(person.user_id)
                    elif _is_in(person, departments, asked_by_department=by_department):
                        selected.setdefault(person.user_id, person)
        if missing and places:
            raise ApiError(Reason.NOT_FOUND, f"department not found: {', '.join(sorted(missing))}")
        self._departments.learn_names({one for person in selected.values() for one in person.departments}, places, stop)
        is_complete = self._is_complete(listings)
        self._lists.next_round()
        if len(places) > 1:
            # Whoever is deleted in one organization may be a member of another, and missing from its list.
            unselected.clear()
        return FoundUsers(
            tuple(self._user(person) for person in selected.values()),
            frozenset(unselected - selected.keys()),
            is_complete=is_complete,
        )

    def _is_complete(self, listings: list[Listing[Person]]) -> bool:
        """Whether a user who is not on the lists is certainly not on the platform. Remembers the ids listed now.

        It is certain for a single list that comes with its total. But while a list with several pages is read, a user
        may leave, so that another one is on none of its pages; the total is the same again if a third one joins. Then
        that one is on the list, and was not on the list before.
        """
        config = self._config
        before, self._listed = self._listed, None
        if config.departments or len(listings) != 1 or (config.source == "members" and config.organization_id is None):
            # A user may have moved between two lists, or a list of organizations or departments may be incomplete.
            return False
        (listing,) = listings
        if not listing.settled or listing.pages <= 1:
            return listing.settled
        self._listed = frozenset(person.user_id for person in listing.entries)
        return before is not None and self._listed <= before

    def _wanted_departments(self, place: Place, missing: set[str], stop: Stop) -> set[str] | None:
        """The ids of the configured departments and all below them; None if none are configured."""
        roots = self._config.departments
        return self._departments.with_those_below(place, roots, missing, stop) if roots else None

    def _people(self, place: Place, departments: set[str] | None, stop: Stop) -> Iterator[tuple[Listing[Person], bool]]:
        """The lists of a place, each with whether it was requested for one department.

        The list of all departments is preferred: it needs the fewest requests, and does not depend on what the platform
        makes of a department in a request.
        """
        separable = departments is not None and place.takes_department
        if not (separable and self._by_department):
            try:
                everybody = self._list(place, {}, stop)
            except TooLongError as error:
                if not separable:
                    raise _with_advice(error, _ADVICE[place.operation]) from None
                self._by_department = True
                self._log.info("the list of users is too long for the platform, reading it by department")
            else:
                yield everybody, False
                return
        for one in sorted(departments or ()):
            try:
                yield self._list(place, {"deptId": one}, stop), True
            except TooLongError as error:
                advice = f"set users.discover.departments to departments below {self._redact(one)}"
                raise _with_advice(error, advice) from None

    def _list(self, place: Place, query: dict[str, str], stop: Stop) -> Listing[Person]:
        status = {} if place.status is None else {"status": place.status}
        asked = {**place.query, **status, **query}
        return self._lists.read(place.operation, place.path, asked, place.parse, lambda one: one.user_id, stop)

    def _user(self, person: Person) -> User:
        # Redacted, since ids stand for names that are not known: ids come as they are.
        departments = self._redact(", ".join(sorted(map(self._departments.name, person.departments))))
        if len(departments) > USER_TEXT.length:
            departments = Fields(self._redact).cut(departments, USER_TEXT)
        owner = Owner(person.email or None, departments or None, person.username or None)
        values = {name: getattr(owner, name) for name in self._config.owner_labels}
        return User(
            person.user_id,
            person.name or person.username or person.email or self._redact(person.user_id),
            labels=tuple(sorted((name, value) for name, value in values.items() if value is not None)),
            owner=None if owner == Owner() else owner,
        )


_ADVICE = {
    Operation.LIST_USERS: "set users.discover.departments, then users are listed by department",
    Operation.LIST_MEMBERS: "use source: users and set users.discover.departments, then users are listed by department",
}
"""What to do about a list that is too long."""


def _with_advice(error: ApiError, advice: str) -> ApiError:
    return error.copy(detail=f"{error.detail}; {advice}")


def _is_in(person: Person, departments: set[str] | None, *, asked_by_department: bool) -> bool:
    """Whether a person is in one of the departments; None stands for all.

    Entries of a list for one department need not repeat the department.
    """
    if departments is None or (asked_by_department and not person.departments):
        return True
    return not departments.isdisjoint(person.departments)
