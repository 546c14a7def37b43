from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from support.builders import DAY, NOW, a_failure, a_key, a_token

from exporter.model.snapshot import View
from exporter.model.token import NEVER
from exporter.model.user import User
from exporter.report.filters import TokenFilter
from exporter.report.listing import rows
from exporter.report.textfile import metrics
from exporter.state.ledger import Ledger


def a_view() -> View:
    ledger = Ledger("acme", [User("1", 'li "wei"'), User("2", "gone")])
    ledger.succeeded("1", (a_token("pt-1", expires_in=DAY), a_token("pt-2", expires_in=NEVER)), NOW, (a_key("501"),))
    ledger.failed("2", a_failure(), NOW)
    return View((ledger.view(),))


def samples(text: str) -> dict[tuple[str, str], float]:
    return {
        (sample.name, sample.labels.get("token_id", sample.labels["user"])): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_families_of_tokens_keys_and_polls() -> None:
    view = a_view()
    found = samples("".join(metrics(rows(view, NOW), view, NOW)))
    assert found["yunxiao_token_expiry_timestamp_seconds", "pt-1"] == NOW + DAY
    assert found["yunxiao_token_expiry_timestamp_seconds", "pt-2"] == NEVER
    assert ("yunxiao_ssh_key_expiry_timestamp_seconds", "501") in found
    assert found["yunxiao_user_up", 'li "wei"'] == 1
    assert found["yunxiao_user_up", "gone"] == 0


def test_only_listed_tokens_have_series_and_no_series_is_there_twice() -> None:
    ledger = Ledger("acme", [User("1", "li")])
    ledger.succeeded("1", (a_token("pt-*", expires_in=DAY), a_token("pt-*", expires_in=9 * DAY)), NOW)
    view = View((ledger.view(),))
    text = "".join(metrics(rows(view, NOW), view, NOW))
    assert text.count("\nyunxiao_token_expiry_timestamp_seconds{") == 1
    text = "".join(metrics(rows(view, NOW, TokenFilter(users=("nobody",))), view, NOW))
    assert "yunxiao_token_expiry" not in text
