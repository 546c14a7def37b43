"""Which format and encoding a scraper gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.encoding import Format, gzip_accepted, preferred_format

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;"
    "q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", Format.TEXT),
        (PROMETHEUS_2, Format.OPENMETRICS),
        (PROMETHEUS_3, Format.OPENMETRICS),
        ("text/html,application/xhtml+xml,*/*;q=0.8", Format.TEXT),
        ("application/openmetrics-text", Format.OPENMETRICS),
        ('Application/OpenMetrics-Text; Version="1.0.0"', Format.OPENMETRICS),
        ("text/plain;version=1.0.0", Format.TEXT_1),
        ("text/plain;q=0.9,application/openmetrics-text;q=0.1", Format.TEXT),
        ("application/openmetrics-text;q=0.9,text/plain", Format.TEXT),
        ("application/openmetrics-text;q=0", Format.TEXT),
        # An unknown version must not be answered with the body of a different version.
        ("application/openmetrics-text;version=2.0.0", Format.TEXT),
        ("application/openmetrics-text;version=2.0.0,application/openmetrics-text;q=0.5", Format.OPENMETRICS),
        ("application/openmetrics-text; version=abc", Format.TEXT),
        ("application/openmetrics-text;q=nan", Format.TEXT),
        ("application/openmetrics-text;q=7", Format.TEXT),
        ('"', Format.TEXT),
    ],
)  # fmt: skip
def test_the_preferred_format(accept: str, expected: Format) -> None:
    assert preferred_format(accept) is expected


@given(st.text())
def test_any_accept_header_gives_a_format_that_exists(accept: str) -> None:
    assert preferred_format(accept) in set(Format)
    assert gzip_accepted(accept) in {True, False}


def test_both_versions_of_the_text_format_share_a_body() -> None:
    assert {form.syntax for form in Format} == {Format.TEXT, Format.OPENMETRICS}


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("", False),
        ("gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0.0, *", False),
        ("*", True),
        ("*;q=0", False),
        ("identity", False),
        ("GZIP", True),
        ("gzip;q=nonsense", False),
        ("x-gzip-not", False),
    ],
)
def test_gzip_only_where_it_is_wanted(header: str, accepted: bool) -> None:  # noqa: FBT001
    assert gzip_accepted(header) is accepted
