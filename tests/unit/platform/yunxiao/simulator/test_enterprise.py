from __future__ import annotations

from exporter.platform.yunxiao.simulator.enterprise import Enterprise, TokenRecord, iso

BASE = 1_780_272_000.0  # 2026-06-01T00:00:00Z
# From the platform's documentation; each is granted at the levels `_read` and `_read_write`.
DOCUMENTED = (
    "base_user",
    "base_sys_dept",
    "base_organization",
    "base_orgmember",
    "base_orgdepartment",
    "base_orgrole",
    "base_orggroup",
    "base_auditlog",
    "base_license",
    "lingma_developerUsage",
    "lingma_departmentUsage",
    "lingma_developerMember",
    "lingma_chat",
    "lingma_feedback",
    "lingma_knowledgeBase",
    "lingma_kbMember",
    "lingma_kbFile",
)


def test_the_same_seed_makes_the_same_people_and_tokens() -> None:
    one, two, other = (Enterprise(20, seed, base=BASE) for seed in (1, 1, 2))
    assert one.people() == two.people()
    assert one.people() != other.people()
    ids = [user.user_id for user in one.users()]
    assert [one.tokens(user_id) for user_id in ids] == [two.tokens(user_id) for user_id in ids]


def test_tokens_can_be_replaced_renewed_and_deleted() -> None:
    token = TokenRecord("pt-1", "ci", ("base_user_read",), BASE, BASE + 60)
    enterprise = Enterprise(base=BASE, tokens={"u1": [token]})
    enterprise.renew("u1", "pt-1", None)
    assert [one.expires_at for one in enterprise.tokens("u1")] == [None]
    enterprise.delete("u1", "pt-1")
    assert enterprise.tokens("u1") == ()
    assert (enterprise.knows("u1"), enterprise.knows("u2")) == (True, False)


def test_a_person_who_left_is_not_in_the_directory_but_keeps_the_tokens() -> None:
    enterprise = Enterprise(3, base=BASE)
    first = enterprise.users()[0].user_id
    tokens = enterprise.tokens(first)
    enterprise.leave(first)
    assert first not in {person.user_id for person in enterprise.people()}
    assert enterprise.tokens(first) == tokens


def test_every_second_person_is_a_member_of_the_second_organization() -> None:
    enterprise = Enterprise(5, base=BASE)
    assert [len(enterprise.members(one)) for one in ("org-1", "org-2", "org-3")] == [5, 3, 0]


def test_dates_are_written_as_documented() -> None:
    assert iso(BASE + 0.048) == "2026-06-01T00:00:00.048Z"


def test_tokens_grant_documented_permissions_only() -> None:
    enterprise = Enterprise(50, base=BASE)
    granted = {
        name for user in enterprise.users() for token in enterprise.tokens(user.user_id) for name in token.permissions
    }
    assert {"base_user_read", "base_user_read_write", "lingma_chat_read"} <= granted
    assert granted <= {f"{name}{level}" for name in DOCUMENTED for level in ("_read", "_read_write")}


def test_a_person_who_left_can_join_again_at_the_same_place() -> None:
    enterprise = Enterprise(3, base=BASE)
    before = enterprise.people()
    first = before[0].user_id
    enterprise.leave(first)
    assert (enterprise.people(), enterprise.is_listed(first)) == (before[1:], False)
    enterprise.join(first)
    assert (enterprise.people(), enterprise.is_listed(first)) == (before, True)


def test_a_user_who_is_added_is_listed_at_once() -> None:
    enterprise = Enterprise(1, base=BASE)
    assert len(enterprise.people("enabled")) == len(enterprise.members("org-1")) == 1
    enterprise.set_tokens("u1", [])
    assert len(enterprise.people("enabled")) == len(enterprise.members("org-1")) == 2
    assert enterprise.people("deleted") == ()


def test_ssh_keys_are_made_up_for_users_that_are_made_up_and_can_be_replaced() -> None:
    enterprise = Enterprise(20, base=BASE, tokens={"u1": []})
    keys = [enterprise.keys(user.user_id) for user in enterprise.users()]
    assert {len(some) for some in keys} == {0, 1, 2}
    assert enterprise.keys("u1") == enterprise.keys("u2") == ()
    enterprise.set_keys("u1", keys[0] + keys[1])
    assert enterprise.keys("u1") == keys[0] + keys[1]
