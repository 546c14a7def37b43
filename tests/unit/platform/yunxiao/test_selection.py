from __future__ import annotations

import pytest

from exporter.config.discovery import Discover
from exporter.platform.yunxiao.directory import Person
from exporter.platform.yunxiao.selection import Selection

LISTED = ("ENABLED", "NORMAL_USING", "UNVISITED", "DISABLED", "UNDELETED", "DELETED", "LOCKED", "")


@pytest.mark.parametrize(
    ("wanted", "selected"),
    [
        # All but deleted ones, also those with a status that is not documented.
        (None, "ENABLED NORMAL_USING UNVISITED DISABLED UNDELETED LOCKED"),
        ("UNDELETED", "ENABLED NORMAL_USING UNVISITED DISABLED UNDELETED LOCKED"),
        # ENABLED stands for NORMAL_USING and UNVISITED, UNDELETED for these and DISABLED: in doubt a person is watched.
        ("ENABLED", "ENABLED NORMAL_USING UNVISITED UNDELETED"),
        ("enabled", "ENABLED NORMAL_USING UNVISITED UNDELETED"),
        ("NORMAL_USING", "ENABLED NORMAL_USING UNDELETED"),
        ("unvisited", "ENABLED UNVISITED UNDELETED"),
        ("Disabled", "DISABLED UNDELETED"),
        ("DELETED", "DELETED"),
    ],
)
@pytest.mark.parametrize("spelled", [str.lower, str.upper])
def test_a_status_that_stands_for_others_is_understood(wanted: str | None, selected: str, spelled: object) -> None:
    wanted = wanted and (wanted.upper() if spelled is str.upper else wanted.lower())
    selection = Selection(Discover(source="members", status=wanted))
    # A person without a status is selected: the platform has applied it, or no client can.
    assert [one for one in LISTED if selection.selects(Person("1", status=one.lower()))] == [*selected.split(), ""]


def test_one_name_must_be_included_and_none_excluded() -> None:
    selection = Selection(Discover(source="users", include=("li.*", "bot"), exclude=(".*@old\\.example",)))
    assert selection.selects(Person("1", "王芳", "li.wei", "wang@example.com"))
    assert not selection.selects(Person("1", "王芳", "li.wei", "wang@old.example"))
    assert not selection.selects(Person("1", "a-bot"))
    # The id is no name.
    assert not selection.selects(Person("li1"))
