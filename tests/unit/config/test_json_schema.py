from __future__ import annotations

import re

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.common.durations import format_duration, parse_duration
from exporter.config.json_schema import json_schema

SCHEMA = json_schema()
PATTERN = re.compile(SCHEMA["$defs"]["Poll"]["properties"]["interval"]["pattern"])


def test_it_is_a_schema_and_names_its_draft() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["required"] == ["organizations"]
    assert SCHEMA["additionalProperties"] is False


def test_durations_are_text_with_a_default_as_it_is_written() -> None:
    interval = SCHEMA["$defs"]["Poll"]["properties"]["interval"]
    assert (interval["type"], interval["default"]) == ("string", "15m")
    after = SCHEMA["$defs"]["Organization"]["properties"]["never_expires_after"]
    assert (after["default"], after["anyOf"][1]) == ("3650d", {"type": "null"})
    assert "shown_as" not in str(SCHEMA)


def test_dates_are_text_and_a_policy_may_be_one_word() -> None:
    assert SCHEMA["$defs"]["Exemption"]["properties"]["until"]["format"] == "date"
    assert SCHEMA["$defs"]["NeverExpires"]["anyOf"][0] == {"const": "forbid"}


@pytest.mark.parametrize("text", ["0", "90s", "1h30m", "14d", "1y2w3d4h5m6s7ms", "5ms"])
def test_durations_of_prometheus_fit(text: str) -> None:
    assert PATTERN.search(text)


@given(st.text("0159ywdhms", max_size=8))
def test_the_pattern_accepts_what_is_a_duration(text: str) -> None:
    try:
        parse_duration(text)
    except ValueError as error:
        if "longer than 100 years" not in str(error):
            assert not PATTERN.search(text)
    else:
        assert PATTERN.search(text)


@given(st.integers(0, 10**9))
def test_every_default_could_be_written(milliseconds: int) -> None:
    assert PATTERN.search(format_duration(milliseconds / 1000))
