"""The state and policies that tests of the report share."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from exporter.model.snapshot import View
from exporter.model.token import NEVER
from exporter.model.user import User
from exporter.policies.schema import Policies
from exporter.report.formats import Form, Language, Output, Text
from exporter.report.render import report_document
from exporter.report.summary import Summary, summarize
from exporter.report.writing import ListOptions, document
from exporter.state.ledger import Ledger
from support.builders import DAY, HOUR, NOW, a_failure, a_token

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.report.comparison import Comparison
    from exporter.report.listing import Row

WEEK = 7 * DAY
POLICIES = Policies.model_validate(
    {
        "never_expires": {"severity": "info"},
        "forbidden_permissions": {"permissions": ("base_orgmember_read_write",)},
        "max_tokens_per_user": {"limit": 3},
        "max_age": {"limit": "10y"},
    }
)
HOSTILE = "<script>alert(1)</script>|`x`\n\x1b[31m\u202e=1+1"


def a_view() -> View:
    acme = Ledger("acme", [User("1", "li.wei"), User("2", "张三"), User("3", "gone")])
    acme.succeeded(
        "1",
        (
            a_token("pt-a", expires_in=1, age=9 * DAY),
            a_token("pt-b", expires_in=WEEK, age=300 * DAY),
            a_token("pt-c", expires_in=26 * WEEK - 1, age=None),
            a_token(
                "pt-d",
                expires_in=26 * WEEK,
                age=HOUR,
                permissions=("base_orgmember_read_write", "base_user_read", "lingma_chat_read"),
            ),
        ),
        NOW,
    )
    acme.succeeded("2", (a_token("pt-e", expires_in=-DAY, age=900 * DAY), a_token("pt-f", expires_in=NEVER)), NOW)
    acme.failed("3", a_failure(), NOW)
    globex = Ledger("globex", [User("9", "=cmd")])
    globex.succeeded("9", (a_token("pt-g", expires_in=None, name=HOSTILE, permissions=()),), NOW)
    return View((acme.view(), globex.view()))


def a_summary(**changes: Any) -> Summary:
    return summarize(a_view(), changes.get("policies", POLICIES), NOW, changes.get("failures", ()))


def render(
    summary: Summary, form: Form, language: Language = Language.EN, comparison: Comparison | None = None
) -> str | bytes:
    """The report in a format; a workbook as bytes."""
    document = report_document(summary, form, language, comparison)
    if isinstance(document, Text):
        text = io.StringIO()
        document.write(text)
        return text.getvalue()
    stream = io.BytesIO()
    document.write(stream, lambda text: text)
    return stream.getvalue()


def text_of(
    summary: Summary, form: Form, language: Language = Language.EN, comparison: Comparison | None = None
) -> str:
    """The report in a format of text."""
    found = render(summary, form, language, comparison)
    assert isinstance(found, str)
    return found


def write_list(
    listed: Sequence[Row],
    form: Output,
    stream: Any,
    options: ListOptions | None = None,
    view: View | None = None,
    now: float = NOW,
) -> None:
    """Write a list; a workbook to a stream of bytes."""
    made = document(listed, form, now, options or ListOptions(), view or View(()))
    if isinstance(made, Text):
        made.write(stream)
    else:
        made.write(stream, lambda text: text)


def listed_text(listed: Sequence[Row], form: Output, options: ListOptions | None = None) -> str:
    """A list in a format of text."""
    stream = io.StringIO()
    write_list(listed, form, stream, options)
    return stream.getvalue()
