from __future__ import annotations

import pytest

from exporter.platform.yunxiao.simulator.quirks import Quirks, usage


def test_quirks_are_added_one_by_one() -> None:
    quirks = Quirks().with_one("ignored_page").with_one("empty_page=2").with_one("dates=compact")
    assert quirks == Quirks(ignored_page=True, empty_page=2, dates="compact")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("strange", "unknown quirk 'strange'; use one of wrong_next_page, "),
        ("empty_page", "quirk 'empty_page' has no valid value; write empty_page=NUMBER"),
        ("empty_page=0", "write empty_page=NUMBER"),
        ("empty_page=²", "write empty_page=NUMBER"),
        ("ignored_page=2", "write ignored_page$"),
        ("ignored_page=", "write ignored_page$"),
        ("ssh_keys", r"write ssh_keys=on\|off\|403\|404\|unsupported"),
        ("ssh_keys=500", r"write ssh_keys=on\|off\|403\|404\|unsupported"),
    ],
)
def test_a_quirk_that_cannot_be_read_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Quirks().with_one(text)


def test_every_quirk_can_be_written_as_its_usage_says() -> None:
    for how in usage():
        name, _, takes = how.partition("=")
        values = ["7"] if takes == "NUMBER" else takes.split("|")
        for value in values:
            quirks = Quirks().with_one(f"{name}={value}" if takes else name)
            assert str(getattr(quirks, name)) == (value or "True")
