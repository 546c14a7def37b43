"""The report as a self-contained HTML page or as Markdown, and as a document in each format.

Names are untrusted and always escaped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from exporter import __version__
from exporter.common.text import printable, utc
from exporter.model.ssh_key import SshKey
from exporter.model.token import TokenState
from exporter.report.charts import policies_chart, states_chart, weeks_chart
from exporter.report.data import as_json_text
from exporter.report.facts import facts
from exporter.report.folding import folded
from exporter.report.formats import Binary, Form, Language, Text
from exporter.report.spreadsheet import write_csv, write_workbook
from exporter.report.words import Words
from exporter.report.workbook import sheets

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.token import Token
    from exporter.report.comparison import Comparison
    from exporter.report.summary import Summary

_SHOWN_KEYS = 100
"""SSH keys listed in HTML and Markdown, those that expire next; the other formats list all."""
_SHOWN_HELD = 20
"""Expired tokens listed there, and tokens that never expire."""
_SHOWN_FINDINGS = 50
"""Findings listed there that were fixed, and that are new."""
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~&^$])")


def _markdown(text: object) -> str:
    """Text on one line, escaped for Markdown and the HTML in it."""
    return _MARKDOWN.sub(r"\\\1", printable(str(text)))


_PAGES = Environment(
    loader=PackageLoader("exporter.report"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_PAGES.filters |= {"plain": printable, "md": _markdown, "utc": lambda at: utc(at) or "-"}


def report_document(
    summary: Summary, form: Form, language: Language = Language.EN, comparison: Comparison | None = None
) -> Text | Binary:
    """The report as a document.

    Args:
        summary: its content.
        form: the format; JSON and CSV are for programs and the same in each language.
        language: the language.
        comparison: what has changed since an earlier report; None for no comparison.
    """
    words = Words(language)
    match form:
        case Form.HTML:
            text = _page("report.html", summary, words, comparison)
        case Form.MARKDOWN:
            text = _page("report.md", summary, words, comparison)
        case Form.JSON:
            text = as_json_text(summary, comparison)
        case Form.CSV:
            return Text(lambda stream: write_csv(facts(summary, comparison), stream), spreadsheet=True)
        case Form.XLSX:

            def write(stream: BinaryIO, clean: Callable[[str], str]) -> None:
                write_workbook(sheets(summary, words, comparison), stream, clean)

            return Binary(write)
    return Text(lambda stream: stream.write(text))


def _page(template: str, summary: Summary, words: Words, comparison: Comparison | None) -> str:
    def age(token: Token) -> str:
        return "-" if token.created_at is None else words.duration(max(0.0, summary.at - token.created_at))

    return _PAGES.get_template(template).render(
        version=__version__,
        summary=summary,
        comparison=comparison,
        t=words,
        states=tuple(TokenState),
        expires=lambda token: words.expiry(token.expires_at, summary.at),
        age=age,
        contact=words.contact,
        scope=words.scope,
        folded=folded(summary.policies, summary.violations),
        shown_held=_SHOWN_HELD,
        shown_findings=_SHOWN_FINDINGS,
        shown_keys=summary.ssh_keys[:_SHOWN_KEYS],
        more_keys=max(0, len(summary.ssh_keys) - _SHOWN_KEYS),
        last_used=lambda token: utc(token.last_used_at) if isinstance(token, SshKey) else None,
        states_chart=states_chart(summary.total.states),
        policies_chart=policies_chart(summary.policies),
        weeks_chart=weeks_chart(summary, words),
    )
