"""What is posted to Alertmanager."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from exporter.alerts.receivers.alertmanager import encoded

texts = st.text()
"""Lone surrogates included."""
labels = st.dictionaries(texts, texts, max_size=3)


@given(st.lists(st.fixed_dictionaries({"labels": labels, "startsAt": texts}), max_size=3))
def test_any_text_is_valid_json(alerts: list[dict[str, object]]) -> None:
    assert json.loads(encoded(alerts)) == alerts


def test_text_is_written_in_utf_8() -> None:
    assert encoded([{"labels": {"user": "张三"}}]) == '[{"labels":{"user":"张三"}}]'.encode()
    assert encoded([{"labels": {"user": "\udcff"}}]) == b'[{"labels": {"user": "\\udcff"}}]'
