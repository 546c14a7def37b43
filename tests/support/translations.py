"""What a Markdown document and its Chinese translation must have in common, and the typography of Chinese texts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import unquote

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from markdown_it.token import Token

_PARSER = MarkdownIt("commonmark").enable("table")
_COMMENT = re.compile(r"(^|\s+)#(\s.*)?$")
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.])([Aa一](?= million|百万)|\d[\d,]*\d(?:\.\d+)?|\d+(?:\.\d+)?)(?:\s?(million|百万|万|亿))?"
)
_MAGNITUDES = {"": 1, "million": 10**6, "百万": 10**6, "万": 10**4, "亿": 10**8}
_WRITTEN_OUT_UP_TO = 100
"""English has words for such a number at times, where Chinese has digits."""

_HAN = "[\u4e00-\u9fff]"
_LATIN = "[A-Za-z0-9`%]"
_FULL_WIDTH = "[，。；：？！（）、]"
_TYPOGRAPHY = {
    "no space between Chinese and Latin": re.compile(f"{_HAN}{_LATIN}|{_LATIN}{_HAN}"),
    "half-width punctuation": re.compile(f"{_HAN} ?[,;:?!()]|[,;:?!()] ?{_HAN}|{_HAN}\\.(?!\\w)"),
    "a space beside full-width punctuation": re.compile(f" {_FULL_WIDTH}|{_FULL_WIDTH} "),
    "markup that is not rendered": re.compile(r"\*\*|\]\("),
    "a line break that is shown as a space": re.compile(f"{_HAN}\n{_HAN}|{_FULL_WIDTH}\n|\n{_FULL_WIDTH}"),
}


@dataclass(slots=True)
class Section:
    """A heading and what follows it, down to the next heading of any level.

    Attributes:
        level: of the heading; 0 for what comes before the first one.
        title: the text of the heading.
        code: inline code.
        blocks: code blocks without their comments; the first line is the language.
        links: targets of links and images.
        tables: columns and rows of each table.
        items: how many list items there are.
        numbers: those in the text, outside code.
    """

    level: int
    title: str
    code: set[str] = field(default_factory=set)
    blocks: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    tables: list[tuple[int, int]] = field(default_factory=list)
    items: int = 0
    numbers: set[str] = field(default_factory=set)


def sections(text: str) -> list[Section]:
    """The sections of a document in their order; the first one has no heading."""
    found = [Section(0, "")]
    tokens = _PARSER.parse(text)
    for position, token in enumerate(tokens):
        if token.type == "heading_open":
            found.append(Section(int(token.tag[1:]), tokens[position + 1].content))
        elif token.type in {"fence", "code_block"}:
            found[-1].blocks.append("\n".join([token.info.strip(), *_without_comments(token.content)]))
        elif token.type == "table_open":
            found[-1].tables.append(_shape(tokens[position:]))
        elif token.type == "list_item_open":
            found[-1].items += 1
        elif token.type == "inline":
            _add_inline(found[-1], token.children or [])
    return found


def _without_comments(code: str) -> Iterator[str]:
    for line in code.splitlines():
        bare = _COMMENT.sub("", line).rstrip()
        if bare or not line.strip():
            yield bare


def _shape(tokens: Sequence[Token]) -> tuple[int, int]:
    end = next(position for position, token in enumerate(tokens) if token.type == "table_close")
    kinds = [token.type for token in tokens[:end]]
    return kinds.count("th_open"), kinds.count("tr_open")


def _add_inline(section: Section, tokens: Sequence[Token]) -> None:
    for token in tokens:
        if token.type == "code_inline":
            section.code.add(token.content)
        elif token.type == "link_open":
            section.links.append(unquote(str(token.attrs["href"])))
        elif token.type == "image":
            section.links.append(unquote(str(token.attrs["src"])))
    section.numbers |= numbers(_plain(tokens))


def _plain(tokens: Sequence[Token]) -> str:
    """The text, with a backtick for each piece of inline code."""
    words = {"code_inline": "`", "softbreak": "\n", "hardbreak": "\n"}
    return "".join(words.get(token.type, token.content) for token in tokens)


def numbers(text: str) -> set[str]:
    """The numbers in a text: `10,000`, `1.8 million`, `a million`, `180 万`, `一百万`."""
    values = (
        (Decimal(1) if digits in "Aa一" else Decimal(digits.replace(",", ""))) * _MAGNITUDES[magnitude]
        for digits, magnitude in _NUMBER.findall(text)
    )
    return {f"{value.normalize():f}" for value in values}


def differences(
    english: str,
    chinese: str,
    english_target: Callable[[str], str] = str,
    chinese_target: Callable[[str], str] = str,
) -> list[str]:
    """What one of two documents has and the other one lacks.

    Args:
        english: a document.
        chinese: its translation.
        english_target: where a link of the document leads, in words that hold for both; "" if the other one need not
            have it.
        chinese_target: the same for links of the translation.
    """
    found: list[str] = []
    both = sections(english), sections(chinese)
    levels = [" ".join(str(one.level) for one in some[1:]) for some in both]
    if levels[0] != levels[1]:
        return [f"levels of headings: {levels[0]} in English, {levels[1]} in Chinese"]
    for ours, theirs in zip(*both, strict=True):
        targets = {english_target(link) for link in ours.links}, {chinese_target(link) for link in theirs.links}
        faults = (*_of_content(ours, theirs), *_of_sets("link", targets[0] - {""}, targets[1] - {""}))
        found += [f"{ours.title or 'before the first heading'}: {fault}" for fault in faults]
    return found


def _of_content(ours: Section, theirs: Section) -> Iterator[str]:
    yield from _of_sets("code", ours.code, theirs.code)
    yield from _of_sets("code block", set(ours.blocks), set(theirs.blocks))
    if ours.blocks != theirs.blocks and {*ours.blocks} == {*theirs.blocks}:
        yield "the code blocks are in another order, or one of them is repeated"
    if ours.tables != theirs.tables:
        yield f"columns and rows of tables: {ours.tables} in English, {theirs.tables} in Chinese"
    if ours.items != theirs.items:
        yield f"list items: {ours.items} in English, {theirs.items} in Chinese"
    yield from _of_sets(
        "number", ours.numbers, {one for one in theirs.numbers if one in ours.numbers or not _may_be_a_word(one)}
    )


def _may_be_a_word(number: str) -> bool:
    return "." not in number and int(number) <= _WRITTEN_OUT_UP_TO


def _of_sets(kind: str, ours: set[str], theirs: set[str]) -> Iterator[str]:
    yield from (f"{kind} missing in Chinese: {one}" for one in sorted(ours - theirs))
    yield from (f"{kind} missing in English: {one}" for one in sorted(theirs - ours))


def anchors(text: str) -> list[str]:
    """The anchors that GitHub makes of the headings, in their order."""
    return [re.sub(r"[^\w\- ]", "", one.title.lower()).replace(" ", "-") for one in sections(text)[1:]]


def links(text: str) -> list[str]:
    """The targets of all links and images, in their order."""
    return [link for section in sections(text) for link in section.links]


def typography(chinese: str) -> list[str]:
    """Where a Chinese text breaks a rule for spaces, punctuation or line breaks."""
    texts = [_plain(token.children or []) for token in _PARSER.parse(chinese) if token.type == "inline"]
    return [
        f"{rule}: {text[max(fault.start() - 10, 0) : fault.end() + 10]!r}"
        for text in texts
        for rule, pattern in _TYPOGRAPHY.items()
        for fault in pattern.finditer(text)
    ]
