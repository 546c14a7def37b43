"""Discovery: whom there is to watch, from the platform's own lists."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import quote

import structlog

from exporter.common.regex import compiled_regex
from exporter.model.state import Reason
from exporter.model.user import Owner, User
from exporter.platform.base import ApiError
from exporter.platform.yunxiao.client import LIST_DEPARTMENTS, LIST_MEMBERS, LIST_ORGANIZATIONS, LIST_USERS
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
"""Departments below one after which the tree counts as endless."""
_DELETED = "deleted"


class Directory(Protocol):
    """The part of the API client that discovery needs."""

    def page(self, operation: str, path: str, query: Mapping[str, str], stop: Stop) -> tuple[bytes, Mapping[str, str]]:
        """One page's body and headers; raises `ApiError` or `StoppedError`."""
        ...

    def read(self, parse: Callable[[], T]) -> T:
        """What a parser makes of an answer; raises `ApiError`."""
        ...

    def count_unreadable(self, field: str) -> None:
        """Count a field that could not be read."""
        ...

    def count_truncated(self, field: str, count: int) -> None:
        """Count fields that were too long and have been cut."""
        ...


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the users of the enterprise, or the members of one organization, are listed."""

    operation: str
    path: str
    parse: Callable[[bytes, Fields], Sequence[Person | None]]
    departments_path: str
    query: dict[str, str] = field(default_factory=dict)


class Discoverer:
    """Finds the users that a configuration means. One thread at a time.

    Args:
        organization: its name, for the log.
        client: the API.
        config: the section `users.discover`.
        redact: replaces the secrets in use in a text.
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
        # Departments without a name are asked for once, not with every refresh.
        self._nameless: set[str] = set()
        self._log = _log.bind(organization=organization)

    def find(self, stop: Stop) -> tuple[User, ...]:
        """The users as the platform lists them now, each id once.

        Args:
            stop: calls it off.

        Raises:
            ApiError: a list could not be had whole; `PagingError` if its pages make no list.
            StoppedError: it was called off.
        """
        places = self._places(stop)
        people: dict[str, Person] = {}
        missing = set(self._config.departments)
        for place in places:
            departments = self._departments(place, missing, stop)
            for person in self._people(place, stop):
                if self._means(person, departments):
                    people.setdefault(person.user_id, person)
        if missing and places:
            raise ApiError(Reason.NOT_FOUND, f"no such department: {', '.join(sorted(missing))}")
        listed = {one for person in people.values() for one in person.departments}
        self._learn_names(listed, places, stop)
        self._forget_names(listed)
        return tuple(self._user(person) for person in people.values())

    def _places(self, stop: Stop) -> list[_Place]:
        config = self._config
        if config.source == "users":
            query = {} if config.status is None else {"status": config.status}
            return [_Place(LIST_USERS, "platform/users", parse_users, "platform/departments", query)]
        if config.organization_id is not None:
            return [self._organization(config.organization_id)]
        try:
            ids = self._listed(LIST_ORGANIZATIONS, "platform/organizations", {}, parse_organizations, str, stop)
        except ApiError as error:
            # Editions whose paths name no organization may not list any either: there is just the one.
            if config.organization_in_path or not error.not_offered:
                raise
            return [self._organization(None)]
        return [self._organization(one) for one in ids]

    def _organization(self, organization_id: str | None) -> _Place:
        if organization_id is None or not self._config.organization_in_path:
            query = {} if organization_id is None else {"organizationId": organization_id}
            return _Place(LIST_MEMBERS, "platform/members", parse_members, "platform/departments", query)
        base = f"platform/organizations/{quote(organization_id, safe='')}"
        return _Place(LIST_MEMBERS, f"{base}/members", parse_members, f"{base}/departments")

    def _people(self, place: _Place, stop: Stop) -> tuple[Person, ...]:
        return self._listed(place.operation, place.path, place.query, place.parse, lambda one: one.user_id, stop)

    def _listed(
        self,
        operation: str,
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
                # An answer that is understood nowhere says nothing about who is there.
                raise PagingError(f"none of the {len(entries)} entries of page {page} has an id")
            return entries, headers

        return all_pages(fetch, id_of, paged=paged)

    def _means(self, person: Person, departments: set[str] | None) -> bool:
        """Whether a listed person is one to watch; ``departments`` is None where any will do."""
        # The platform may not look at the query, and may not tell the status.
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
        """The configured departments with all below them; None if none are configured.

        Args:
            place: where to ask.
            missing: those that no place has known yet; the ones that this one knows are taken out.
            stop: calls it off.
        """
        if not self._config.departments:
            return None
        found = set(self._config.departments)
        for root in self._config.departments:
            try:
                found.update(department.department_id for department in self._below(place, root, stop))
            except ApiError as error:
                # Of several organizations most do not know the department.
                if error.reason is not Reason.NOT_FOUND:
                    raise
            else:
                missing.discard(root)
        return found

    def _below(self, place: _Place, root: str, stop: Stop) -> Iterator[Department]:
        """All departments below one, each once, whatever circles the platform tells of."""
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
                        f"there are more than {_MOST_DEPARTMENTS} departments, which is taken for endless"
                    )
                yield child
                if child.has_children:
                    todo.append(child.department_id)

    def _children(self, place: _Place, parent: str, stop: Stop) -> tuple[Department, ...]:
        query = {**place.query, "parentId": parent}
        query.pop("status", None)
        return self._listed(
            LIST_DEPARTMENTS,
            place.departments_path,
            query,
            parse_departments,
            lambda one: one.department_id,
            stop,
            paged=False,
        )

    def _learn_names(self, ids: set[str], places: list[_Place], stop: Stop) -> None:
        """Ask for the names of departments that turn up for the first time; without them the ids have to do."""
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
            self._log.info("departments are shown by their ids, their names cannot be had", detail=error.detail)
            if not error.not_offered:
                return  # another time
        self._nameless |= unknown

    def _forget_names(self, listed: set[str]) -> None:
        """Keep no more names than a tree of departments has: ids that change all the time must not pile up."""
        self._nameless &= listed
        if len(self._names) > _MOST_DEPARTMENTS:
            self._names = {one: name for one, name in self._names.items() if one in listed}

    def _user(self, person: Person) -> User:
        departments = ", ".join(sorted(self._names.get(one, one) for one in person.departments))
        if len(departments) > USER_TEXT.length:
            departments = Fields().cut(departments, USER_TEXT)
        owner = Owner(person.email or None, departments or None, person.username or None)
        values = {name: getattr(owner, name) for name in self._config.owner_labels}
        return User(
            person.user_id,
            person.name or person.username or person.email or person.user_id,
            labels=tuple(sorted((name, value) for name, value in values.items() if value is not None)),
            owner=None if owner == Owner() else owner,
        )
