from __future__ import annotations

import pytest
from support.configuration import faults, settled, with_organization


def test_a_silence_may_end_on_the_last_day_of_the_calendar() -> None:
    text = "alerting: {ignore: [{user: x, reason: y, until: 9999-12-31}]}\n" + with_organization("")
    (entry,) = settled(text).config.alerting.ignore
    # 2,932,896 days lie between 1970-01-01 and 9999-12-31; the entry mutes to the end of that day
    assert entry.ends_at == 2_932_897 * 86400
    assert settled(text).warnings(1.8e9) == ()


@pytest.mark.parametrize("regex", ["(?=x)y", r"(x)\1", "(", "x{2000}"])
def test_a_regex_that_prometheus_rules_do_not_support_is_refused(regex: str) -> None:
    text = f"alerting: {{ignore: [{{name: '{regex}', reason: y, until: 2027-01-01}}]}}\n" + with_organization("")
    (fault,) = faults(text)
    assert "is not a valid RE2 regular expression" in fault


def test_a_whole_token_in_a_silence_is_refused() -> None:
    text = "alerting: {ignore: [{token_id: pt-0a1b2c_5ecre7, reason: y, until: 2027-01-01}]}\n" + with_organization("")
    (fault,) = faults(text)
    assert "write only the part before the _" in fault
    assert "5ecre7" not in fault
