"""The list of all tokens as JSON, made in portions."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import msgspec
import structlog

from exporter.report.listing import Row, records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.common.clock import Clock
    from exporter.model.user import UserKey
    from exporter.state.token_index import TokenIndex, WholeList
    from exporter.web.refusals import Refusals

_log = structlog.get_logger(__name__)
_ROWS = 200
"""Tokens of a portion: a millisecond of work and 80 kB of JSON as a rule, 7 MB if everything is as long as allowed."""


class TokenList:
    """The list that `tokens --output json` prints, on one line. For one thread at a time.

    Args:
        index: all tokens by expiry.
        clock: the current time.
        refusals: counts tokens that cannot be rendered.
    """

    def __init__(self, index: TokenIndex, clock: Clock, refusals: Refusals) -> None:
        self._index = index
        self._clock = clock
        self._refusals = refusals
        # Users with tokens that could not be rendered; each is counted and logged once.
        self._failed: set[UserKey] = set()

    def begin(self) -> TokenListing:
        """A new list, from a snapshot."""
        return TokenListing(self, self._index.whole_list(), self._clock.now())

    def encoded(self, portion: list[Row], now: float) -> bytes:
        """Rows as JSON objects separated by commas, without those that cannot be rendered."""
        try:
            return msgspec.json.encode(records(portion, now))[1:-1]
        except Exception:  # noqa: BLE001 - one token must not break the list; counted
            return b",".join(found for row in portion if (found := self._alone(row, now)) is not None)

    def _alone(self, row: Row, now: float) -> bytes | None:
        key = row.organization, row.user.user_id
        try:
            return msgspec.json.encode(records([row], now))[1:-1]
        except Exception as error:  # noqa: BLE001 - one token must not break the list; counted
            if key not in self._failed:
                self._failed.add(key)
                self._refusals.internal_error("render")
                _log.error(
                    "a token cannot be rendered and is left out of the API",
                    organization=row.organization,
                    user_id=row.user.user_id,
                    exc_info=error,
                )
            return None


class TokenListing:
    """One list: the tokens of a snapshot. It needs little memory, and no lock while a client reads it."""

    def __init__(self, tokens: TokenList, whole: WholeList, now: float) -> None:
        self._tokens = tokens
        self._whole = whole
        self._now = now

    @property
    def left_out(self) -> int:
        """The number of tokens that are not in the list because they are only counted."""
        return self._whole.left_out

    def portions(self) -> Iterator[bytes]:
        """The JSON array in portions."""
        source, now = self._whole.by_expiry(), self._now
        separator = b"["
        while portion := [
            Row(organization, one.user, one.token, one.token.state(now)) for organization, one in islice(source, _ROWS)
        ]:
            if encoded := self._tokens.encoded(portion, now):
                yield separator + encoded
                separator = b","
        yield b"[]" if separator == b"[" else b"]"
