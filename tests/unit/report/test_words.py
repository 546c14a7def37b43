from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.builders import DAY, NOW

from exporter.model.state import Reason
from exporter.model.token import NEVER
from exporter.model.user import Owner, User
from exporter.policies.builtin import POLICIES, MaxLifetime, NeverExpires
from exporter.report import chinese, workbook
from exporter.report.formats import Language
from exporter.report.words import Words

EN, ZH = Words(Language.EN), Words(Language.ZH)
TEMPLATES = Path(workbook.__file__).with_name("templates")


def test_the_words_of_both_languages() -> None:
    assert (EN("Fixed"), ZH("Fixed")) == ("Fixed", "已解决")
    assert EN("{n} findings are unchanged.", n=3) == "3 findings are unchanged."
    assert ZH("{n} findings are unchanged.", n=3) == "3 个问题没有变化。"
    assert (EN.tag, ZH.tag) == ("en", "zh-CN")


@pytest.mark.parametrize(
    ("expires_at", "english", "chinese_words"),
    [
        (NOW + 2 * DAY, "expires in 2d", "2 天后到期"),
        (NOW - 90, "expired 1m ago", "1 分钟前已过期"),
        (NEVER, "never expires", "永不过期"),
        (None, "expiry unknown", "到期时间未知"),
    ],
)
def test_expiries(expires_at: float | None, english: str, chinese_words: str) -> None:
    assert EN.expiry(expires_at, NOW) == english
    assert ZH.expiry(expires_at, NOW) == chinese_words


def test_what_to_do_about_a_policy() -> None:
    assert EN.action(NeverExpires) == "Replace it with one that expires."
    assert EN.action(MaxLifetime) == "Replace it with one that expires sooner."
    assert ZH.action(NeverExpires) == "换成设有有效期的令牌。"
    assert all(EN.action(policy).endswith(".") and EN.action(policy)[0].isupper() for policy in POLICIES)


def test_a_failure_is_explained_in_the_language() -> None:
    sentence = f"acme: li (1): timeout: no answer; {Reason.TIMEOUT.meaning}"
    assert EN.failure(sentence) == sentence
    assert ZH.failure(sentence) == "acme: li (1): timeout: no answer; 在 poll.timeout 内没有完整响应"


def test_the_contact_of_a_user() -> None:
    assert EN.contact(User("1", "li")) == ""
    assert EN.contact(User("1", "li", owner=Owner("li@acme.com", None, "li"))) == "li@acme.com"
    assert EN.contact(User("1", "li", owner=Owner("li@acme.com", "支付", None))) == "li@acme.com, 支付"


def test_everything_is_translated() -> None:
    assert {*chinese.POLICIES} == {policy.name for policy in POLICIES}
    assert {*chinese.REASONS} == {*Reason}
    used: set[str] = set()
    for file in TEMPLATES.iterdir():
        text = file.read_text("utf-8")
        used |= set(re.findall(r'\bt\("([^"]+)"', text))
        for call in re.findall(r"(?:heads|held)\((\"[^\n]*?)\) -?}}", text):
            used |= set(re.findall(r'"([^"]+)"', call))
    sheets = Path(workbook.__file__).read_text("utf-8")
    used |= set(re.findall(r'"([A-Z][A-Za-z -]+)"', sheets))
    missing = {word for word in used if word not in chinese.TEXTS}
    assert missing == set()
    for english, other in chinese.TEXTS.items():
        assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", other))
