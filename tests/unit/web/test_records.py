"""Records and lines of CSV. Whole answers are tested in test_lists_api.py."""

from __future__ import annotations

import csv
import io

from support.builders import DAY, NOW, a_token

from exporter.model.token import NEVER
from exporter.policies.builtin import ExpiredNotRemoved, MaxAge, MaxTokensPerUser, NeverExpires
from exporter.web.records import COLUMNS, Record, csv_heading, csv_row, since


def test_a_violation_begins_with_the_token_or_when_its_time_has_come() -> None:
    never, old = a_token(expires_in=NEVER, age=9 * DAY), a_token(expires_in=-DAY, age=9 * DAY)
    assert since(NeverExpires(), never) == NOW - 9 * DAY
    assert since(MaxAge.model_validate({"limit": "1d"}), never) == NOW - 8 * DAY
    assert since(ExpiredNotRemoved.model_validate({"after": "60s"}), old) == NOW - DAY + 60
    assert since(MaxTokensPerUser(limit=1), None) is None


def test_lists_and_counts_have_columns_of_their_own() -> None:
    line = csv_row("users", {"user": "li", "tokens": {"active": 2}, "policies": ["a", "b"], "ssh_keys": None})
    (cells,) = csv.reader(io.StringIO(line.decode()))
    found = dict(zip(COLUMNS["users"], cells, strict=True))
    assert (found["user"], found["active"], found["policies"], found["ssh_keys"]) == ("li", "2", "a b", "")
    violation: Record = {"violations": [{"policy": "a", "severity": "info"}, {"policy": "b", "severity": "critical"}]}
    (cells,) = csv.reader(io.StringIO(csv_row("violations", violation).decode()))
    assert cells[-2:] == ["a b", "info critical"]


def test_the_heading_begins_with_a_byte_order_mark() -> None:
    assert csv_heading("events").startswith(b"\xef\xbb\xbftime,organization,event,")


def test_text_that_is_not_unicode_does_not_break_a_line() -> None:
    (cells,) = csv.reader(io.StringIO(csv_row("tokens", {"token": "a\ud800b"}).decode()))
    assert cells[COLUMNS["tokens"].index("token")] == "a\ufffdb"
