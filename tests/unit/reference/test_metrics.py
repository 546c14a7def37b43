from __future__ import annotations

import re

from exporter.texts.catalogue import Language
from scripts.reference.metrics import body
from scripts.reference.texts import Texts

TRANSLATIONS = {
    "Type: {kind}": "类型：{kind}",
    "Labels: {labels}": "标签：{labels}",
    "Labels: none": "标签：无",
    "{first}, {other}": "{first}、{other}",
    "Always.": "始终。",
    "When: {presence}": "出现条件：{presence}",
    "Watched users.": "被监控的用户数量。",
    "whether the list of users is as expected": "用户列表是否符合预期",
    "Example, {purpose}:": "示例，{purpose}：",
    "{value}: {meaning}": "{value}：{meaning}。",
}


def section(written: str, family: str) -> str:
    return written.partition(f"### `{family}`\n")[2].partition("\n### ")[0]


def test_a_family_has_meaning_type_labels_presence_and_example() -> None:
    assert section(body(Texts()), "yunxiao_users") == (
        "\nWatched users.\n\n- Type: gauge\n- Labels: `organization`\n- When: Always.\n"
        "- Example, whether the list of users is as expected:\n\n  ```promql\n  yunxiao_users\n  ```\n"
    )


def test_a_family_is_translated_except_for_names_and_the_query() -> None:
    assert section(body(Texts(Language.ZH, TRANSLATIONS)), "yunxiao_users") == (
        "\n被监控的用户数量。\n\n- 类型：gauge\n- 标签：`organization`\n- 出现条件：始终。\n"
        "- 示例，用户列表是否符合预期：\n\n  ```promql\n  yunxiao_users\n  ```\n"
    )


def test_switches_that_enable_and_disable_a_family_are_listed() -> None:
    written = body(Texts())
    relative = section(written, "yunxiao_user_permission_expires_in_seconds")
    assert "\n- Disabled by: `metrics.per_permission: false`, `metrics.relative: false`\n" in relative
    lost = section(written, "yunxiao_user_permission_lost_timestamp_seconds")
    assert "\n- Enabled by: `metrics.permission_lost: true`\n" in lost


def test_reasons_have_the_words_of_the_exporter_in_that_language() -> None:
    assert re.search(
        "^- `rate_limited`：平台对请求限流；请调低 limits.requests_per_second 或调大 poll.interval。$",
        body(Texts(Language.ZH, TRANSLATIONS)),
        re.MULTILINE,
    )
