"""Finds the users to watch, from the lists of the platform."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import quote

import structlog

from exporter.common.regex import compiled_regex
from exporter.model.state import Reason
from exporter.model.user import Owner, User
from exporter.platform.base import ApiError, Operation
from exporter.platform.yunxiao.directory import (
    Department,
    Person,
    parse_departments,
    parse_members,
    parse_organizations,
    parse_users,
)
from exporter.platform.yunxiao.fields import USER_TEXT, Fields, unchanged
from exporter.platform.yunxiao.pagination import PER_PAGE, PagingError, all_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from exporter.common.cancellation import Stop
    from exporter.config.discovery import Discover

T = TypeVar("T")
_log = structlog.get_logger(__name__)
_MOST_DEPARTMENTS = 10_000
"""Limit for the departments below one; a tree with more is taken for endless."""
_DELETED = "deleted"


class Directory(Protocol):
    """The part of the API client that discovery needs."""

    def page(
        self, operation: Operation, path: str, query: Mapping[str, str], stop: Stop
    ) -> tuple[bytes, Mapping[str, str]]:
        """One page's body and headers; raises `ApiError` or `StoppedError`."""
        ...

    def read(self, parse: Callable[[], T]) -> T:
        """Parse an answer; raises `ApiError`."""
        ...

    def count_unreadable(self, field: str) -> None:
        """Count a field that could not be read."""
        ...

    def count_truncated(self, field: str, count: int) -> None:
        """Count fields that were too long and were cut."""
        ...


@dataclass(frozen=True, slots=True)
class _Place:
    """The calls that list the users of the enterprise, or the members of one organization."""

    operation: Operation
    path: str
    parse: Callable[[bytes, Fields], Sequence[Person | None]]
    departments_path: str
    query: dict[str, str] = field(default_factory=dict)


class Discoverer:
    """Finds the users that the configuration selects. One thread at a time.

    Args:
        organization: its name, for the log.
        client: the API.
        config: the section `users.discover`.
        redact: replaces known secrets in a text.
    """

    def __init__(
        self, organization: str, client: Directory, config: Discover, redact: Callable[[str], str] = unchanged
    ) -> None:
        self._client = client
        self._redact = redact
        self._config = config
        self._wanted_status = (config.status or "").lower()
        self._include = [compiled_regex(pattern) for pattern in config.include]
        self._exclude = [compiled_regex(pattern) for pattern in config.exclude]
        self._names: dict[str, str] = {}
        # The names of these departments are unknown and not requested again.
        self._nameless: set[str] = set()
        self._log = _log.bind(organization=organization)

    def find_users(self, stop: Stop) -> tuple[User, ...]:
        """The users that the platform lists now, each id once.

        Args:
            stop: cancels the calls.

        Raises:
            ApiError: a list could not be fetched completely; `PagingError` if its pages are inconsistent.
            StoppedError: the calls were cancelled.
        """
        places = self._places(stop)
        people: dict[str, Person] = {}
        missing = set(self._config.departments)
        for place in places:
            departments = self._departments(place, missing, stop)
            for person in self._people(place, stop):
                if self._selects(person, departments):
                    people.setdefault(person.user_id, person)
        if missing and places:
            raise ApiError(Reason.NOT_FOUND, f"department not found: {', '.join(sorted(missing))}")
        listed = {one for person in people.values() for one in person.departments}
        self._learn_names(listed, places, stop)
        self._forget_names(listed)
        return tuple(self._user(person) for person in people.values())

    def _places(self, stop: Stop) -> list[_Place]:
        config = self._config
        if config.source == "users":
            query = {} if config.status is None else {"status": config.status}
            return [_Place(Operation.LIST_USERS, "platform/users", parse_users, "platform/departments", query)]
        if config.organization_id is not None:
            return [self._organization(config.organization_id)]
        try:
            ids = self._listed(
                Operation.LIST_ORGANIZATIONS, "platform/organizations", {}, parse_organizations, str, stop
            )
        except ApiError as error:
            # Editions without organizations in their paths may have no list of organizations: there is only one.
            if config.organization_in_path or not error.not_offered:
                raise
            return [self._organization(None)]
        return [self._organization(one) for one in ids]

    def _organization(self, organization_id: str | None) -> _Place:
        if organization_id is None or not self._config.organization_in_path:
            query = {} if organization_id is None else {"organizationId": organization_id}
            return _Place(Operation.LIST_MEMBERS, "platform/members", parse_members, "platform/departments", query)
        base = f"platform/organizations/{quote(organization_id, safe='')}"
        return _Place(Operation.LIST_MEMBERS, f"{base}/members", parse_members, f"{base}/departments")

    def _people(self, place: _Place, stop: Stop) -> tuple[Person, ...]:
        return self._listed(place.operation, place.path, place.query, place.parse, lambda one: one.user_id, stop)

    def _listed(
        self,
        operation: Operation,
        path: str,
        query: Mapping[str, str],
        parse: Callable[[bytes, Fields], Sequence[T | None]],
        id_of: Callable[[T], str],
        stop: Stop,
        *,
        paged: bool = True,
    ) -> tuple[T, ...]:
        def fetch(page: int) -> tuple[Sequence[T | None], Mapping[str, str]]:
            asked = {**query, "page": str(page), "perPage": str(PER_PAGE)}
            body, headers = self._client.page(operation, path, asked, stop)
            fields = Fields(self._redact)
            entries = self._client.read(lambda: parse(body, fields))
            for name, count in fields.truncated.items():
                self._client.count_truncated(name, count)
            for entry in entries:
                if entry is None:
                    self._client.count_unreadable("user")
            if entries and all(entry is None for entry in entries):
                # A page without a single readable entry must not count as an empty one.
                raise PagingError(f"none of the {len(entries)} entries of page {page} has an id")
            return entries, headers

        return all_pages(fetch, id_of, paged=paged)

    def _selects(self, person: Person, departments: set[str] | None) -> bool:
        """Whether the configuration selects a person; ``departments`` is None if it selects all departments."""
        # The platform may ignore the query, and may not return the status.
        if person.status and (
            person.status != self._wanted_status if self._wanted_status else person.status == _DELETED
        ):
            return False
        if departments is not None and departments.isdisjoint(person.departments):
            return False
        texts = [text for text in (person.name, person.username, person.email) if text]
        if self._include and not any(regex.fullmatch(text) for regex in self._include for text in texts):
            return False
        return not any(regex.fullmatch(text) for regex in self._exclude for text in texts)

    def _departments(self, place: _Place, missing: set[str], stop: Stop) -> set[str] | None:
        """The ids of the configured departments and all below them; None if none are configured.

        Args:
            place: the calls to use.
            missing: configured departments that were not found yet; those found here are removed from it.
            stop: cancels the calls.
        """
        if not self._config.departments:
            return None
        found = set(self._config.departments)
        for root in self._config.departments:
            try:
                found.update(department.department_id for department in self._below(place, root, stop))
            except ApiError as error:
                # A department belongs to one organization; the others do not know it.
                if error.reason is not Reason.NOT_FOUND:
                    raise
            else:
                missing.discard(root)
        return found

    def _below(self, place: _Place, root: str, stop: Stop) -> Iterator[Department]:
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

    def _children(self, place: _Place, parent: str, stop: Stop) -> tuple[Department, ...]:
        query = {**place.query, "parentId": parent}
        query.pop("status", None)
        return self._listed(
            Operation.LIST_DEPARTMENTS,
            place.departments_path,
            query,
            parse_departments,
            lambda one: one.department_id,
            stop,
            paged=False,
        )

    def _learn_names(self, ids: set[str], places: list[_Place], stop: Stop) -> None:
        """Fetch the names of new departments; if that fails, their ids are shown."""
        unknown = ids - self._names.keys() - self._nameless
        try:
            for place in places:
                for _ in self._below(place, "", stop) if unknown else ():
                    unknown -= self._names.keys()
                    if not unknown:
                        return
        except ApiError as error:
            if error.reason is Reason.UNAUTHORIZED:
                raise
            self._log.info("names of departments cannot be fetched, their ids are shown", detail=error.detail)
            if not error.not_offered:
                return  # the next refresh tries again
        self._nameless |= unknown

    def _forget_names(self, listed: set[str]) -> None:
        """Limit the names that are kept: ids that change all the time must not fill the memory."""
        self._nameless &= listed
        if len(self._names) > _MOST_DEPARTMENTS:
            self._names = {one: name for one, name in self._names.items() if one in listed}

    def _user(self, person: Person) -> User:
        # Redacted, since ids stand for names that are not known: ids come as they are.
        departments = self._redact(", ".join(sorted(self._names.get(one, one) for one in person.departments)))
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
