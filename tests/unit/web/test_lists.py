"""Time zones of days, and pages. The lists themselves are tested in test_lists_api.py."""

from __future__ import annotations

import pytest
from support.builders import DAY, NOW, a_token
from support.pages import AppWorld

from exporter.model.user import User
from exporter.web.lists import Lists
from exporter.web.parameters import ParameterError


def a_list(*zones: str) -> Lists:
    organizations = tuple(
        {"name": f"o{n}", "endpoint": "http://x", "token_env": "T", "users": {"files": ("x",)}, "timezone": zone}
        for n, zone in enumerate(zones)
    )
    world = AppWorld()
    world.config = world.config.model_validate({"organizations": organizations})
    return Lists(world.index, tuple, lambda: world.config)


def test_days_are_those_of_the_organization_or_of_all_or_in_utc() -> None:
    assert a_list("Asia/Shanghai", "Asia/Shanghai").zone(None).key == "Asia/Shanghai"
    mixed = a_list("Asia/Shanghai", "Europe/Berlin")
    assert [mixed.zone(one).key for one in (None, "o1", "nobody")] == ["UTC", "Europe/Berlin", "UTC"]


def test_a_page_knows_whether_another_one_follows() -> None:
    world = AppWorld()
    world.watch("acme", User("1", "li")).succeeded(
        "1", tuple(a_token(f"pt-{n}", expires_in=DAY) for n in range(4)), NOW
    )
    lists = Lists(world.index, tuple, lambda: world.config)
    for limit, following in ((3, True), (4, False), (5, False)):
        found = lists.tokens({"limit": str(limit)}, NOW)
        assert (len(found.rows), found.total, found.next is not None) == (min(limit, 4), 4, following)


def test_queries_are_checked_before_anything_is_sent() -> None:
    lists = a_list("UTC")
    for listed, values in (("tokens", {"expires_to": "x"}), ("events", {"since": "x"}), ("users", {"cursor": "x"})):
        with pytest.raises(ParameterError):
            lists.check(listed, values, NOW)
