from __future__ import annotations

import re

from exporter.metrics.families import ALL_FAMILIES, Kind


def test_names_and_help_texts_follow_the_naming_rules() -> None:
    names = [family.name for family in ALL_FAMILIES]
    assert len(names) == len(set(names))
    for family in ALL_FAMILIES:
        assert re.fullmatch(r"yunxiao_[a-z_]+[a-z]", family.name)
        assert family.name.endswith("_total") == (family.kind is Kind.COUNTER)
        assert family.help.endswith(".")
        assert any(family.name in part for part in family.query[:1]), family.name
        if "timestamp" in family.name:
            assert family.name.endswith("_timestamp_seconds")
        if family.name.endswith("_seconds"):
            assert "seconds" in family.help.lower()
