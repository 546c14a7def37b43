from __future__ import annotations

from exporter.platform.yunxiao.simulator.directory import CALLER_ID, answer
from exporter.platform.yunxiao.simulator.enterprise import Enterprise
from exporter.platform.yunxiao.simulator.faults import Quirks

ENTERPRISE = Enterprise(250, base=1_780_272_000.0)


def test_a_list_comes_in_pages_with_their_number() -> None:
    found = answer(ENTERPRISE, Quirks(), "/platform/users", {"page": "3", "perPage": "100"})
    assert (found.status, len(found.body)) == (200, 50)
    assert (found.headers["x-total"], found.headers["x-total-pages"]) == ("250", "3")


def test_oddities_change_the_pages() -> None:
    query = {"page": "2", "perPage": "100"}
    plain = answer(ENTERPRISE, Quirks(), "/platform/users", query)
    first = answer(ENTERPRISE, Quirks(ignored_page=True), "/platform/users", query)
    assert first.body != plain.body
    assert answer(ENTERPRISE, Quirks(empty_page=2), "/platform/users", query).body == []
    assert answer(ENTERPRISE, Quirks(nobody=True), "/platform/users", query).body == []
    assert answer(ENTERPRISE, Quirks(failing_page=2), "/platform/users", query).status == 500
    assert answer(ENTERPRISE, Quirks(no_page_headers=True), "/platform/users", query).headers == {}


def test_the_caller_has_two_paths_and_other_paths_are_unknown() -> None:
    assert answer(ENTERPRISE, Quirks(), "/platform/user", {}).body["id"] == CALLER_ID
    assert answer(ENTERPRISE, Quirks(older_caller=True), "/platform/user", {}).status == 404
    assert answer(ENTERPRISE, Quirks(older_caller=True), "/platform/users:me", {}).status == 200
    assert answer(ENTERPRISE, Quirks(), "/platform/secrets", {}).status == 404
