from __future__ import annotations

from exporter.platform.yunxiao.simulator.enterprise import Enterprise
from exporter.platform.yunxiao.simulator.made_up import (
    LONGEST_DESCRIPTION,
    PERMISSIONS,
    chance_of,
    made_up_keys,
    new_name,
    new_token,
)

BASE = 1_780_272_000.0


def test_descriptions_are_empty_english_chinese_and_as_long_as_the_platform_takes() -> None:
    enterprise = Enterprise(60, base=BASE)
    texts = {token.description for user in enterprise.users() for token in enterprise.tokens(user.user_id)}
    assert "" in texts
    assert any(text.isascii() and text for text in texts)
    assert any(not text.isascii() for text in texts)
    assert max(map(len, texts)) == LONGEST_DESCRIPTION == 200


def test_the_tokens_of_a_seed_stay_what_documents_quote() -> None:
    enterprise = Enterprise(8, base=BASE)
    found = {token.token_id: token for user in enterprise.users() for token in enterprise.tokens(user.user_id)}
    assert (found["pt-iogpn8o7mrbr"].name, enterprise.users()[7].name) == ("laptop-1", "zhao.lei.7")
    assert "lingma_chat_read_write" in found["pt-iogpn8o7mrbr"].permissions


def test_a_new_token_lives_from_now_on() -> None:
    token = new_token(chance_of(1), BASE + 0.7, 60, PERMISSIONS[:2])
    assert (token.created_at, token.expires_at, token.permissions) == (BASE, BASE + 60, PERMISSIONS[:2])


def test_a_new_name_is_another_one() -> None:
    for number in range(50):
        assert new_name(chance_of(number), other_than="ci-1") != "ci-1"


def test_ssh_keys_are_the_same_for_the_same_seed_and_have_ids_of_their_own() -> None:
    keys = [made_up_keys(1, number, BASE) for number in range(20)]
    assert keys == [made_up_keys(1, number, BASE) for number in range(20)]
    ids = [key.key_id for some in keys for key in some]
    assert len(ids) == len(set(ids)) > 10
    assert {key.scope for some in keys for key in some} == {"ALL", "READ"}
