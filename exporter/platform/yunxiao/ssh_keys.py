"""Lists the SSH keys of a user. The call is documented for the standard edition of the platform only.

The key itself, in the field ``key``, is never read.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from exporter.model.ssh_key import SshKey
from exporter.model.token import MOST_LISTED, NEVER
from exporter.platform.base import Operation
from exporter.platform.yunxiao.dates import parse_date
from exporter.platform.yunxiao.fields import DESCRIPTION, PERMISSION, TOKEN_ID, TOKEN_NAME, Fields, text_of
from exporter.platform.yunxiao.page_headers import PageHeaders
from exporter.platform.yunxiao.pagination import PER_PAGE, PagingError, all_pages
from exporter.platform.yunxiao.pieces import EntryReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from exporter.common.cancellation import Stop
    from exporter.platform.yunxiao.fields import Limit
    from exporter.platform.yunxiao.lists import PageClient

_MOST_PAGES = MOST_LISTED // PER_PAGE
_SHORT = 10
"""A first page with fewer keys is the whole list, unless its headers say otherwise: no smaller pages are known."""


class _Entry(msgspec.Struct, gc=False):
    """The fields that are read; all others, such as the key itself, are skipped."""

    id: Any = None
    title: Any = None
    fingerPrint: Any = None  # noqa: N815 - the platform's spelling
    keyScope: Any = None  # noqa: N815
    createdAt: Any = None  # noqa: N815
    expireTime: Any = None  # noqa: N815
    lastUsedTime: Any = None  # noqa: N815


_NAMES = frozenset(_Entry.__struct_fields__)
_KEYS = EntryReader("SSH keys", msgspec.json.Decoder(list[_Entry]), _Entry.__struct_fields__)


class SshKeys:
    """Lists SSH keys. Threads share it.

    Args:
        client: the API.
        organization_id: the organization; "" for editions whose paths contain none.
        zone: where dates without a zone were written.
        redact: replaces known secrets in a text.
    """

    def __init__(self, client: PageClient, organization_id: str, zone: ZoneInfo, redact: Callable[[str], str]) -> None:
        self._client = client
        self._zone = zone
        self._redact = redact
        self._base = f"codeup/organizations/{quote(organization_id, safe='')}" if organization_id else "codeup"

    def list_ssh_keys(self, user_id: str, stop: Stop) -> tuple[SshKey, ...]:
        """The SSH keys of one user; as `SshKeyLister.list_ssh_keys`."""
        path = f"{self._base}/users/{quote(user_id, safe='')}/keys"

        def fetch(page: int) -> tuple[Sequence[SshKey | None], Mapping[str, str]]:
            query = {"page": str(page), "perPage": str(PER_PAGE)}
            body, headers = self._client.page(Operation.LIST_SSH_KEYS, path, query, stop)
            reader = KeyReader(self._zone, self._redact)
            keys = self._client.read(lambda: reader.keys(body))
            for field, count in reader.errors.items():
                self._client.count_unreadable(field, count)
            for field, count in reader.fields.truncated.items():
                self._client.count_truncated(field, count)
            if keys and all(key is None for key in keys):
                raise PagingError(f"none of the {len(keys)} SSH keys of page {page} has an id")
            said = PageHeaders.of(headers, page)
            ends = said.pages is None and said.link is None and said.total in {None, len(keys)}
            if page == 1 and len(keys) < _SHORT and ends:
                # Nearly every user has few keys: no second request for each, only to see that nothing follows.
                headers = {"x-total-pages": "1"}
            return keys, headers

        return all_pages(fetch, lambda key: key.token_id, _MOST_PAGES, paged=False).entries


class KeyReader:
    """Turns one answer into SSH keys. Invalid data costs at most one key; it is counted.

    Args:
        zone: where dates without a zone were written.
        redact: replaces known secrets in a text.
    """

    def __init__(self, zone: ZoneInfo, redact: Callable[[str], str]) -> None:
        self._zone = zone
        self.fields = Fields(redact)
        self.errors: dict[str, int] = {}
        """How often each field was unreadable."""

    def keys(self, body: bytes) -> list[SshKey | None]:
        """The keys of an answer, None for each that cannot be read.

        Raises:
            WireError: it is not a list.
        """
        return [self._key(entry) for batch in _KEYS.batches(body) for entry in batch]

    def _key(self, entry: Any) -> SshKey | None:
        if isinstance(entry, dict):
            entry = _Entry(**{name: value for name, value in entry.items() if name in _NAMES})
        if not isinstance(entry, _Entry):
            self._unreadable("token")
            return None
        key_id = self._text(entry.id, TOKEN_ID)
        if not key_id:
            self._unreadable("token_id")
            return None
        fingerprint = self._text(entry.fingerPrint, DESCRIPTION)
        scope = self._text(entry.keyScope, PERMISSION)
        return SshKey(
            token_id=key_id,
            name=self._text(entry.title, TOKEN_NAME) or fingerprint or key_id,
            # All keys have one of a few scopes.
            permissions=(sys.intern(scope),) if scope else (),
            created_at=self._date(entry.createdAt, "created_at", never=None),
            expires_at=self._date(entry.expireTime, "expired_at", never=NEVER),
            description=fingerprint,
            last_used_at=self._date(entry.lastUsedTime, "last_used_at", never=None),
        )

    def _text(self, value: Any, limit: Limit) -> str:
        if value is not None and not text_of(value) and value != "":
            self._unreadable(limit.field)
        return self.fields.shown(value, limit)

    def _date(self, value: Any, field: str, *, never: float | None) -> float | None:
        try:
            seconds = parse_date(value, self._zone)
        except (ValueError, OverflowError):
            self._unreadable(field)
            return None
        return never if seconds == NEVER else seconds

    def _unreadable(self, field: str) -> None:
        self.errors[field] = self.errors.get(field, 0) + 1
