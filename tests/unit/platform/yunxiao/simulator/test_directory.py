from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.platform.yunxiao.simulator.directory import CALLER_ID, Answer, answer
from exporter.platform.yunxiao.simulator.enterprise import Enterprise, KeyRecord
from exporter.platform.yunxiao.simulator.envelopes import REQUEST_ID
from exporter.platform.yunxiao.simulator.quirks import Quirks

BASE = 1_780_272_000.0
ENTERPRISE = Enterprise(250, base=BASE)
USER = ENTERPRISE.users()[0].user_id
UNSUPPORTED = "UnsupportedInCurrentEnv"


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


def names(enterprise: Enterprise, page: int, quirks: Quirks) -> list[str]:
    query = {"page": str(page), "perPage": "2"}
    return [entry["id"] for entry in answer(enterprise, quirks, "/platform/users", query).body]


def test_a_list_shifts_while_it_is_read_and_shifts_back_in_the_next_one() -> None:
    enterprise = Enterprise(4, base=BASE)
    one, two, three, four = (user.user_id for user in enterprise.users())
    quirks = Quirks(shifting=1)
    # The first user leaves after page 1, so the third one moves from page 2 to page 1 and is on neither.
    assert [names(enterprise, page, quirks) for page in (1, 2)] == [[one, two], [four]]
    # Joins again after page 1: the second and third move back, and the third is on both.
    assert [names(enterprise, page, quirks) for page in (1, 2)] == [[two, three], [three, four]]
    assert names(enterprise, 1, Quirks()) == [one, two]


def test_lists_beyond_a_number_of_entries_are_refused() -> None:
    query = {"page": "2", "perPage": "100"}
    assert answer(ENTERPRISE, Quirks(most_entries=100), "/platform/users", query).status == 400


@pytest.mark.parametrize(
    ("envelope", "expected"),
    [
        ("none", []),
        ("data", {"data": []}),
        ("result", {"result": [], "success": True}),
        (
            "result_with_code",
            {"requestId": REQUEST_ID, "errorCode": "Openapi.RequestError", "success": True, "result": []},
        ),
    ],
)
def test_lists_come_in_envelopes(envelope: str, expected: object) -> None:
    assert answer(ENTERPRISE, Quirks(nobody=True, envelope=envelope), "/platform/users", {}).body == expected


def test_members_have_a_status_of_their_own_or_of_a_group() -> None:
    def statuses(quirks: Quirks) -> set[str]:
        return {one["status"] for one in answer(ENTERPRISE, quirks, "/platform/organizations/org-1/members", {}).body}

    assert statuses(Quirks()) == {"ENABLED"}
    assert statuses(Quirks(member_status="normal_using")) == {"NORMAL_USING", "UNVISITED"}
    assert statuses(Quirks(member_status="undeleted")) == {"UNDELETED"}


def test_names_can_be_null() -> None:
    quirks = Quirks(null_names=True)
    assert answer(ENTERPRISE, quirks, "/platform/users", {}).body[0]["name"] is None
    assert answer(ENTERPRISE, quirks, "/platform/organizations/org-1/members", {}).body[0]["name"] is None


def test_users_are_listed_by_status() -> None:
    for status, count in (("enabled", 100), ("deleted", 0)):
        assert len(answer(ENTERPRISE, Quirks(), "/platform/users", {"status": status}).body) == count


def keys(quirks: Quirks = Quirks(), organization: str = "org-1", user: str = USER, **query: str) -> Answer:  # noqa: B008
    return answer(ENTERPRISE, quirks, f"/codeup/organizations/{organization}/users/{user}/keys", query)


def test_ssh_keys_are_listed_20_on_a_page_unless_asked_otherwise() -> None:
    record = KeyRecord(1, "laptop", "aa", "ALL", BASE, None, None)
    ENTERPRISE.set_keys(USER, [replace(record, key_id=number) for number in range(25)])
    assert [one["id"] for one in keys().body] == list(range(20))
    assert [one["id"] for one in keys(page="2").body] == list(range(20, 25))
    assert len(keys(perPage="100").body) == 25


@pytest.mark.parametrize(
    ("ssh_keys", "status", "code"), [("403", 403, None), ("404", 404, None), ("unsupported", 400, UNSUPPORTED)]
)
def test_the_call_for_ssh_keys_can_be_refused(ssh_keys: str, status: int, code: str | None) -> None:
    refused = keys(Quirks(ssh_keys=ssh_keys))
    assert (refused.status, refused.code) == (status, code)


def test_without_ssh_keys_lists_are_empty_and_unknown_users_are_not_found() -> None:
    assert keys(Quirks(ssh_keys="off")).body == []
    assert (keys(organization="org-9").status, keys(user="nobody").status) == (404, 404)
