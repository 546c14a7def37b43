"""The runbooks and the page about the platform as HTML, rendered from the Markdown files of the package."""

from __future__ import annotations

import functools
import posixpath
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt
from markupsafe import Markup

from exporter.alerts.definitions import DEFINITIONS_BY_NAME
from exporter.texts.catalogue import LANGUAGE_NAMES, Language, catalogue
from exporter.web.static_files import addresses
from exporter.web.templating import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from importlib.resources.abc import Traversable

    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token

INDEX = "README"
PLATFORM = "platform"
_PUBLISHED = "https://github.com/yunxiao-token-exporter/yunxiao-token-exporter/blob/main/docs"
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)
_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")
_BETWEEN_CHINESE = re.compile("(?<=[\u3000-\u9fff\uff00-\uffef])\n *(?=[\u3000-\u9fff\uff00-\uffef])")


@dataclass(frozen=True, slots=True)
class Document:
    """A Markdown file of the documentation.

    Attributes:
        path: in the folder of the documentation.
        url: where it is served, below the route prefix, without a slash at the begin.
        language: that of its text.
        chosen: whether the reader has chosen the language, so that links keep it.
    """

    path: str
    url: str
    language: Language
    chosen: bool = False


def find_document(name: str, language: Language, *, chosen: bool = False) -> Document | None:
    """A runbook in a language, the list of them, or the page about the platform; None if unknown."""
    if name == PLATFORM:
        path = f"{name}.md" if language is Language.EN else f"{language.value}/{name}.md"
        return Document(path, f"docs/{name}", language, chosen)
    if name != INDEX and name not in DEFINITIONS_BY_NAME:
        return None
    folder = "runbooks" if language is Language.EN else f"runbooks/{language.value}"
    return Document(f"{folder}/{name}.md", "runbooks/" if name == INDEX else f"runbooks/{name}", language, chosen)


@functools.lru_cache(maxsize=100)
def rendered(document: Document) -> bytes:
    """A document as an HTML page in UTF-8."""
    text = _folder().joinpath(document.path).read_text(encoding="utf-8")
    text = _BETWEEN_CHINESE.sub("", text)
    content = _markdown().render(text, {"document": document})
    title = text.partition("\n")[0].lstrip("# ").replace("*", "")
    words = catalogue(document.language).page
    html = TEMPLATES.get_template("document.html").render(
        language=document.language.value,
        title=title,
        links=_links(document, words),
        style=addresses()["page.css"],
        # Markdown's renderer has escaped all HTML in the text.
        content=Markup(content),  # noqa: S704
    )
    return html.encode()


def _links(document: Document, words: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What stands above a document."""
    query = f"?lang={document.language.value}" if document.chosen else ""
    yield words["overview"], "../"
    yield words["runbooks"], f"../runbooks/{query}"
    for language, name in LANGUAGE_NAMES.items():
        if language is not document.language:
            yield name, f"?lang={language.value}"


def _folder() -> Traversable:
    """The documentation in the installed package, or else in the source tree."""
    packaged = files("exporter").joinpath("docs")
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / "docs"


@functools.cache
def _markdown() -> MarkdownIt:
    """CommonMark with tables. HTML in the text is shown as text."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    markdown.add_render_rule("link_open", _link)
    markdown.add_render_rule("heading_open", _heading)
    return markdown


def _link(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    token.attrSet("href", served_link(str(token.attrGet("href")), env["document"]))
    return renderer.renderToken(tokens, index, options, env)


def _heading(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """A heading with the anchor that links from other documents use."""
    text = tokens[index + 1].content.lower()
    tokens[index].attrSet("id", _NOT_IN_ANCHORS.sub("", text).replace(" ", "-"))
    return renderer.renderToken(tokens, index, options, env)


def served_link(link: str, document: Document) -> str:
    """Where a link of a document leads when the exporter serves it: to a page beside it or to the published documents.

    Args:
        link: as the Markdown file has it.
        document: the file.
    """
    if _SCHEME.match(link) or link.startswith("#"):
        return link
    path, mark, anchor = link.partition("#")
    target = posixpath.normpath(posixpath.join(posixpath.dirname(document.path), path))
    folder, name = posixpath.split(target.removesuffix(".md"))
    language = Language.ZH if posixpath.basename(folder) == Language.ZH.value else Language.EN
    found = find_document(name, language)
    if found is None or found.path != target:
        return f"{_PUBLISHED}/{target}{mark}{anchor}"
    # Everything that is served is one folder deep. A link to another language says so; else the browser's counts.
    chosen = document.chosen or found.language is not document.language
    query = f"?lang={found.language.value}" if chosen else ""
    return f"../{found.url}{query}{mark}{anchor}"
