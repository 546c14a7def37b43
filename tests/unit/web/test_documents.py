"""Runbooks as pages: where they are, where their links lead, what they show."""

from __future__ import annotations

import html
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from exporter.alerts.definitions import ALL_DEFINITIONS
from exporter.texts.catalogue import Language
from exporter.web.documents import INDEX, PLATFORM, Document, find_document, rendered, served_link

DOCS = Path(__file__).resolve().parents[3] / "docs"
NAMES = [definition.name for definition in ALL_DEFINITIONS]
HEADINGS = {
    "Meaning": "\u542b\u4e49",
    "If ignored": "\u4e0d\u5904\u7406\u7684\u540e\u679c",
    "Check": "\u68c0\u67e5",
    "Fix": "\u5904\u7406",
    "Silence": "\u9759\u9ed8",
}


def found(name: str, language: Language = Language.EN) -> Document:
    document = find_document(name, language)
    assert document is not None
    return document


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_has_the_same_headings_and_code_in_both_languages(name: str) -> None:
    english, chinese = ((DOCS / found(name, one).path).read_text(encoding="utf-8") for one in Language)
    code = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
    assert code.findall(english) == code.findall(chinese)
    heading = re.compile(r"^## (.+)$", re.MULTILINE)
    assert heading.findall(english) == list(HEADINGS)
    assert heading.findall(chinese) == list(HEADINGS.values())
    # What is written as code is the same, apart from how often it is mentioned.
    inline = re.compile(r"`[^`\n]+`")
    terms = {*inline.findall(code.sub("", chinese))} - {*inline.findall(code.sub("", english))}
    assert {term for term in terms if " " not in term} == set()


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("name", [INDEX, *NAMES])
def test_every_runbook_is_rendered_in_its_language(name: str, language: Language) -> None:
    page = rendered(found(name, language)).decode()
    assert f'<html lang="{language.value}">' in page
    if name != INDEX:
        assert f">{name}</h1>" in page
        assert f"alertname={name}" in page
    # Every relative link leads to something that is served.
    for link in re.findall(r'href="([^"]+)"', page):
        if not link.startswith("https://"):
            served = (
                r"\.\./|\?lang=\w\w|\.\./static/page\.\w+\.css|\.\./(runbooks/\w*|docs/platform)(\?lang=\w\w)?(#[^#]+)?"
            )
            assert re.fullmatch(served, link), link


@pytest.mark.parametrize("language", Language)
def test_links_to_the_platform_page_lead_to_its_headings(language: Language) -> None:
    platform = rendered(found(PLATFORM, language)).decode()
    assert f'<html lang="{language.value}">' in platform
    anchors = {*re.findall(r'<h\d id="([^"]+)"', platform)}
    linked = set()
    for name in NAMES:
        page = rendered(found(name, language)).decode()
        linked |= {unquote(anchor) for anchor in re.findall(r'href="\.\./docs/platform#([^"]+)"', page)}
    assert linked
    assert linked <= anchors


def test_an_unknown_name_has_no_document() -> None:
    for name in ("x", "../platform", "README.md", "zh/README", ""):
        assert find_document(name, Language.EN) is None


def test_links_between_documents_lead_to_their_pages() -> None:
    english, chinese = found("YunxiaoTokenExpired"), found("YunxiaoTokenExpired", Language.ZH)
    assert served_link("YunxiaoSweepStalled.md", english) == "../runbooks/YunxiaoSweepStalled"
    assert served_link("YunxiaoSweepStalled.md", chinese) == "../runbooks/YunxiaoSweepStalled"
    assert served_link("../platform.md#x", english) == "../docs/platform#x"
    assert served_link("../../zh/platform.md#x", chinese) == "../docs/platform#x"
    assert served_link("../../platform.md#x", chinese) == "../docs/platform?lang=en#x"
    assert served_link("../README.md", chinese) == "../runbooks/?lang=en"
    assert served_link("zh/README.md", english) == "../runbooks/?lang=zh"
    assert served_link("https://example.com/", english) == "https://example.com/"
    assert served_link("#fix", english) == "#fix"
    published = "https://github.com/yunxiao-token-exporter/yunxiao-token-exporter/blob/main/docs"
    assert served_link("../metrics.md#y", english) == f"{published}/metrics.md#y"


def test_links_keep_a_language_that_the_reader_has_chosen() -> None:
    chosen = find_document("YunxiaoTokenExpired", Language.ZH, chosen=True)
    assert chosen is not None
    assert served_link("YunxiaoSweepStalled.md", chosen) == "../runbooks/YunxiaoSweepStalled?lang=zh"
    assert served_link("../../zh/platform.md#x", chosen) == "../docs/platform?lang=zh#x"


def test_placeholders_in_angle_brackets_are_text_and_not_html() -> None:
    page = rendered(found("YunxiaoTokenExpired")).decode()
    assert html.escape("<token_id>") in page
    assert "<token_id>" not in page


def test_lines_of_chinese_text_are_joined_without_a_space() -> None:
    page = rendered(found("YunxiaoTokenExpired", Language.ZH)).decode()
    assert not re.search(
        "[\u4e00-\u9fff\uff0c\u3002]\\s+[\u4e00-\u9fff]", re.sub(r"<pre>.*?</pre>", "", page, flags=re.DOTALL)
    )
